"""Events: the immutable `Event` that everything passes around.

An event of a room version from 3 on has no id in its PDU; `Event` carries it beside. Nothing local ever enters the PDU.
`event_from_pdu` makes an Event of what another server sent, `event_builder` a new one; the store gives the parts of one
that it holds to the constructor. Source: server-server API, "PDUs"; room version pages, "Event format".
"""

from collections.abc import Mapping, Sequence
from sys import intern
from typing import Any

import msgspec

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.event_format import check_format, is_founding
from oriz_matrix.protocol.hashing import event_id_of
from oriz_matrix.protocol.identifiers import EventId, RoomId, UserId
from oriz_matrix.protocol.redaction import redact
from oriz_matrix.protocol.room_versions import RoomVersion

StateKey = tuple[str, str]
"""(event type, state key): the key under which an event stands in a room's state."""


class _Outline(msgspec.Struct):
    """What everybody asks of an event; its content as JSON."""

    type: str
    sender: str
    origin_server_ts: int
    content: msgspec.Raw
    state_key: str | None = None


_read_outline = msgspec.json.Decoder(_Outline).decode


class Event:
    """One PDU of a known room version. Immutable: nobody changes `pdu` or anything inside it.

    The attributes hold for events that passed `check_format`; before that only `pdu` may be read. Events are kept in
    memory by the thousand and most are only passed on: of one that comes from the store, `pdu` and `content` are made
    of its JSON when somebody first asks.
    """

    __slots__ = (
        "_encoded", "_pdu", "_sent", "client_head", "event_id", "room_id", "sender", "state_key", "type", "version"
    )  # fmt: skip

    def __init__(
        self,
        version: RoomVersion,
        event_id: EventId,
        room_id: RoomId,
        pdu: Mapping[str, Any] | None,
        encoded: bytes | None = None,
    ) -> None:
        """`encoded`: the canonical JSON of the PDU, when the caller has it; made on first use otherwise.

        `pdu` may be None where the JSON comes from the store, so that it passed `check_format` once.
        """
        self.version = version
        self.event_id = event_id
        self.room_id = room_id
        self._pdu = pdu
        self._encoded = encoded
        self._sent: int | None = None
        self.client_head: bytes | None = None  # kept here by who serialises the event for clients
        self.state_key: str | None
        if pdu is not None:
            self.type: str = pdu["type"]
            self.sender: UserId = pdu["sender"]
            self.state_key = pdu.get("state_key")
        else:
            outline = _read_outline(self.encoded)
            self.type, self.sender = intern(outline.type), UserId(intern(outline.sender))
            self.state_key, self._sent = outline.state_key, outline.origin_server_ts

    def as_stored(self) -> "Event":
        """The same event as it comes from the store, which takes a fourth of the memory."""
        return Event(self.version, self.event_id, self.room_id, None, self.encoded) if self._pdu is not None else self

    @property
    def pdu(self) -> Mapping[str, Any]:
        """The event as it is sent to other servers."""
        if self._pdu is None:
            self._pdu = msgspec.json.decode(self.encoded)
        return self._pdu

    @property
    def content(self) -> Mapping[str, Any]:
        """The content."""
        content: Mapping[str, Any] = self.pdu["content"]
        return content

    @property
    def content_json(self) -> bytes:
        """The content as JSON, without making objects of it."""
        return bytes(_read_outline(self.encoded).content)

    @property
    def key(self) -> StateKey:
        """(type, state_key); only for state events."""
        assert self.state_key is not None
        return (self.type, self.state_key)

    @property
    def is_state(self) -> bool:
        """Whether the event has a state key."""
        return self.state_key is not None

    @property
    def depth(self) -> int:
        """As the sender claims it; never trusted for order (traps.md 19)."""
        depth: int = self.pdu["depth"]
        return depth

    @property
    def origin_server_ts(self) -> int:
        """Milliseconds since 1970, as the sender claims."""
        if self._sent is None:
            self._sent = int(self.pdu["origin_server_ts"])
        return self._sent

    @property
    def encoded(self) -> bytes:
        """The canonical JSON of the PDU, as it is stored and sent to other servers."""
        if self._encoded is None:
            assert self._pdu is not None
            self._encoded = encode(self._pdu)
        return self._encoded

    @property
    def auth_event_ids(self) -> Sequence[EventId]:
        """The ids of the events that authorize this one; in rooms without a create event among them, without it."""
        return _ids(self.pdu["auth_events"])

    @property
    def prev_event_ids(self) -> Sequence[EventId]:
        """The ids of the events before this one."""
        return _ids(self.pdu["prev_events"])

    @property
    def redacts(self) -> Any:
        """What a redaction names as its target, from where this room version keeps it; unchecked."""
        return self.content.get("redacts") if self.version.redacts_in_content else self.pdu.get("redacts")

    def __repr__(self) -> str:
        return f"<Event {self.event_id} {self.type}>"


def event_from_pdu(pdu: object, version: RoomVersion) -> Event:
    """The event that another server sent, in the form in which it is kept: without `unsigned`.

    Nothing in a foreign `unsigned` is part of the event or to be trusted (traps.md 9); who needs the stripped state of
    an invite takes it from the raw PDU. Raises `BadJson` or `TooLarge` for malformed events, which are to be dropped.
    Signatures and the content hash are not checked here.
    """
    checked = check_format(pdu, version)
    return event_from_checked(checked, version, event_id_of(checked, version))


def event_from_checked(
    pdu: Mapping[str, Any], version: RoomVersion, event_id: EventId, encoded: bytes | None = None
) -> Event:
    """The event of a PDU that passed `check_format` and whose id is known; finds the room id."""
    room_id = RoomId("!" + event_id[1:]) if is_founding(pdu, version) else RoomId(pdu["room_id"])
    return Event(version, event_id, room_id, pdu, encoded)


def redacted(event: Event) -> Event:
    """The event in its redacted form, which has the same id and the same valid signatures."""
    return Event(event.version, event.event_id, event.room_id, redact(event.pdu, event.version))


def _ids(references: Sequence[Any]) -> Sequence[EventId]:
    """Plain ids (from room version 3 on) or [id, hashes] pairs (before)."""
    return [EventId(r if isinstance(r, str) else r[0]) for r in references]
