"""GET /sync: what happened since a client last asked, or all that it needs to begin."""
