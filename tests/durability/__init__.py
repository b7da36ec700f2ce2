"""Servers and databases that are killed under load."""
