"""Which server sends a request: from its X-Matrix header, over the very bytes that came in.

What costs nothing is checked first, and the body is read last: whoever has no key in use can make this server neither
keep a body in memory nor look at it. Source: server-server API, "Request Authentication".
"""

from collections.abc import Callable

from oriz_matrix.protocol.canonical import decode_strict, encode
from oriz_matrix.protocol.errors import Forbidden, Unauthorized
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, parse_authorization, verify
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.web.authentication import Caller


class Signatures:
    """Checks the signatures of requests.

    `allows` says whether this server talks with another; `heard` hears from whom a request has come.
    """

    def __init__(
        self,
        keys: ServerKeys,
        allows: Callable[[ServerName], bool],
        server_name: ServerName,
        heard: Callable[[ServerName], None],
    ) -> None:
        self._keys = keys
        self._allows = allows
        self._server_name = server_name
        self._heard = heard

    async def origin(self, caller: Caller) -> ServerName:
        """The server that signed the request; raises `Unauthorized`, `Forbidden`, or what is wrong with the body."""
        credentials = parse_authorization(caller.headers.getall("Authorization", ()))
        origin, destination = credentials[0].origin, credentials[0].destination
        if destination not in (None, self._server_name):
            raise Unauthorized("The request is meant for another server")
        if not self._allows(origin):
            raise Forbidden("This server does not talk with yours")
        lookup = await self._keys.for_request(credentials)
        if not any(lookup(origin, each.key_id) for each in credentials):
            raise Unauthorized(f"The keys by which {origin} signs this request are unknown, or not in use")
        body = await caller.body.read()
        request = SignedRequest(
            method=caller.method,
            uri=caller.target,
            origin=origin,
            destination=self._server_name,
            content=encode(decode_strict(body)) if body else None,
        )
        if not verify(request, credentials, lookup):
            raise Unauthorized(f"The request is not validly signed by {origin}")
        self._heard(origin)
        return origin
