"""Everything that one sync answer needs, read in one transaction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.sync import extras, rooms
from oriz_matrix.services.sync.invited import invited
from oriz_matrix.services.sync.left import left
from oriz_matrix.services.sync.sync_room import SyncRoom
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import push_rules
from oriz_matrix.storage.account_data import AccountData
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid
from oriz_matrix.storage.unread import Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncData:
    """What was found; the maps by room hold only those rooms of which there is something to say."""

    joined: Sequence[SyncRoom]
    left: Sequence[SyncRoom]
    invited: Mapping[RoomId, bytes]
    knocked: Mapping[RoomId, bytes]
    receipts: Mapping[RoomNid, Sequence[Mapping[str, Any]]]
    typing: Mapping[RoomNid, Mapping[str, Any]]
    account_data: Mapping[RoomNid, Sequence[AccountData]]
    counts: Mapping[RoomNid, Counts]
    push_rules: bytes | None
    has_push_rules: bool


def read(tx: Transaction, window: Window, stays: Sequence[Membership]) -> SyncData:
    """Reads the window; `stays` are the reader's memberships as of its end."""
    joined = rooms.joined(tx, window, stays)
    stored = push_rules.of_users(tx, [window.reader.user]).get(window.reader.user)
    return SyncData(
        joined=joined,
        left=left(tx, window, stays),
        invited=invited(tx, window, stays, "invite"),
        knocked=invited(tx, window, stays, "knock"),
        receipts=extras.receipt_events(tx, window, joined),
        typing=extras.typing_events(tx, window, joined),
        account_data=extras.account_data_of(tx, window, joined),
        counts=extras.counts(tx, window, joined),
        push_rules=stored.changes if stored is not None else None,
        has_push_rules=window.since is None or (stored is not None and stored.position > window.since),
    )
