"""What storage keeps in memory: values that cannot change, published only after the commit that made them."""

from typing import Any, NamedTuple

from oriz_matrix.base.cache import Cache
from oriz_matrix.protocol.acl import ServerAcl
from oriz_matrix.protocol.events import Event, StateKey
from oriz_matrix.protocol.identifiers import EventId, RoomId
from oriz_matrix.protocol.room_versions import RoomVersion
from oriz_matrix.storage.types import BranchNid, EventNid, Position, RoomNid, StateKeyNid, UserNid


class RoomName(NamedTuple):
    """What of a room does not change once it has events."""

    nid: RoomNid
    room_id: RoomId
    version: RoomVersion


class StateAt(NamedTuple):
    """A state of a room: what holds on a branch at a position."""

    branch: BranchNid
    position: Position


class Branch(NamedTuple):
    """A branch of a room's states, and the trunk's state that it started from; a trunk started from nothing."""

    parent: StateAt | None


class Caches:
    """The caches of one process; every storage function reaches them through its transaction."""

    def __init__(self, names: int = 100_000, events: int = 10_000) -> None:
        self.user_nids: Cache[str, UserNid] = Cache("user_nids", names)
        self.user_ids: Cache[UserNid, str] = Cache("user_ids", names)
        self.rooms_by_id: Cache[str, RoomName] = Cache("rooms_by_id", names)
        self.rooms: Cache[RoomNid, RoomName] = Cache("rooms", names)
        self.state_key_nids: Cache[StateKey, StateKeyNid] = Cache("state_key_nids", names)
        self.state_keys: Cache[StateKeyNid, StateKey] = Cache("state_keys", names)
        self.branches: Cache[BranchNid, Branch] = Cache("branches", names)
        self.event_nids: Cache[EventId, EventNid] = Cache("event_nids", events)
        self.events: Cache[EventNid, Event] = Cache("events", events)
        self.server_acls: Cache[EventNid, ServerAcl] = Cache("server_acls", 1_000)

    def all(self) -> list[Cache[Any, Any]]:
        """Every cache, for the metrics."""
        return list(vars(self).values())
