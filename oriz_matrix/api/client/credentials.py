"""What registration and login answer with: the user, and the session's token and device."""

from typing import Self

import msgspec

from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId, domain_of
from oriz_matrix.services.accounts.sessions import Opened


class SessionResponse(msgspec.Struct, omit_defaults=True):
    """The answer of POST /login and POST /register; `home_server` is for clients from before v1."""

    user_id: UserId
    home_server: ServerName
    access_token: str | None = None
    device_id: DeviceId | None = None

    @classmethod
    def of(cls, user_id: UserId, opened: Opened | None) -> Self:
        """The answer for a user with or without a session."""
        if opened is None:
            return cls(user_id, domain_of(user_id))
        return cls(user_id, domain_of(user_id), opened.access_token, opened.device_id)
