"""The keys that servers sign with: this server's own, those of others, and what this server vouches for as a notary.

A key of another server is looked for in the store, then asked of the server itself, then of the notaries that the
operator trusts, in their order; where many servers have signed, as in a large room, of the notaries first. Requests
need a key that is in use now, events one that was good when they were made (traps.md 10). Source: server-server API,
"Retrieving server keys", "Request Authentication".
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

import structlog

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.shared_calls import SharedCalls
from oriz_matrix.net.errors import RemoteFailed
from oriz_matrix.net.keys import KeyClient
from oriz_matrix.protocol.events import Event
from oriz_matrix.protocol.identifiers import ServerName, is_server_name
from oriz_matrix.protocol.policy import POLICY_KEY_ID
from oriz_matrix.protocol.request_signing import Credentials
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.protocol.server_keys import ServerKey, publish
from oriz_matrix.protocol.signing import KeyLookup, SigningKey, required_signers, sign_json
from oriz_matrix.storage import server_keys
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.server_keys import KeyAnswer, KeyName, OwnKey

PUBLISHED_FOR_MS = 24 * 3600 * 1000
"""How long others may keep what this server publishes."""
ASK_AGAIN_SECONDS = 60.0
"""A server that was just asked is not asked again: whoever sends nonsense in its name must not make us a nuisance."""
MOST_ASKED = 10
"""So often a server is asked within that time for others, who want to know more than this server has, as a notary."""
AT_ONCE = 100
FEW = 10
"""So many servers are asked themselves before a notary is."""
MOST_NOTARIZED = 100
REMEMBERED_SECONDS = 300.0
"""How long a key is believed without reading it again; another process may have heard of a change."""
FOR_EVER = 2**63 - 1

log = structlog.get_logger()


class Need(NamedTuple):
    """A key that must have been good at a moment; for a request it must be in use as well."""

    server: ServerName
    key_id: str
    at_ms: int
    for_request: bool = False

    def is_met(self, key: ServerKey | None) -> bool:
        """Whether the key is what is needed."""
        if key is None:
            return False
        return key.signs_requests(self.at_ms) if self.for_request else key.signs_events(self.at_ms)


class _Remembered(NamedTuple):
    """Keys of a server that were read lately, by their ids, and since when."""

    keys: dict[str, ServerKey]
    read_at: float


class EventKeys:
    """The keys of those servers that have signed some events, as far as they can be had."""

    def __init__(self, keys: Mapping[KeyName, ServerKey]) -> None:
        self._keys = keys

    def lookup(self, version: RoomVersion, made_ms: int) -> KeyLookup:
        """For `verify_event_signatures`, of an event of this version and `origin_server_ts`."""

        def find(server: ServerName, key_id: str) -> Any:
            known = (
                self._keys.get((server, key_id)) if key_id != POLICY_KEY_ID else None
            )  # the room's, not the server's
            good = known is not None and (not version.key_validity or known.signs_events(made_ms))
            return known.key if known is not None and good else None

        return find


class ServerKeys:
    """Finds, keeps and publishes keys."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        server_name: ServerName,
        key: SigningKey,
        client: KeyClient | None,
        notaries: Sequence[str],
    ) -> None:
        """`client` is None where this server talks with no other: then only what is stored is known."""
        self._db = db
        self._clock = clock
        self._server_name = server_name
        self._key = key
        self._client = client
        self._notaries = [ServerName(name) for name in notaries]
        self._own: dict[str, OwnKey] = {}
        self._asked: Cache[ServerName, list[float]] = Cache("asked_for_keys", 20_000)
        self._asking: SharedCalls[ServerName, None] = SharedCalls()
        self._places = asyncio.Semaphore(AT_ONCE)
        self.cache: Cache[ServerName, _Remembered] = Cache("server_keys", 20_000)

    async def start(self) -> None:
        """Puts this server's key into use; the one of last time, if it was another, has expired. Raises KeyReused."""
        now = self._clock.now_ms()
        self._own = await self._db.write(server_keys.use, self._key.key_id, self._key.verify_key, now)

    def published(self) -> dict[str, Any]:
        """What this server publishes, signed."""
        old = {key_id: (key, expired_at) for key_id, (key, expired_at) in self._own.items() if expired_at is not None}
        return publish(self._server_name, self._key, old, self._clock.now_ms() + PUBLISHED_FOR_MS)

    async def for_request(self, credentials: Sequence[Credentials]) -> KeyLookup:
        """The keys by which a request is said to be signed, as far as they can be had and are in use now."""
        now = self._clock.now_ms()
        keys = await self._find([Need(each.origin, each.key_id, now, for_request=True) for each in credentials])
        usable = {name: known.key for name, known in keys.items() if known.signs_requests(now)}
        return lambda server, key_id: usable.get((server, key_id))

    async def for_events(self, events: Iterable[Event]) -> EventKeys:
        """The keys that are needed to check the signatures of these events, all looked for together."""
        latest: dict[KeyName, int] = {}
        for event in events:
            made = event.origin_server_ts if event.version.key_validity else 0
            for name in _signatures(event):
                latest[name] = max(made, latest.get(name, 0))
        return EventKeys(await self._find([Need(*name, made) for name, made in latest.items()]))

    async def notarize(
        self, asked: Mapping[str, Mapping[str, int | None]], valid_until: int | None = None
    ) -> list[dict[str, Any]]:
        """What these servers published, with this server's signature; who is unknown and does not answer is left out.

        `asked`: by server, the key ids that are wanted and up to when each shall be good; no key ids mean all.
        `valid_until`: up to when all shall be good. Moments are milliseconds, by default now.
        """
        valid = {ServerName(name): wanted for name, wanted in asked.items() if is_server_name(name)}
        chosen = dict(islice(valid.items(), MOST_NOTARIZED))
        ours = [self.published()] if chosen.pop(self._server_name, None) is not None else []
        now = self._clock.now_ms()
        least = now if valid_until is None else valid_until
        wanted = {name: {key: least if at is None else at for key, at in keys.items()} for name, keys in chosen.items()}
        known = await self._db.read(server_keys.answers, list(chosen))
        stale = [server for server, keys in wanted.items() if _is_stale(known.get(server, []), keys, now, least)]
        if stale:
            await self._ask_each(stale, MOST_ASKED)
            known = await self._db.read(server_keys.answers, list(chosen))
        theirs = [answer for server, found in known.items() for answer in _holding(found, chosen[server])]
        return ours + [sign_json(answer.content, self._server_name, self._key) for answer in theirs]

    async def _find(self, needs: Sequence[Need]) -> dict[KeyName, ServerKey]:
        """The keys by their names, good or not for what they are needed; what cannot be had is left out."""
        ours = {(self._server_name, key_id): _own_key(key) for key_id, key in self._own.items()}
        remembered = {**self._remembered(needs), **ours}
        names = [(need.server, need.key_id) for need in _unmet(needs, remembered) if need.server != self._server_name]
        if not names:
            return remembered
        known = await self._db.read(server_keys.get, names)
        known = {**remembered, **known}
        missing = _unmet(needs, known)
        ways = (self._ask_themselves, self._ask_notaries)
        for ask in reversed(ways) if len(_wanted(missing)) > FEW else ways:
            if missing := _unmet(needs, known):
                await ask(missing)
                known |= await self._db.read(server_keys.get, names)
        self._remember({name: known[name] for name in names if name in known})
        return known

    def _remember(self, found: Mapping[KeyName, ServerKey]) -> None:
        now = self._clock.monotonic()
        for (server, key_id), key in found.items():
            known = self.cache.get(server)
            if known is None or known.read_at <= now - REMEMBERED_SECONDS:
                known = _Remembered({}, now)
                self.cache.put(server, known)
            known.keys[key_id] = key

    def _remembered(self, needs: Sequence[Need]) -> dict[KeyName, ServerKey]:
        """The keys that were read lately."""
        since = self._clock.monotonic() - REMEMBERED_SECONDS
        found = {}
        for need in needs:
            known = self.cache.get(need.server)
            if known is not None and known.read_at > since and need.key_id in known.keys:
                found[need.server, need.key_id] = known.keys[need.key_id]
        return found

    async def _ask_themselves(self, missing: Sequence[Need]) -> None:
        await self._ask_each({need.server for need in missing if need.server != self._server_name})

    async def _ask_each(self, servers: Iterable[ServerName], most: int = 1) -> None:
        await asyncio.gather(*(self._asking.share(server, self._asker(server, most)) for server in servers))

    def _asker(self, server: ServerName, most: int) -> Any:
        return lambda: self._ask(server, most)

    async def _ask(self, server: ServerName, most: int) -> None:
        """Asks a server for its keys, unless it was asked so often lately, and keeps them."""
        now = self._clock.monotonic()
        lately = [at for at in self._asked.get(server) or () if now < at + ASK_AGAIN_SECONDS]
        if self._client is None or len(lately) >= most:
            return
        self._asked.put(server, [*lately, now])
        async with self._places:
            try:
                published = await self._client.direct(server)
            except RemoteFailed as error:
                log.info("a server's keys cannot be had", server=server, reason=str(error))
                return
        await self._db.write(server_keys.put, published, self._clock.now_ms())
        self.cache.drop(server)

    async def _ask_notaries(self, missing: Sequence[Need]) -> None:
        """Asks the notaries until one knows all that is missing."""
        for notary in self._notaries:
            wanted = _wanted(need for need in missing if need.server != self._server_name)
            if self._client is None or not wanted or notary in wanted:
                continue
            try:
                keys = await self._keys_of(notary)
                found = await self._client.by_notary(notary, keys, wanted, max(need.at_ms for need in missing))
            except RemoteFailed as error:
                log.info("a notary does not answer", notary=notary, reason=str(error))
                continue
            await self._db.write(server_keys.put_hearsay, found)
            missing = _unmet(
                missing, {(each.server_name, name): key for each in found for name, key in each.keys.items()}
            )

    async def _keys_of(self, notary: ServerName) -> dict[str, ServerKey]:
        """A notary's own keys, which nobody vouches for but itself."""
        keys = await self._db.read(server_keys.of_server, notary)
        if not any(key.signs_requests(self._clock.now_ms()) for key in keys.values()):
            await self._ask_each([notary])
            keys = await self._db.read(server_keys.of_server, notary)
        return keys


