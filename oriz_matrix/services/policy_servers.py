"""Policy servers: asked whether an event is welcome in a room that names one, before anybody sees it.

A room whose policy server is away takes no events but the one that names another: nobody waits for it longer than a few
seconds, and after a vain wait nobody does for a while. Source: server-server API, "Policy Servers".
"""

import asyncio
from collections.abc import Mapping
from typing import Any

import structlog

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.net.errors import Refused, RemoteFailed
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest
from oriz_matrix.protocol.errors import BadGateway, Forbidden, LimitExceeded, MatrixError
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.policy import PolicyServer, is_recommended, recommended

SIGN = "/_matrix/policy/v1/sign"
SECONDS = 5.0
"""How long a policy server may take; whoever sends something waits meanwhile."""
SILENT_SECONDS = 5.0
"""After a vain wait it is not asked for so long: in a full room all would wait in turn."""
LARGEST_ANSWER = 65_536
LONGEST_PAUSE_MS = 3_600_000

log = structlog.get_logger()


class PolicyServers:
    """Asks them."""

    def __init__(self, federation: Federation | None, clock: Clock) -> None:
        """`federation` is None where this server talks with no other."""
        self._federation = federation
        self._clock = clock
        self._silent: Cache[ServerName, float] = Cache("silent_policy_servers", 1_000)

    async def signed(self, event: Event, policy: PolicyServer) -> Event:
        """The event with the signature of the room's policy server, which is asked unless the event bears it.

        Raises what the policy server says against it, Forbidden where it does not sign, BadGateway where it is away.
        """
        if is_recommended(event, policy):
            return event
        try:
            return recommended(event, policy, await self._ask(event, policy))
        except MatrixError as error:
            log.info("an event is not recommended", event_id=event.event_id, server=policy.name, reason=error.message)
            raise

    async def _ask(self, event: Event, policy: PolicyServer) -> Mapping[str, Any]:
        server, now = policy.name, self._clock.monotonic()
        if self._federation is None or now < (self._silent.get(server) or 0.0):
            raise BadGateway("The room's policy server does not answer")
        request = PeerRequest(method="POST", uri=SIGN, body=event.encoded, seconds=SECONDS, limit=LARGEST_ANSWER)
        try:
            async with asyncio.timeout(SECONDS):
                return await self._federation.ask(server, request)
        except Refused as error:
            raise _meaning(error) from None
        except (RemoteFailed, TimeoutError) as error:
            log.info("a policy server does not answer", server=server, reason=str(error))
            if self._clock.monotonic() >= now + SECONDS / 2:
                self._silent.put(server, self._clock.monotonic() + SILENT_SECONDS)
            raise BadGateway("The room's policy server does not answer") from None


def _meaning(error: Refused) -> MatrixError:
    """What is told to the user: the policy server's own words. Of its codes only those that cannot mislead a client."""
    if error.status == LimitExceeded.status:
        pause = error.content.get("retry_after_ms")
        return LimitExceeded(min(pause, LONGEST_PAUSE_MS) if type(pause) is int and pause > 0 else 1_000)
    if error.temporary:
        return BadGateway("The room's policy server cannot answer now")
    refusal = Forbidden(error.error[:1_000] or "The room's policy server refuses the event")
    if error.errcode == refusal.errcode and error.status == 400:
        refusal.status = error.status
    return refusal
