"""Server access control lists: may this server take part in this room?

Applied at the edge to the network only (requests, incoming PDUs, typing and receipts), never in authorization rules.
Source: client-server API, "m.room.server_acl"; server-server API, "Server Access Control Lists (ACLs)".
"""

from collections.abc import Mapping
from typing import Any

from oriz_matrix.protocol.globs import Matcher, match_whole
from oriz_matrix.protocol.identifiers import ServerName, is_ip_literal, split_server_name


class ServerAcl:
    """The content of a room's m.room.server_acl event, made ready for many questions; None when it has no such event.

    What is not of the type that the specification names counts as absent, and an absent `allow` denies everybody.
    """

    def __init__(self, content: Mapping[str, Any] | None) -> None:
        acl = {"allow": ["*"]} if content is None else content
        self._allow = _matchers(acl.get("allow"))
        self._deny = _matchers(acl.get("deny"))
        self._allow_ip_literals = acl.get("allow_ip_literals") is not False

    def allows(self, server_name: ServerName) -> bool:
        """Whether the server may take part; its port does not matter, nor does case."""
        host, _ = split_server_name(server_name)
        if not self._allow_ip_literals and is_ip_literal(host):
            return False
        if any(matches(host) for matches in self._deny):
            return False
        return any(matches(host) for matches in self._allow)


def _matchers(patterns: object) -> list[Matcher]:
    """A list, each glob in it ready to match; what is no string matches nothing."""
    return [match_whole(glob) for glob in patterns if isinstance(glob, str)] if isinstance(patterns, list) else []
