"""Tests of what the layers above the protocol share."""