def _own_key(own: OwnKey) -> ServerKey:
    current = own.expired_at is None
    return ServerKey(own.key, FOR_EVER if own.expired_at is None else own.expired_at, current)


def _signatures(event: Event) -> list[KeyName]:
    """The keys by which those who must have signed an event have done so, as they say."""
    signatures = event.pdu["signatures"]
    named = [(server, key_id) for server in required_signers(event) for key_id in _object(signatures.get(server))]
    return [(server, key_id) for server, key_id in named if key_id != POLICY_KEY_ID]


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _unmet(needs: Iterable[Need], known: Mapping[KeyName, ServerKey]) -> list[Need]:
    return [need for need in needs if not need.is_met(known.get((need.server, need.key_id)))]


def _wanted(missing: Iterable[Need]) -> dict[ServerName, list[str]]:
    wanted: dict[ServerName, list[str]] = {}
    for need in missing:
        wanted.setdefault(need.server, []).append(need.key_id)
    return wanted


def _is_stale(answers: Sequence[KeyAnswer], wanted: Mapping[str, int], now: int, least: int) -> bool:
    """Whether a server is to be asked again before a notary passes on what it said: where a key is wanted that is not
    known, or not to be good for so long, and after half of its lifetime, unless it is wanted for the past.

    `wanted`: moments by key ids; none means all, up to `least`.
    """

    def is_good(answer: KeyAnswer, until: int) -> bool:
        is_fresh = now <= (answer.fetched_at + answer.valid_until) // 2
        return answer.valid_until >= until and (is_fresh or until < now)

    if not wanted:
        return not (answers and is_good(answers[0], least))
    good = [key_id for answer in answers for key_id in answer.key_ids if is_good(answer, wanted.get(key_id, least))]
    return not wanted.keys() <= set(good)


def _holding(answers: Sequence[KeyAnswer], key_ids: Iterable[str]) -> list[KeyAnswer]:
    """The newest of a server's answers that holds each of the keys; its last one where none of them is known."""
    places = {next((n for n, one in enumerate(answers) if key_id in one.key_ids), 0) for key_id in key_ids}
    return [answers[place] for place in sorted(places or {0})]
