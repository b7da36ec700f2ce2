"""The server-server API: what other servers ask of this one."""

from oriz_matrix.api.federation import keys, version

MODULES = (keys, version)
"""Whose endpoints `web.endpoint.declared` collects, where this server talks with others."""
