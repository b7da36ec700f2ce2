"""Puts the server together: wiring, processes, the command line."""
