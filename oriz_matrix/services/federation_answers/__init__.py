"""What this server answers to the questions of others; it only reads."""
