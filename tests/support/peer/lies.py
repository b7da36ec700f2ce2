"""Events that are not what they say."""

from typing import Any

from oriz_matrix.protocol.events import Event, event_from_pdu
from oriz_matrix.protocol.hashing import signed_bytes
from tests.support.peer.peer import Peer


def with_wrong_hash(event: Event, peer: Peer) -> Event:
    """Its content was changed after it was hashed; the signature is good, for it covers the redacted event alone."""
    return _made(event, peer, content={**event.content, "body": "something else"})


def with_wrong_signature(event: Event, peer: Peer) -> Event:
    """Signed over something else."""
    signature = peer.key.sign(b"something else")
    return event_from_pdu({**event.pdu, "signatures": {peer.name: {peer.key.key_id: signature}}}, event.version)


def resigned(event: Event, peer: Peer, **changes: Any) -> Event:
    """With changes that the signature covers and the content hash does not."""
    return _made(event, peer, **changes)


def _made(event: Event, peer: Peer, **changes: Any) -> Event:
    pdu = {**event.pdu, **changes}
    signature = peer.key.sign(signed_bytes(pdu, event.version))
    return event_from_pdu({**pdu, "signatures": {peer.name: {peer.key.key_id: signature}}}, event.version)
