"""What users set of a room goes with them into the room that replaces it: push rules, tags, and that it is direct;
and what their server had of it, which may not be the one that replaces it: aliases, and its place in the directory.

Done when somebody joins the new room, before they are told that they are in it, and once more as a job, which outlives
a crash; and for those who are in it when the old one is closed. Source: client-server API, "Room Upgrades".
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from oriz_matrix.protocol.event_contents import CREATE, Create, successor
from oriz_matrix.protocol.identifiers import RoomId, UserId, domain_of
from oriz_matrix.protocol.push.rules import carry_over, has_rules_for
from oriz_matrix.services import push_rules
from oriz_matrix.services.account_data import TAG
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import access
from oriz_matrix.services.rooms.follow_ups import TOMBSTONE
from oriz_matrix.storage import account_data, aliases, interning, membership, rooms
from oriz_matrix.storage.account_data import GLOBAL, AccountData
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.jobs import Job
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

DIRECT = "m.direct"


class _Move(NamedTuple):
    """Whose settings are carried from which room into which; who made the new one."""

    old: RoomName
    new: RoomName
    users: Sequence[UserNid]
    replaced_by: UserId


class Settings:
    """Carries settings from room to room."""

    def __init__(self, db: Database, changes: Changes) -> None:
        self._db = db
        self._changes = changes

    async def carry(self, job: Job) -> None:
        """The work of a job (CARRY_SETTINGS). What the new room has already stays, so it may be done several times."""
        named, _, room_id = job.key.partition(" ") if job.key.startswith("@") else ("", "", job.key)
        await self.into(RoomId(room_id), UserId(named) if named else None)

    async def into(self, room_id: RoomId, user_id: UserId | None) -> None:
        """Carries what one user, or each of those who are there, set of the room that this one replaces, if any."""
        move = await self._db.read(_move, room_id, user_id)
        if move is None:
            return
        if user_id is not None and domain_of(user_id) != domain_of(move.replaced_by):
            await self._db.write(_carry_place, move)
        for user in move.users:
            await self._db.write(_carry_push_rules, user, move)
            await self._db.write(_carry_tags, user, move)
            await self._db.write(_carry_direct, user, move)
            self._changes.poke()


def _move(tx: Transaction, new_id: RoomId, user_id: UserId | None) -> _Move | None:
    """What is carried into a room; None where it replaces none, or the one that it says it does knows nothing of it."""
    new = rooms.find(tx, new_id)
    if new is None:
        return None
    room = rooms.get(tx, [new.nid])[new.nid]
    create = access.current(tx, room, [CREATE])[CREATE]
    predecessor = Create(create).predecessor
    old = rooms.find(tx, predecessor) if predecessor is not None else None
    if old is None:
        return None
    tombstone = access.current(tx, rooms.get(tx, [old.nid])[old.nid], [TOMBSTONE]).get(TOMBSTONE)
    if successor(tombstone) != new_id:
        return None
    if user_id is None:
        return _Move(old, new, membership.members_here(tx, new.nid), create.sender)
    user = interning.find_user(tx, user_id)
    return _Move(old, new, [] if user is None else [user], create.sender)


def _carry_place(tx: Transaction, move: _Move) -> None:
    """What this server has of a room that another one replaced: aliases, and a place in the room directory."""
    aliases.move(tx, move.old.nid, move.new.nid)
    rooms.hand_over_listing(tx, move.old.nid, move.new.nid)


def _carry_push_rules(tx: Transaction, user: UserNid, move: _Move) -> None:
    old, new = move.old.room_id, move.new.room_id
    push_rules.change(tx, user, lambda rules: rules if has_rules_for(rules, new) else carry_over(rules, old, new))


def _carry_tags(tx: Transaction, user: UserNid, move: _Move) -> None:
    account_data.lock(tx, user)
    tags = account_data.get(tx, user, move.old.nid, TAG)
    if tags is not None and account_data.get(tx, user, move.new.nid, TAG) is None:
        account_data.put(tx, user, AccountData(move.new.nid, TAG, tags))


def _carry_direct(tx: Transaction, user: UserNid, move: _Move) -> None:
    account_data.lock(tx, user)
    stored = account_data.get(tx, user, GLOBAL, DIRECT)
    before: dict[str, Any] = {} if stored is None else msgspec.json.decode(stored)
    after = {partner: _with_new(listed, move) for partner, listed in before.items()}
    if after != before:
        account_data.put(tx, user, AccountData(GLOBAL, DIRECT, msgspec.json.encode(after)))


def _with_new(listed: Any, move: _Move) -> Any:
    """The rooms that somebody shares with one other, which clients may have set to anything."""
    if not isinstance(listed, list) or move.old.room_id not in listed or move.new.room_id in listed:
        return listed
    return [*listed, move.new.room_id]
