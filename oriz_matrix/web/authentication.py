"""Who calls: from the headers of a request to the call that its endpoint's function gets.

Access tokens come as `Authorization: Bearer ...`, or as `?access_token=...` where the operator still allows it.
Client-server API, "Client Authentication". Other servers sign what they ask, see `web.signatures`.
"""

from typing import Protocol

import msgspec
from multidict import CIMultiDictProxy

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.logging import add_context
from oriz_matrix.protocol.errors import Forbidden, GuestAccessForbidden, MissingToken, UserLocked
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.services import Services
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.web.arguments import Body, parse_query
from oriz_matrix.web.calls import AdminCall, Call, OptionalUserCall, ServerCall, UserCall
from oriz_matrix.web.endpoint import Auth, Endpoint
from oriz_matrix.web.limits import Limits

CALL_TYPES = {
    Auth.NONE: Call,
    Auth.OPTIONAL_USER: OptionalUserCall,
    Auth.USER: UserCall,
    Auth.ADMIN: AdminCall,
    Auth.SERVER: ServerCall,
}


class Authenticator(Protocol):
    """Knows whose an access token is."""

    async def requester(self, access_token: str, now_ms: int) -> Requester:
        """Whom the token stands for; raises `UnknownToken` and its like."""
        ...


class Caller(msgspec.Struct, frozen=True, eq=False):
    """What is known of a request before anybody is authenticated."""

    request_id: str
    ip: str
    headers: CIMultiDictProxy[str]
    query: str
    method: str
    target: str
    body: Body


class ServerAuthenticator(Protocol):
    """Knows which server has signed a request."""

    async def origin(self, caller: Caller) -> ServerName:
        """The server's name; raises `Unauthorized`, `Forbidden` and its like."""
        ...


class Gate:
    """Admits callers to endpoints: authentication, then the rate limit."""

    def __init__(
        self,
        services: Services,
        authenticator: Authenticator,
        limits: Limits,
        clock: Clock,
        *,
        token_in_query: bool = True,
        servers: ServerAuthenticator | None = None,
    ) -> None:
        """`servers` is None where no endpoint is for other servers."""
        self._services = services
        self._authenticator = authenticator
        self._limits = limits
        self.clock = clock
        self._token_in_query = token_in_query
        self._servers = servers

    async def admit(self, endpoint: Endpoint, caller: Caller) -> Call:
        """The call for the endpoint's function; raises the 401, 403 or 429 that keeps the caller out."""
        if endpoint.auth is Auth.SERVER:
            assert self._servers is not None, "an endpoint for servers is declared where they are known"
            origin = await self._servers.origin(caller)
            add_context(origin=origin)
            return ServerCall(self._services, caller.request_id, caller.ip, caller.headers, origin)
        token = None if endpoint.auth is Auth.NONE else self._token(caller)
        if token is None and endpoint.auth in (Auth.USER, Auth.ADMIN):
            raise MissingToken
        requester = None if token is None else await self._requester(endpoint, token)
        if endpoint.limit is not None:
            self._limits.take(endpoint.limit, caller.ip, requester)
        return self._call(endpoint.auth, caller, requester, token)

    async def _requester(self, endpoint: Endpoint, token: str) -> Requester:
        requester = await self._authenticator.requester(token, self.clock.now_ms())
        add_context(user=requester.user_id)
        if requester.is_locked and not endpoint.locked:
            raise UserLocked(soft_logout=True)
        if requester.is_guest and not endpoint.guests:
            raise GuestAccessForbidden
        if endpoint.auth is Auth.ADMIN and not requester.is_admin:
            raise Forbidden("Only administrators of this server may do this")
        return requester

    def _call(self, auth: Auth, caller: Caller, requester: Requester | None, token: str | None) -> Call:
        services, request_id, ip, headers = self._services, caller.request_id, caller.ip, caller.headers
        if auth is Auth.NONE:
            return Call(services, request_id, ip, headers)
        if auth is Auth.OPTIONAL_USER:
            return OptionalUserCall(services, request_id, ip, headers, requester, token)
        assert requester is not None
        assert token is not None
        call_type = AdminCall if auth is Auth.ADMIN else UserCall
        return call_type(services, request_id, ip, headers, requester, token)

    def _token(self, caller: Caller) -> str | None:
        scheme, _, token = caller.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip() or None
        if self._token_in_query and "access_token=" in caller.query:
            return dict(parse_query(caller.query)).get("access_token") or None
        return None
