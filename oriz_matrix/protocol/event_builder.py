"""New events: from what a user wants to say to a hashed, signed, immutable `Event`.

Nothing here asks whether the event is allowed. Source: server-server API, "Adding hashes and signatures to outgoing
events".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from unpaddedbase64 import encode_base64

from oriz_matrix.protocol.canonical import decode_strict
from oriz_matrix.protocol.errors import TooLarge
from oriz_matrix.protocol.event_format import check_shape, check_sizes, key_over_byte_limit
from oriz_matrix.protocol.events import Event, event_from_checked
from oriz_matrix.protocol.hashing import content_hash, event_id_from, signed_bytes
from oriz_matrix.protocol.identifiers import MAX_BYTES, EventId, RoomId, ServerName, UserId
from oriz_matrix.protocol.room_versions import EventIdFormat, RoomVersion
from oriz_matrix.protocol.signing import SigningKey, sign_event

_MADE_HERE = frozenset({"event_id", "hashes", "signatures", "unsigned"})


@dataclass(frozen=True, kw_only=True, slots=True)
class EventBuilder:
    """All that a new event says; `origin_server_ts` in milliseconds since 1970."""

    version: RoomVersion
    room_id: RoomId | None  # None for the create event of a room whose id is that event's hash
    sender: UserId
    type: str
    content: Mapping[str, Any]
    prev_event_ids: Sequence[EventId]
    auth_event_ids: Sequence[EventId]
    depth: int  # one more than the deepest of the previous events; capped at the version's maximum
    origin_server_ts: int
    state_key: str | None = None
    redacts: EventId | None = None  # for versions whose redactions name their target beside the content
    reference_hashes: Mapping[EventId, bytes] = field(default_factory=dict)
    """The reference hashes of the events referred to; versions 1 and 2 write them beside the ids, nobody reads them."""

    def template(self) -> dict[str, Any]:
        """The PDU without hashes, signatures and event id, as /make_join and its like answer."""
        pdu: dict[str, Any] = {
            "type": self.type,
            "sender": self.sender,
            "content": self.content,
            "depth": min(self.depth, self.version.max_depth),
            "origin_server_ts": self.origin_server_ts,
            "prev_events": self._references(self.prev_event_ids),
            "auth_events": self._references(self.auth_event_ids),
        }
        optional = {"room_id": self.room_id, "state_key": self.state_key, "redacts": self.redacts}
        return pdu | {name: value for name, value in optional.items() if value is not None}

    def build(self, server_name: ServerName, key: SigningKey) -> Event:
        """The finished event; raises `TooLarge` or `BadJson`."""
        return complete(self.template(), self.version, server_name, key)

    def _references(self, event_ids: Sequence[EventId]) -> list[Any]:
        if self.version.event_id_format is not EventIdFormat.CHOSEN:
            return list(event_ids)
        hashes = self.reference_hashes
        return [[id_, {"sha256": encode_base64(hashes[id_])} if id_ in hashes else {}] for id_ in event_ids]


def complete(template: Mapping[str, Any], version: RoomVersion, server_name: ServerName, key: SigningKey) -> Event:
    """The event of a template, our own or another server's: with id, hash and signature, independent of it.

    Whether a foreign template says what it was asked to say is for the caller to check first (traps.md 27). Raises
    `TooLarge` or `BadJson`.
    """
    draft = {name: value for name, value in template.items() if name not in _MADE_HERE}
    if version.event_id_format is EventIdFormat.CHOSEN:
        draft["event_id"] = f"${encode_base64(content_hash(draft), urlsafe=True)}:{server_name}"
    pdu = check_shape(draft | {"hashes": {"sha256": ""}, "signatures": {}}, version)
    pdu["hashes"] = {"sha256": encode_base64(content_hash(pdu))}
    message = signed_bytes(pdu, version)
    pdu["signatures"] = {server_name: {key.key_id: key.sign(message)}}
    encoded = check_sizes(pdu, version)
    if (name := key_over_byte_limit(pdu)) is not None:
        raise TooLarge(f"{name} is longer than {MAX_BYTES} bytes")
    return event_from_checked(decode_strict(encoded), version, event_id_from(message, pdu, version), encoded)


def countersigned(event: Event, server_name: ServerName, key: SigningKey) -> Event:
    """The event with our signature added to those it has: for invites, and for the joins that we authorize."""
    pdu = sign_event(event.pdu, event.version, server_name, key)
    return Event(event.version, event.event_id, event.room_id, pdu)
