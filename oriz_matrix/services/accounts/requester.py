"""The requester: whom an access token stands for."""

import msgspec

from oriz_matrix.protocol.identifiers import DeviceId, UserId
from oriz_matrix.storage.types import DeviceNid, UserNid


class Requester(msgspec.Struct, frozen=True, kw_only=True):
    """A local user acting through one of their devices.

    `user`, `device` and `session` are the database's numbers. `device_id` and `device` are None for tokens without a
    device (those of appservices, those made for an administrator).
    A locked account may only log out, a suspended one only a few things, which each service decides for itself.
    `rate_limited` is False for those whom the operator exempted.
    """

    user: UserNid
    user_id: UserId
    session: int
    device: DeviceNid | None = None
    device_id: DeviceId | None = None
    is_guest: bool = False
    is_admin: bool = False
    is_locked: bool = False
    is_suspended: bool = False
    rate_limited: bool = True
