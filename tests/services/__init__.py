"""Services over a real store."""
