"""The admin API: what operators and their tools ask of the server."""

from oriz_matrix.api.admin import register

MODULES = (register,)
"""Whose endpoints `web.endpoint.declared` collects."""
