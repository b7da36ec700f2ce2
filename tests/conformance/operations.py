"""The operations that the specification wants of a homeserver, as `operations.tsv` has them, and which are built.

The columns:

    api            client-server, server-server, or "-" for what is in no API of the specification
    method, path   as the specification has them; where it has two operations at one address, the second one's path
                   ends with a member of query or body that tells them apart, after a question mark
    older          older versions of the path at which the operation stands too
    auth           none, optional-user, user, guest-ok (a user, guests too), AS token, server-signature
    limited        whether the section says "Rate-limited: Yes"
    ours           what we do beyond or below that: `limited` (each call costs much and leaves something for ever),
                   `guests` (guests may call it too), `refused` (the address is there, this operation is refused)
    since          the version of the specification; 1.0 stands for all before it
    area, part     the subject, and the piece of the work in which it is built
"""

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from oriz_matrix.web.endpoint import Auth, Endpoint

FILE = Path(__file__).parent / "operations.tsv"

Key = tuple[str, str]

CREDENTIALS = {
    Auth.NONE: "none",
    Auth.OPTIONAL_USER: "optional-user",
    Auth.USER: "user",
    Auth.ADMIN: "admin",
    Auth.SERVER: "server-signature",
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One row."""

    api: str
    method: str
    path: str
    older: str
    auth: str
    limited: str
    ours: str
    since: str
    area: str
    part: str
    purpose: str

    @property
    def key(self) -> Key:
        """Method and path, without the names of parameters, which are nobody's business."""
        return signature(self.method, self.path.partition("?")[0])

    @property
    def is_first(self) -> bool:
        """Whether this is the operation by which the address is declared."""
        return "?" not in self.path

    @property
    def declaration(self) -> tuple[str, str, bool]:
        """What its endpoint has to declare: older versions, credentials, whether it is limited."""
        auth = "guest-ok" if self.auth == "user" and "guests" in self.ours else self.auth
        return self.older, auth, self.limited == "yes" or "limited" in self.ours


def operations() -> list[Operation]:
    """All rows, in the order of the file."""
    with FILE.open(encoding="utf-8", newline="") as file:
        return [Operation(**row) for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


def key(endpoint: Endpoint) -> Key:
    """Method and newest path, as `Operation.key` has them."""
    newest = endpoint.paths()[max(len(endpoint.versions), 1) - 1]
    return signature(endpoint.method, newest)


def signature(method: str, path: str) -> Key:
    """The key of an operation with this path, whatever it calls its parameters."""
    return method, re.sub(r"\{[^}]*\}", "{}", path)


def declaration(endpoint: Endpoint) -> tuple[str, str, bool]:
    """Older versions, credentials, and whether it is limited, as `Operation.declaration` has them."""
    guests = endpoint.auth is Auth.USER and endpoint.guests
    credentials = "guest-ok" if guests else CREDENTIALS[endpoint.auth]
    return " ".join(endpoint.versions[:-1]) or "-", credentials, endpoint.limit is not None


def is_built(operation: Operation, declared: set[Key]) -> bool:
    """Whether the server does it: its address is declared, and does not refuse this very operation."""
    return operation.key in declared and "refused" not in operation.ours
