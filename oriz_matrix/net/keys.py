"""The keys of other servers: asked of themselves, and of notaries that the operator trusts.

Nothing here is signed by us or kept. Source: server-server API, "Retrieving server keys".
"""

from collections.abc import Collection, Mapping
from typing import Any

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.net.errors import BadAnswer
from oriz_matrix.net.peers import PeerRequest, Peers
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import PublishedKeys, ServerKey, parse_published
from oriz_matrix.protocol.signing import verify_json

SECONDS = 15.0
LARGEST_KEYS = 262_144
LARGEST_BATCH = 4 * 1024 * 1024

Wanted = Mapping[ServerName, Collection[str]]
"""The key ids that are wanted of each server; none means all."""

log = structlog.get_logger()


class KeyClient:
    """Asks for keys; every answer is checked, and signed by the server whose keys it holds."""

    def __init__(self, peers: Peers, clock: Clock) -> None:
        self._peers = peers
        self._clock = clock

    async def direct(self, server: ServerName) -> PublishedKeys:
        """What a server itself publishes. Raises RemoteFailed."""
        request = PeerRequest(method="GET", uri="/_matrix/key/v2/server", seconds=SECONDS, limit=LARGEST_KEYS)
        content = await self._peers.ask(server, request)
        try:
            return parse_published(content, server, self._clock.now_ms())
        except ValueError as error:
            raise BadAnswer(str(error)) from None

    async def by_notary(
        self, notary: ServerName, notary_keys: Mapping[str, ServerKey], wanted: Wanted, valid_until: int
    ) -> list[PublishedKeys]:
        """What a notary, whose own keys are known, tells of other servers; the wanted keys of it at best.

        `valid_until`: in milliseconds, up to when they shall be good. Raises RemoteFailed.
        """
        criteria = {
            server: {key_id: {"minimum_valid_until_ts": valid_until} for key_id in key_ids}
            for server, key_ids in wanted.items()
        }
        request = PeerRequest(
            method="POST",
            uri="/_matrix/key/v2/query",
            headers={"Content-Type": "application/json"},
            body=encode({"server_keys": criteria}),
            seconds=SECONDS,
            limit=LARGEST_BATCH,
        )
        answers = (await self._peers.ask(notary, request)).get("server_keys")
        if not isinstance(answers, list):
            raise BadAnswer("server_keys is no list")
        found = [self._checked(answer, notary, notary_keys, wanted) for answer in answers]
        return [keys for keys in found if keys is not None]

    def _checked(
        self, answer: Any, notary: ServerName, notary_keys: Mapping[str, ServerKey], wanted: Wanted
    ) -> PublishedKeys | None:
        """One answer of a notary; one that is wrong does not spoil the others."""
        now = self._clock.now_ms()
        name = answer.get("server_name") if isinstance(answer, dict) else None
        if not isinstance(name, str) or name not in wanted:
            return None
        usable = {key_id: known.key for key_id, known in notary_keys.items() if known.signs_requests(now)}
        if not verify_json(answer, notary, lambda _, key_id: usable.get(key_id)):
            log.info("a notary has not signed its answer", notary=notary, server=name)
            return None
        try:
            return parse_published(answer, ServerName(name), now)
        except ValueError as error:
            log.info("a notary's answer is no use", notary=notary, server=name, reason=str(error))
            return None
