"""What this server can do beyond what its claimed versions promise. Client-server API, "Capabilities negotiation".

What a client would take for granted when it is not mentioned is told to be off until it is built.
"""

from typing import Any

from oriz_matrix.base.config.model import Rooms
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS


class Capabilities:
    """The capabilities of this server."""

    def __init__(self, rooms: Rooms) -> None:
        self._default_version = rooms.default_version

    def all(self) -> dict[str, Any]:
        """Every capability by its name; the same for all users."""
        return {
            "m.room_versions": {
                "default": self._default_version,
                "available": dict.fromkeys(ROOM_VERSIONS, "stable"),
            },
            "m.change_password": {"enabled": False},
            "m.set_displayname": {"enabled": True},
            "m.set_avatar_url": {"enabled": True},
            "m.profile_fields": {"enabled": True},
            "m.3pid_changes": {"enabled": False},
            "m.get_login_token": {"enabled": False},
        }
