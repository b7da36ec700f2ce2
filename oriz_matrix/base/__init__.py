"""What the layers above the protocol share: configuration, clock, ids, caches, logging and metrics."""
