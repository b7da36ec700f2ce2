"""Tests of keys, lists of devices, and messages to devices."""
