"""What /events and /initialSync read beside what /sync reads, and the form that events have there."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.identifiers import RoomId
from oriz_matrix.services.rooms.client_events import Shown, fragment, show_events
from oriz_matrix.services.sync.read import SyncData, read
from oriz_matrix.services.sync.shape import Shaper
from oriz_matrix.services.sync.window import Window
from oriz_matrix.storage import directory
from oriz_matrix.storage.membership import Membership
from oriz_matrix.storage.transaction import Transaction

Json = dict[str, Any]

PUSH_RULES = "m.push_rules"


class Found(NamedTuple):
    """What was found; `invites` by room, each with the stripped state that shows the room."""

    data: SyncData
    invites: Mapping[RoomId, tuple[Shown, bytes]]
    published: frozenset[RoomId]


def find(tx: Transaction, window: Window, stays: Sequence[Membership]) -> Found:
    """Reads the window; `stays` are the reader's memberships as of its end."""
    data = read(tx, window, stays)
    shown = show_events(tx, [stay.event for stay in stays if stay.membership == "invite"], window.reader)
    invites = {
        one.event.room_id: (one, data.invited[one.event.room_id]) for one in shown if one.event.room_id in data.invited
    }
    named = [*(room.room_id for room in (*data.joined, *data.left)), *invites]
    return Found(data, invites, frozenset(room_id for room_id in named if directory.is_published(tx, room_id)))


def old_form(shown: Shown, now_ms: int) -> msgspec.Raw:
    """An event as clients from before /sync know it: its sender has another name too."""
    whole = bytes(fragment(shown, now_ms, with_room=True))
    return msgspec.Raw(whole[:-1] + b',"user_id":' + msgspec.json.encode(shown.event.sender) + b"}")


def invite(shown: Shown, state: bytes, now_ms: int) -> Json:
    """An invite, with what shows the room inside."""
    event: Json = msgspec.json.decode(old_form(shown, now_ms))
    event["unsigned"]["invite_room_state"] = msgspec.Raw(state)
    return event


def account_data(shaper: Shaper) -> list[Json]:
    """What the user's clients keep with the account: without the push rules, which came later."""
    return [one for one in shaper.global_account_data() if one["type"] != PUSH_RULES]
