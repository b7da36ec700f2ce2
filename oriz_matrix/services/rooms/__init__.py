"""One room's life on this server: new events, what is read of a room, and how events look to clients."""
