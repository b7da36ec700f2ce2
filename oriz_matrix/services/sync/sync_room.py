"""One room of a sync answer, while it is gathered."""

from dataclasses import dataclass, field

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.protocol.tokens import PageToken
from oriz_matrix.services.rooms.client_events import Shown
from oriz_matrix.services.sync.summaries import Summary
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.rooms import Room


@dataclass(slots=True, kw_only=True)
class SyncRoom:
    """One room of the answer. `fresh`: the client knows nothing of it; `stay`: the membership that puts it here."""

    room_id: RoomId
    room: Room
    stay: Membership
    fresh: bool
    timeline: list[Shown] = field(default_factory=list)
    state: list[Shown] = field(default_factory=list)
    limited: bool = False
    prev_batch: PageToken = field(default=PageToken(0))
    summary: Summary | None = None
