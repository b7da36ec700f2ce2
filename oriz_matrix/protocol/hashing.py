"""Hashes of events, and the ids made from them.

Three hashes that drop different keys (traps.md 4): the content hash covers all but `unsigned`, `signatures` and
`hashes`; the reference hash and each signature cover the redacted event without `unsigned` and `signatures`.
Source: server-server API, "Signing Events"; room versions 3, 4 and 12 for the ids.
"""

from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from unpaddedbase64 import decode_base64, encode_base64

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.redaction import redact
from oriz_matrix.protocol.room_versions import EventIdFormat, RoomVersion

_OUTSIDE_CONTENT_HASH = frozenset({"unsigned", "signatures", "hashes"})


def content_hash(pdu: Mapping[str, Any]) -> bytes:
    """SHA-256 over the whole, unredacted event; 32 bytes."""
    return sha256(encode({k: v for k, v in pdu.items() if k not in _OUTSIDE_CONTENT_HASH})).digest()


def content_hash_matches(pdu: Mapping[str, Any]) -> bool:
    """Whether `hashes.sha256` fits; if not, the event is to be used in its redacted form, not to be dropped."""
    try:
        claimed = decode_base64(pdu["hashes"]["sha256"])
    except ValueError:
        return False
    return claimed == content_hash(pdu)


def signed_bytes(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """What every signature and the reference hash of an event cover: canonical JSON of its redacted form."""
    redacted = redact(pdu, version)
    redacted.pop("signatures", None)
    return encode(redacted)


def reference_hash(pdu: Mapping[str, Any], version: RoomVersion) -> bytes:
    """SHA-256 over the redacted event with its `hashes`; 32 bytes."""
    return sha256(signed_bytes(pdu, version)).digest()


def event_id_of(pdu: Mapping[str, Any], version: RoomVersion) -> EventId:
    """The id of an event: from the PDU in versions 1 and 2, from its reference hash afterwards."""
    return event_id_from(signed_bytes(pdu, version), pdu, version)


def event_id_from(signed: bytes, pdu: Mapping[str, Any], version: RoomVersion) -> EventId:
    """`event_id_of` for callers that have the event's `signed_bytes` at hand."""
    if version.event_id_format is EventIdFormat.CHOSEN:
        return EventId(pdu["event_id"])
    digest = sha256(signed).digest()
    if version.event_id_format is EventIdFormat.BASE64:
        return EventId("$" + encode_base64(digest))
    return EventId("$" + encode_base64(digest, urlsafe=True))


def room_id_of_create(pdu: Mapping[str, Any], version: RoomVersion) -> RoomId:
    """The room that an m.room.create event founds; from version 12 on its event id with the other sigil."""
    if version.room_id_is_create_hash:
        return RoomId("!" + event_id_of(pdu, version)[1:])
    return RoomId(pdu["room_id"])
