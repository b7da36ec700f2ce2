"""The HTTP layer, asked through real sockets."""
