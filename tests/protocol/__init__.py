"""Tests of the protocol library: pure, no server."""
