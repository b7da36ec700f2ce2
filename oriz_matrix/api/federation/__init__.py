"""The server-server API: what other servers ask of this one."""

from oriz_matrix.api.federation import (
    devices,
    hierarchy,
    history,
    keys,
    membership,
    openid,
    public_rooms,
    queries,
    third_party_invites,
    times,
    transactions,
    version,
)

MODULES = (
    devices,
    hierarchy,
    history,
    keys,
    membership,
    openid,
    public_rooms,
    queries,
    third_party_invites,
    times,
    transactions,
    version,
)
"""Whose endpoints `web.endpoint.declared` collects, where this server talks with others."""
