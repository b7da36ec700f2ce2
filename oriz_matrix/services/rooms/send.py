"""What a local user says in a room: messages, state and redactions, each once for a transaction id."""

from collections.abc import Mapping
from typing import Any

from oriz_matrix.protocol.errors import BadJson, Forbidden, InvalidParam
from oriz_matrix.protocol.event_contents import CREATE
from oriz_matrix.protocol.identifiers import EventId, RoomId, parse_event_id
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import refuse_suspended
from oriz_matrix.services.rooms import canonical_alias, redact
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.canonical_alias import CANONICAL_ALIAS
from oriz_matrix.services.rooms.follow_ups import TOMBSTONE
from oriz_matrix.services.rooms.prepare import Draft
from oriz_matrix.services.rooms.redact import REDACTION
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transactions import TransactionId


class Send:
    """Sends events for local users. Raises Forbidden, NotFound, BadJson and TooLarge, as the room's rules say."""

    def __init__(self, db: Database, append: Append) -> None:
        self._db = db
        self._append = append

    async def message(
        self, requester: Requester, room_id: RoomId, event_type: str, content: Mapping[str, Any], txn_id: str = ""
    ) -> EventId:
        """Sends a message event; its id. A repeated transaction id gets the first event's id."""
        target = None
        if event_type == REDACTION:
            target = content.get("redacts")
            if not isinstance(target, str):
                raise BadJson("redacts: a redaction names the event that it redacts")
            target = parse_event_id(target, "redacts")
        await self._refuse_suspended(requester, target)
        _refuse_loop(room_id, event_type, content)
        draft = Draft(
            sender=requester.user_id,
            user=requester.user,
            type=event_type,
            content=content,
            redacts=target,
            transaction=_transaction(requester, f"send {room_id} {event_type}", txn_id),
        )
        return await self._append.local(room_id, draft)

    async def redaction(
        self, requester: Requester, room_id: RoomId, target: EventId, content: Mapping[str, Any], txn_id: str = ""
    ) -> EventId:
        """Redacts an event of this room; the redaction's id. A repeated transaction id gets the first one's id."""
        await self._refuse_suspended(requester, target)
        draft = Draft(
            sender=requester.user_id,
            user=requester.user,
            type=REDACTION,
            content={name: value for name, value in content.items() if name != "redacts"},
            redacts=target,
            transaction=_transaction(requester, f"redact {room_id} {target}", txn_id),
        )
        return await self._append.local(room_id, draft)

    async def state(
        self, requester: Requester, room_id: RoomId, event_type: str, state_key: str, content: Mapping[str, Any]
    ) -> EventId:
        """Sends a state event; its id, or that of the present one if it says the same already."""
        refuse_suspended(requester)
        if (event_type, state_key) == CREATE:
            raise Forbidden("m.room.create: a room is created once")
        _refuse_loop(room_id, event_type, content)
        if (event_type, state_key) == CANONICAL_ALIAS:
            await self._db.read(canonical_alias.check, room_id, content)
        draft = Draft(
            sender=requester.user_id, user=requester.user, type=event_type, content=content, state_key=state_key
        )
        return await self._append.local(room_id, draft)

    async def _refuse_suspended(self, requester: Requester, redacts: EventId | None) -> None:
        """Whoever is suspended may redact their own events and send nothing else."""
        if requester.is_suspended and not (
            redacts is not None and await self._db.read(redact.is_by, redacts, requester.user_id)
        ):
            refuse_suspended(requester)


def _refuse_loop(room_id: RoomId, event_type: str, content: Mapping[str, Any]) -> None:
    """A room that says to be replaced by itself would lead clients in a circle. Raises InvalidParam."""
    if event_type == TOMBSTONE[0] and content.get("replacement_room") == room_id:
        raise InvalidParam("replacement_room: a room does not replace itself")


def _transaction(requester: Requester, endpoint: str, txn_id: str) -> TransactionId | None:
    """The transaction id in its scope: the device and what the request's path names."""
    return None if requester.device is None or not txn_id else TransactionId(requester.device, endpoint, txn_id)
