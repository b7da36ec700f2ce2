"""Tests of finding rooms and people, here and on other servers."""
