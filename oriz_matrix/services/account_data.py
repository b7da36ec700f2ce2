"""Account data: what clients keep here for their user, and what the server shows among it; tags of rooms.

Clients set m.tag as a whole or tag by tag; both are the same piece of the room's account data. Source: client-server
API, "Client Config", "Room Tagging", "Push rules: events".
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from oriz_matrix.protocol.errors import Forbidden, InvalidParam, NotFound, ServerManaged
from oriz_matrix.protocol.identifiers import RoomId, UserId, byte_length
from oriz_matrix.protocol.push.rules import to_json
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.push_rules import PushRules
from oriz_matrix.services.receipts import FULLY_READ
from oriz_matrix.services.rooms.ignored import IGNORED_USER_LIST, named
from oriz_matrix.storage import account_data, interning, membership, rooms
from oriz_matrix.storage.account_data import GLOBAL
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid, UserNid

PUSH_RULES = "m.push_rules"
TAG = "m.tag"
MAX_TYPE_BYTES = 255
MAX_TAG_BYTES = 255

Tags = dict[str, Any]
"""What is said of each tag by its name, such as {"m.favourite": {"order": 0.5}}."""


class AccountData:
    """The account data of this server's users. `owner` must be the requester, else everything raises Forbidden."""

    def __init__(self, db: Database, changes: Changes, rules: PushRules) -> None:
        self._db = db
        self._changes = changes
        self._push_rules = rules

    async def get(self, requester: Requester, owner: UserId, room_id: RoomId | None, kind: str) -> msgspec.Raw:
        """One piece, of a room or (None) of the account, as JSON. Raises NotFound."""
        _require_own(requester, owner)
        if kind == PUSH_RULES and room_id is None:
            return msgspec.Raw(msgspec.json.encode(to_json(await self._push_rules.get(requester))))
        content = await self._db.read(_get, requester.user, room_id, kind)
        if content is None:
            raise NotFound("There is no such account data")
        return msgspec.Raw(content)

    async def put(
        self, requester: Requester, owner: UserId, room_id: RoomId | None, kind: str, content: Mapping[str, Any]
    ) -> None:
        """Stores one piece. Raises ServerManaged, and Forbidden for a room that the user never had to do with."""
        _require_own(requester, owner)
        if kind in (PUSH_RULES, FULLY_READ):
            raise ServerManaged(f"Cannot set {kind} through this API")
        if byte_length(kind) > MAX_TYPE_BYTES:
            raise InvalidParam(f"type: longer than {MAX_TYPE_BYTES} bytes")
        await self._db.write(_put, requester.user, room_id, kind, msgspec.json.encode(content))
        self._changes.poke()

    async def tags(self, requester: Requester, owner: UserId, room_id: RoomId) -> Tags:
        """The tags of a room."""
        _require_own(requester, owner)
        return await self._db.read(_tags_of, requester.user, room_id)

    async def put_tag(
        self, requester: Requester, owner: UserId, room_id: RoomId, tag: str, content: Mapping[str, Any]
    ) -> None:
        """Puts a tag on a room, with its order. Raises InvalidParam, and Forbidden as `put` does."""
        _require_own(requester, owner)
        if byte_length(tag) > MAX_TAG_BYTES:
            raise InvalidParam(f"tag: longer than {MAX_TAG_BYTES} bytes")
        _check_order(content.get("order", 0))
        await self._edit_tags(requester, room_id, lambda tags: {**tags, tag: content})

    async def remove_tag(self, requester: Requester, owner: UserId, room_id: RoomId, tag: str) -> None:
        """Takes a tag off a room, if it is there."""
        _require_own(requester, owner)
        await self._edit_tags(
            requester, room_id, lambda tags: {name: each for name, each in tags.items() if name != tag}
        )

    async def _edit_tags(self, requester: Requester, room_id: RoomId, edit: Callable[[Tags], Tags]) -> None:
        if await self._db.write(_edit_tags, requester.user, room_id, edit):
            self._changes.poke()


def _require_own(requester: Requester, owner: UserId) -> None:
    if owner != requester.user_id:
        raise Forbidden("user_id: account data is for its own user alone")


def _check_order(order: object) -> None:
    """Raises InvalidParam for what does not order a tag: a number from 0 to 1."""
    if isinstance(order, bool) or not isinstance(order, int | float) or not 0 <= order <= 1:
        raise InvalidParam("order: must be a number from 0 to 1")


def _get(tx: Transaction, user: UserNid, room_id: RoomId | None, kind: str) -> bytes | None:
    if room_id is None:
        return account_data.get(tx, user, GLOBAL, kind)
    name = rooms.find(tx, room_id)
    return None if name is None else account_data.get(tx, user, name.nid, kind)


def _put(tx: Transaction, user: UserNid, room_id: RoomId | None, kind: str, content: bytes) -> None:
    room = GLOBAL if room_id is None else _known_room(tx, user, room_id)
    if kind == IGNORED_USER_LIST and room == GLOBAL:
        for ignored in sorted(named(content)):  # who is heard of first afterwards is ignored as well
            interning.user(tx, ignored)
    account_data.put(tx, user, account_data.AccountData(room, kind, content))


def _known_room(tx: Transaction, user: UserNid, room_id: RoomId) -> RoomNid:
    """A room that the user is or was in, or was invited to."""
    name = rooms.find(tx, room_id)
    if name is None or membership.now(tx, user, name.nid) is None:
        raise Forbidden("roomId: you have never been in this room, or it does not exist")
    return name.nid


def _tags_of(tx: Transaction, user: UserNid, room_id: RoomId) -> Tags:
    content = _get(tx, user, room_id, TAG)
    found = {} if content is None else msgspec.json.decode(content).get("tags")
    return found if isinstance(found, dict) else {}  # as a whole, clients set it to anything


def _edit_tags(tx: Transaction, user: UserNid, room_id: RoomId, edit: Callable[[Tags], Tags]) -> bool:
    """Stores the edited tags; False where the edit changes nothing, of which nobody needs to hear."""
    account_data.lock(tx, user)
    room = _known_room(tx, user, room_id)
    tags = _tags_of(tx, user, room_id)
    edited = msgspec.json.encode({"tags": edit(tags)})
    if edited == msgspec.json.encode({"tags": tags}):
        return False
    account_data.put(tx, user, account_data.AccountData(room, TAG, edited))
    return True
