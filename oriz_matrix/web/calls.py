"""What an endpoint's function gets as its first argument: who calls, from where, and the services it may use.

The endpoint's `Auth` decides the type: NONE `Call`, USER `UserCall`, OPTIONAL_USER `OptionalUserCall`, ADMIN
`AdminCall`, SERVER `ServerCall`. All are immutable; their representation shows the request id only, so that no token
lands in a log.
"""

import msgspec
from multidict import CIMultiDictProxy

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.services import Services
from oriz_matrix.services.accounts.requester import Requester


class Call(msgspec.Struct, frozen=True, eq=False):
    """A request by anybody. `ip` is empty when the caller came over a Unix socket."""

    services: Services
    request_id: str
    ip: str
    headers: CIMultiDictProxy[str]

    @property
    def user_agent(self) -> str:
        """The caller's User-Agent header, or an empty string."""
        return self.headers.get("User-Agent", "")

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.request_id}>"


class UserCall(Call, frozen=True, eq=False):
    """A request by a user of this server, known by their access token."""

    requester: Requester
    access_token: str


class OptionalUserCall(Call, frozen=True, eq=False):
    """A request that a user may make with an access token and anybody else without."""

    requester: Requester | None
    access_token: str | None


class ServerCall(Call, frozen=True, eq=False):
    """A request by another server, which has signed it."""

    origin: ServerName


class AdminCall(UserCall, frozen=True, eq=False):
    """A request by an administrator of this server."""
