"""Homeservers as processes, each behind a line that can be cut: for plays between servers."""
