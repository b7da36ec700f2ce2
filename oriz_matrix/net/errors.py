"""What can go wrong with another server.

    RemoteFailed
    ├── Denied          our own lists forbid it
    ├── Unreachable     it does not answer, or too slowly
    │   └── NotConnected    nothing was sent: its name leads nowhere, nobody listens, the certificate is wrong
    ├── BadAnswer       an answer that is not what was asked for: too large, no JSON, a redirection
    └── Refused         an error, as another server tells it

`temporary` says whether the same request may succeed later; if not, sending it again is no use. The text is for logs
and operators, and never for other servers.
"""

from typing import Any

TRY_AGAIN = frozenset({408, 429})


class RemoteFailed(Exception):
    """A request to another server has failed."""

    temporary = True


class Denied(RemoteFailed):
    """The operator allows no talk with this server."""

    temporary = False


class Unreachable(RemoteFailed):
    """The server does not answer."""


class NotConnected(Unreachable):
    """There is no connection to the server, or it does not prove its name; nothing was sent."""


class BadAnswer(RemoteFailed):
    """The server answers, and not in the form of a Matrix server."""


class Refused(RemoteFailed):
    """The server answers with an error: HTTP's `status`, Matrix's `errcode` and `error`, and all of its `content`.

    Both texts are the other server's, so they may hold anything.
    """

    def __init__(self, status: int, content: dict[str, Any]) -> None:
        self.status = status
        self.errcode = str(content.get("errcode", "M_UNKNOWN"))
        self.error = str(content.get("error", ""))
        self.content = content
        super().__init__(f"the server answered {status} {self.errcode}: {self.error[:200]}")

    @property
    def temporary(self) -> bool:  # type: ignore[override]  # decided by what was answered
        """Whether it is the server's own trouble, or ours of being too fast."""
        return self.status >= 500 or self.status in TRY_AGAIN
