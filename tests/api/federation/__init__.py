"""Tests of the server-server API."""
