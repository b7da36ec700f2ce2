"""Proofs of third-party invites: that an identity server bound the invited address to a user.

Source: server-server API, "Verifying the invite"; client-server API, "m.room.third_party_invite".
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from oriz_matrix.protocol.signing import ALGORITHM, VerifyKey, covered_bytes

MAX_KEYS = 64
MAX_SIGNATURES = 16
"""How many are tried. Honest invites have one or two of each; two events full of them would cost half a minute."""


def proves_binding(signed: object, invite: Mapping[str, Any]) -> bool:
    """Whether the `signed` block of an invite bears a signature by one of the keys of the pending invite.

    `signed` is `content.third_party_invite.signed` of the m.room.member event, {mxid, token, signatures}; `invite` the
    content of the m.room.third_party_invite event whose state key is the token. Who made the signature does not matter,
    only the key. That the token, the user and the sender fit is for the authorization rules.
    """
    if not isinstance(signed, dict):
        return False
    message = covered_bytes(signed)
    keys = islice(_keys(invite), MAX_KEYS)
    signatures = list(islice(_signatures(signed.get("signatures")), MAX_SIGNATURES))
    return any(key.verifies(message, signature) for key in keys for signature in signatures)


def _keys(invite: Mapping[str, Any]) -> Iterator[VerifyKey]:
    """`public_key` and each of `public_keys`, in either base64 alphabet; malformed ones are passed over."""
    more = invite.get("public_keys")
    entries = [invite, *(more if isinstance(more, list) else [])]
    for entry in entries:
        text = entry.get("public_key") if isinstance(entry, dict) else None
        if not isinstance(text, str):
            continue
        try:
            yield VerifyKey.from_base64(text)
        except ValueError:
            continue


def _signatures(by_server: object) -> Iterator[object]:
    """All Ed25519 signatures, of whatever server."""
    for by_key in by_server.values() if isinstance(by_server, dict) else ():
        for key_id, signature in by_key.items() if isinstance(by_key, dict) else ():
            if key_id.startswith(f"{ALGORITHM}:"):
                yield signature
