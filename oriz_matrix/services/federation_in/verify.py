"""Events as other servers give them: read, with their signatures and hashes checked; and judged by each other.

Server-server API, "Checks performed on receipt of a PDU", steps 1 to 4. Thousands at a time are checked in a thread, in
slices, so that the server goes on.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog

from oriz_matrix.protocol.authorization import check_auth_events, check_with_state
from oriz_matrix.protocol.errors import Forbidden, MatrixError
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.event_format import key_over_byte_limit
from oriz_matrix.protocol.events import Event, event_from_pdu, redacted
from oriz_matrix.protocol.hashing import content_hash_matches, event_id_of
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.protocol.signing import verify_event_signatures
from oriz_matrix.services.server_keys import EventKeys, ServerKeys

FEW = 8
"""So many are checked at once, where they are wanted."""
SLICE = 200

log = structlog.get_logger()


class Verify:
    """Reads events of other servers."""

    def __init__(self, keys: ServerKeys) -> None:
        self._keys = keys

    async def events(self, pdus: Iterable[object], version: RoomVersion, room_id: RoomId) -> list[Event]:
        """Those of the PDUs that are events of this room and signed as they must be, each once.

        One whose content has another hash than it says comes in its redacted form.
        """
        found = await self._in_slices(_read_all, list(pdus), version, room_id)
        by_id = {event.event_id: event for event in found}
        keys = await self._keys.for_events(by_id.values())
        return await self._in_slices(_signed_all, list(by_id.values()), keys)

    async def each(self, pdus: Iterable[object], version: RoomVersion) -> list[Event | MatrixError]:
        """Each of a few events, or what is wrong with it."""
        read = [_read(pdu, version) for pdu in pdus]
        keys = await self._keys.for_events([event for event in read if isinstance(event, Event)])
        return [_signed_or_not(event, keys) if isinstance(event, Event) else event for event in read]

    async def event(self, pdu: object, version: RoomVersion) -> Event:
        """One event. Raises what is wrong with it: BadJson, TooLarge, or Forbidden where a signature is missing."""
        event = event_from_pdu(pdu, version)
        keys = await self._keys.for_events([event])
        return _signed(event, keys)

    async def _in_slices(self, check: Callable[..., list[Event]], items: Sequence[Any], *more: Any) -> list[Event]:
        if len(items) <= FEW:
            return check(items, *more)
        found: list[Event] = []
        for start in range(0, len(items), SLICE):
            found += await asyncio.to_thread(check, items[start : start + SLICE], *more)
        return found


def _read(pdu: object, version: RoomVersion) -> Event | MatrixError:
    try:
        return event_from_pdu(pdu, version)
    except MatrixError as error:
        return error


def _signed_or_not(event: Event, keys: EventKeys) -> Event | MatrixError:
    try:
        return _signed(event, keys)
    except Forbidden as error:
        return error


def event_id_of_any(pdu: Any, version: RoomVersion) -> EventId | None:
    """The id by which a server knows an event that may be malformed; None where it has none."""
    try:
        event_id: object = event_id_of(pdu, version)
    except (MatrixError, KeyError, TypeError, ValueError, AttributeError):
        return None
    return EventId(event_id) if isinstance(event_id, str) else None


def _read_all(pdus: Sequence[object], version: RoomVersion, room_id: RoomId) -> list[Event]:
    found = []
    for read in (_read(pdu, version) for pdu in pdus):
        if isinstance(read, MatrixError):
            log.info("a malformed event is dropped", room=room_id, reason=read.message)
        elif read.room_id == room_id:
            found.append(read)
    return found


def _signed_all(events: Sequence[Event], keys: EventKeys) -> list[Event]:
    found = []
    for event, signed in ((event, _signed_or_not(event, keys)) for event in events):
        if isinstance(signed, MatrixError):
            log.info("an event is dropped", event_id=event.event_id, room=event.room_id, reason=signed.message)
        else:
            found.append(signed)
    return found


def _signed(event: Event, keys: EventKeys) -> Event:
    verify_event_signatures(event, keys.lookup(event.version, event.origin_server_ts))
    return event if content_hash_matches(event.pdu) else redacted(event)


def in_order(events: Iterable[Event]) -> list[Event]:
    """The events, each after those that authorize it; one that lies on a cycle is left out (versions 1 and 2)."""
    waiting = {event.event_id: event for event in events}
    inside = {i: {auth for auth in event.auth_event_ids if auth in waiting} for i, event in waiting.items()}
    citing: dict[EventId, list[EventId]] = {}
    for event_id, auths in inside.items():
        for auth in auths:
            citing.setdefault(auth, []).append(event_id)
    ready = [event_id for event_id, auths in inside.items() if not auths]
    ordered = []
    while ready:
        event_id = ready.pop()
        ordered.append(waiting[event_id])
        for above in citing.get(event_id, ()):
            inside[above].discard(event_id)
            if not inside[above]:
                ready.append(above)
    # The create event authorizes all others also in the versions where none of them says so.
    return sorted(ordered, key=lambda event: event.type != CREATE[0])


class Chain:
    """Events judged by those that authorize them, from the create event upwards. Each is given after its auth events.

    `rejected` says why, by event id. One whose auth events are not all here is no part of the chain.
    """

    def __init__(self, events: Mapping[EventId, Event], rejected: Mapping[EventId, str]) -> None:
        self.events = dict(events)
        self.rejected = dict(rejected)

    def add(self, event: Event) -> bool:
        """Judges one more event; whether it is part of the chain now."""
        cited = [self.events.get(auth) for auth in event.auth_event_ids]
        auth = [one for one in cited if one is not None]
        if len(auth) < len(cited):
            return False
        reason = self._refusal(event, auth)
        self.events[event.event_id] = event
        if reason is not None:
            self.rejected[event.event_id] = reason
        return True

    def _refusal(self, event: Event, auth: Sequence[Event]) -> str | None:
        try:
            check_by(event, auth, self.events, self.rejected)
        except Forbidden as error:
            return error.message
        return None


def check_by(
    event: Event, auth: Sequence[Event], known: Mapping[EventId, Event], rejected: Mapping[EventId, object]
) -> None:
    """Judges an event by its auth events. Raises Forbidden; it is then to be rejected.

    `known` holds the create event, where the room version does not list it.
    """
    if (name := key_over_byte_limit(event.pdu)) is not None:
        raise Forbidden(f"{name} is too long")
    state = check_auth_events(event, auth, rejected.keys())
    if event.type != CREATE[0] and not event.version.create_in_auth_events:
        create = known.get(EventId("$" + event.room_id[1:]))
        if create is None:
            raise Forbidden("The room's create event is not known")
        state[CREATE] = create
    check_with_state(event, state)
