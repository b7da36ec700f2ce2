"""Policy servers: which one a room names, and its signature on an event.

Such a signature stands beside those of servers, by a key that only the room's state vouches for: what servers publish
has no part in it. Source: server-server API, "Policy Servers"; MSC4284.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_format import check_sizes
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.hashing import signed_bytes
from oriz_matrix.protocol.identifiers import ServerName, is_server_name
from oriz_matrix.protocol.signing import VerifyKey

POLICY: Final[StateKey] = ("m.room.policy", "")
POLICY_KEY_ID: Final = "ed25519:policy_server"
"""The id of every policy server's key, also in the signatures of a server that signs events of its own."""


class PolicyServer(NamedTuple):
    """The policy server that a room names: `public_key` is base64 as the room has it, and may be nonsense."""

    name: ServerName
    public_key: str


def policy_server(event: Event | None) -> PolicyServer | None:
    """What an m.room.policy event names; None for none, or one that names nothing."""
    content = event.content if event is not None else {}
    via, keys = content.get("via"), content.get("public_keys")
    key = keys.get("ed25519") if isinstance(keys, dict) else None
    if not isinstance(via, str) or not isinstance(key, str) or not is_server_name(via):
        return None
    return PolicyServer(ServerName(via), key)


def is_exempt(event_type: str, state_key: str | None) -> bool:
    """Whether no policy server is asked: so that a room can always have another one, or none."""
    return (event_type, state_key) == POLICY


def is_recommended(event: Event, policy: PolicyServer) -> bool:
    """Whether an event bears the policy server's valid signature, or needs none."""
    if is_exempt(event.type, event.state_key):
        return True
    signed = event.pdu["signatures"].get(policy.name)
    signature = signed.get(POLICY_KEY_ID) if isinstance(signed, dict) else None
    return signature is not None and _verifies(event, policy, signature)


def recommended(event: Event, policy: PolicyServer, answer: Mapping[str, Any]) -> Event:
    """The event with the signature that the policy server has answered with, beside those that it has.

    Raises Forbidden where that is no valid one, and TooLarge.
    """
    signed = answer.get(policy.name)
    signature = signed.get(POLICY_KEY_ID) if isinstance(signed, dict) else None
    if not _verifies(event, policy, signature):
        raise Forbidden("The room's policy server has not signed the event")
    present = event.pdu["signatures"].get(policy.name)
    theirs = {**(present if isinstance(present, dict) else {}), POLICY_KEY_ID: signature}
    pdu = {**event.pdu, "signatures": {**event.pdu["signatures"], policy.name: theirs}}
    return Event(event.version, event.event_id, event.room_id, pdu, check_sizes(pdu, event.version))


def _verifies(event: Event, policy: PolicyServer, signature: object) -> bool:
    try:
        key = VerifyKey.from_base64(policy.public_key)
    except ValueError:
        return False
    return key.verifies(signed_bytes(event.pdu, event.version), signature)
