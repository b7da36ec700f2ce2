"""The requester: whom an access token stands for."""

import msgspec

from oriz_matrix.protocol.identifiers import DeviceId, UserId


class Requester(msgspec.Struct, frozen=True, kw_only=True):
    """A local user acting through one of their devices.

    `device_id` is None for tokens without a device (those of appservices, those made for an administrator).
    A locked account may only log out. `rate_limited` is False for those whom the operator exempted.
    """

    user_id: UserId
    device_id: DeviceId | None = None
    is_guest: bool = False
    is_admin: bool = False
    is_locked: bool = False
    rate_limited: bool = True
