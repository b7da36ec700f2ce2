"""Two and three Oriz servers as processes on loopback with TLS, faults between them, and hostile peers."""
