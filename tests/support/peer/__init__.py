"""A scripted peer: a server of the server-server API inside the test's process, as good or as hostile as one wants."""
