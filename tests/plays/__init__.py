"""Plays between two or three servers, whatever their make: `tests/federation` and `tests/interop` give them.

A play is a coroutine function of one `Stage`, told from its people's side. Alice, Amy and Adam live on the first
server, Bob, Ben and Bea on the second, Carol on the third. A play ends with what everybody sees, not with what a server
stores.
"""
