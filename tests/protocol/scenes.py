"""Scenes for the tests of the authorization rules: a room with a standing cast, and one question at a time.

Alice created the room, Bob is a moderator (50), Carl an ordinary member, Dave is banned, Erin is invited, Fred has
knocked, Gina has left, Zoe (of another server) was never there.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from oriz_matrix.protocol.authorization import check_with_state
from oriz_matrix.protocol.errors import Forbidden
from oriz_matrix.protocol.event_contents import POWER_LEVELS
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.room_versions import ROOM_VERSIONS, RoomVersion
from tests.protocol.rooms import ALICE, BOB, as_events, founded, members

ALL = list(ROOM_VERSIONS.values())
SINCE_6, SINCE_7, SINCE_8, SINCE_10 = ALL[5:], ALL[6:], ALL[7:], ALL[9:]
BROKEN: list[Any] = [True, None, "x", [], {}]
CAST = {"bob": "join", "carl": "join", "dave": "ban", "erin": "invite", "fred": "knock", "gina": "leave"}


def versions(chosen: Iterable[RoomVersion] = ALL) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("version", chosen, ids=lambda v: f"v{v.name}")


class Scene:
    """A room with the standing cast, and one question to the rules at a time."""

    def __init__(
        self, version: RoomVersion, levels: Mapping[str, Any] | None = None, join_rule: str = "public", **create: Any
    ) -> None:
        own = {} if version.privileged_creators else {ALICE: 100}
        content = {"invite": 10, **(levels or {}), "users": {**own, BOB: 50, **(levels or {}).get("users", {})}}
        self.room, state = founded(version, content, join_rule, **create)
        self.state: dict[StateKey, Event] = as_events(self.room, members(self.room, state, **CAST))

    def put(self, event_type: str, sender: str, content: Mapping[str, Any], state_key: str = "") -> None:
        """Have this in the state, unasked."""
        self.state[event_type, state_key] = self.room.event(event_type, sender, content, state_key)

    def asks(self, event_type: str, sender: str, content: Mapping[str, Any], *rest: Any, **extra: Any) -> str | None:
        """Why the event is refused; None when it is allowed."""
        return refusal(self.room.event(event_type, sender, content, *rest, **extra), self.state)

    def member(self, sender: str, membership: str, target: str | None = None, **content: Any) -> str | None:
        """Why a change of membership is refused."""
        return self.asks("m.room.member", sender, {"membership": membership, **content}, target or sender)

    def levels(self, sender: str, **content: Any) -> str | None:
        """Why new power levels, given as changes of the present ones, are refused."""
        old = self.state[POWER_LEVELS].content
        return self.asks("m.room.power_levels", sender, {**old, **content}, "")


def refusal(event: Event, state: Mapping[StateKey, Event]) -> str | None:
    try:
        check_with_state(event, state)
    except Forbidden as error:
        return error.message
    return None


def says(refused: str | None, part: str) -> bool:
    return refused is not None and part in refused
