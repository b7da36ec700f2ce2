"""Tests of what reaches out, against real sockets, certificates and DNS on the loopback address."""
