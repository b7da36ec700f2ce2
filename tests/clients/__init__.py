"""Plays given with real clients, each written by other people, against a server in a process of its own."""
