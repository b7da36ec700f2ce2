"""Accounts: who the users of this server are, how they log in and what proves it."""
