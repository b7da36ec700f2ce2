"""The signature on every request between servers: the scheme X-Matrix of the header Authorization.

What is signed is a JSON object of method, target, both servers' names and the body; the header carries the signature.
Source: server-server API, "Request Authentication"; RFC 9110, section 11.4.
"""

import re
from collections.abc import Iterator, Sequence

import msgspec

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import InvalidParam, Unauthorized
from oriz_matrix.protocol.identifiers import ServerName, is_server_name
from oriz_matrix.protocol.signing import ALGORITHM, KeyLookup, SigningKey

SCHEME = "X-Matrix"

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(
    rf"({_WORD})[ \t]*=[ \t]*"
    # Old servers leave away the quotes round values that need them, for a colon at least (traps.md 12).
    r'(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))'
    r"[ \t]*(?:,[ \t,]*|\Z)"
)
_ESCAPED = re.compile(r"\\(.)")


class SignedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a server says with a request.

    uri: path and query exactly as they are sent, from `/_matrix` on. origin, destination: the names that servers have
    in Matrix, whatever they are delegated to. content: canonical JSON of the body; None where there is no body.
    """

    method: str
    uri: str
    origin: ServerName
    destination: ServerName
    content: bytes | None = None

    def signed_bytes(self) -> bytes:
        """Canonical JSON of all of it: what the signature covers. Raises ValueError for what is not Unicode."""
        content = {} if self.content is None else {"content": msgspec.Raw(self.content)}
        names = {"destination": self.destination, "method": self.method, "origin": self.origin, "uri": self.uri}
        return encode({**content, **names})


class Credentials(msgspec.Struct, frozen=True):
    """What one header says: by which key of which server a request is signed, and, unless it is old, for whom."""

    origin: ServerName
    destination: str | None
    key_id: str
    signature: str


def authorization(request: SignedRequest, key: SigningKey) -> str:
    """The value of the header Authorization, in the one spelling that every server reads."""
    signature = key.sign(request.signed_bytes())
    return (
        f'{SCHEME} origin="{request.origin}",destination="{request.destination}",key="{key.key_id}",sig="{signature}"'
    )


def parse_authorization(headers: Sequence[str]) -> list[Credentials]:
    """What the headers Authorization of a request say: at least one, and all of the same server.

    Headers of other schemes are passed over. Raises Unauthorized, or InvalidParam where the origin is no server name.
    """
    found = [_credentials(parameters) for header in headers if (parameters := _x_matrix(header)) is not None]
    if not found:
        raise Unauthorized("The request has no Authorization header of the scheme X-Matrix")
    if len({(each.origin, each.destination) for each in found}) > 1:
        raise Unauthorized("The Authorization headers name different servers")
    return found


def verify(request: SignedRequest, credentials: Sequence[Credentials], lookup: KeyLookup) -> bool:
    """Whether the request is signed: by at least one key that is known, and wrongly by none that is."""
    try:
        message = request.signed_bytes()
    except ValueError:  # no Unicode, so nobody can have signed it
        return False
    known = [(key, each.signature) for each in credentials if (key := lookup(each.origin, each.key_id)) is not None]
    return bool(known) and all(key.verifies(message, signature) for key, signature in known)


def _x_matrix(header: str) -> dict[str, str] | None:
    """The parameters by their names in lower case; None for another scheme. Raises Unauthorized."""
    scheme, _, rest = header.strip().partition(" ")
    if scheme.lower() != SCHEME.lower():
        return None
    parameters: dict[str, str] = {}
    for name, value in _parameters(rest.strip(" \t,")):
        if name in parameters:
            raise Unauthorized(f"The Authorization header gives {name} twice")
        parameters[name] = value
    return parameters


def _parameters(text: str) -> Iterator[tuple[str, str]]:
    position = 0
    while position < len(text):
        match = _PARAMETER.match(text, position)
        if match is None:
            raise Unauthorized("The Authorization header is malformed")
        name, quoted, token = match.groups()
        yield name.lower(), token if quoted is None else _ESCAPED.sub(r"\1", quoted)
        position = match.end()


def _credentials(parameters: dict[str, str]) -> Credentials:
    origin, key_id = parameters.get("origin", ""), parameters.get("key", "")
    # The wire knows it as `sig`, one list of the specification as `signature`.
    signature = parameters.get("sig") or parameters.get("signature", "")
    if not origin or not key_id.startswith(f"{ALGORITHM}:") or not signature:
        raise Unauthorized(f"The Authorization header holds no signature by an {ALGORITHM} key")
    if not is_server_name(origin):
        raise InvalidParam("origin: the Authorization header names what is no server")
    return Credentials(ServerName(origin), parameters.get("destination"), key_id, signature)
