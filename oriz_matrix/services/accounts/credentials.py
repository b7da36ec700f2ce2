"""What a client gets by registering or logging in, in the form of the API's answers."""

from typing import Self

import msgspec

from oriz_matrix.protocol.identifiers import DeviceId, ServerName, UserId, domain_of
from oriz_matrix.services.accounts.sessions import Opened


class Credentials(msgspec.Struct, frozen=True, omit_defaults=True):
    """A user, and their session's token and device unless none was wanted; `home_server` is for very old clients."""

    user_id: UserId
    home_server: ServerName
    access_token: str | None = None
    device_id: DeviceId | None = None

    @classmethod
    def of(cls, user_id: UserId, opened: Opened | None) -> Self:
        """The credentials of a user with or without a session."""
        if opened is None:
            return cls(user_id, domain_of(user_id))
        return cls(user_id, domain_of(user_id), opened.access_token, opened.device_id)
