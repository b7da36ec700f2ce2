"""The endpoints of rooms and of sync, each with its parameters, errors and limits."""
