"""Plays: several people do something in rooms, and each sees what the specification promises them."""
