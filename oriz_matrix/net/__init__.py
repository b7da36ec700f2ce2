"""Reaching out: outgoing HTTP and nothing else. Federation will bring its first modules."""
