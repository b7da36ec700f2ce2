"""Oriz with Synapse: the same plays, with either of them as the first server."""
