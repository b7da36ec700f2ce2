"""The members of rooms whose push rules are asked for each event: those for whom the default rules and the flags of
rooms do not tell all (`protocol.push.deviation`). On most servers they are few, so a process remembers who they are.

What another process changes is heard of within a second.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from oriz_matrix.base.cache import Cache
from oriz_matrix.protocol.event_contents import member_key
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.protocol.push.deviation import Deviation, deviation
from oriz_matrix.protocol.push.evaluate import CompiledRules
from oriz_matrix.protocol.push.rules import UserRules, merge
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms import access
from oriz_matrix.storage import interning, membership, push_modes, push_rules
from oriz_matrix.storage.caches import RoomName
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.push_rules import StoredRules
from oriz_matrix.storage.recent import Change
from oriz_matrix.storage.rooms import Room
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, Position, UserNid

RULE_SETS = 2_000
FEW = 1_000
"""Up to so many users are looked for in a room one by one; of more, the room's members are read."""


class Receiver(NamedTuple):
    """A member of a room with rules of their own; `name` is theirs in the room where the rules ask for it.

    mentions_only: the room's events do not count for them unless their rules say so.
    """

    user: UserNid
    user_id: UserId
    rules: CompiledRules
    name: str | None
    mentions_only: bool


class _Rules(NamedTuple):
    """A user's rules, as they are asked."""

    position: Position
    compiled: CompiledRules
    deviation: Deviation


class Receivers:
    """Knows them. Used on the event loop only, but for what a transaction reads."""

    def __init__(self, db: Database, changes: Changes) -> None:
        self._db = db
        changes.listen(self._on_change)
        self._users: frozenset[UserNid] | None = None
        self._stale: set[UserNid] = set()
        self.cache: Cache[UserNid, _Rules] = Cache("push_rules", RULE_SETS)
        self.generation = 0
        """Changes with the rules of anybody who is, or was, one of them."""

    @property
    def nobody(self) -> bool:
        """Whether there is no such user at all."""
        return not self._users

    def _on_change(self, change: Change) -> None:
        if change.kind == "push rules":
            self.changed(change.user)

    def changed(self, user: UserNid) -> None:
        """A user's rules are others by now."""
        self._stale.add(user)

    async def refresh(self) -> None:
        """Reads who they are, where that changed."""
        if self._users is None:
            self._stale.clear()
            self._users = await self._db.read(push_modes.with_own_rules)
        elif self._stale:
            stale, self._stale = self._stale, set()
            found = await self._db.read(push_modes.with_own_rules_among, list(stale))
            if found or stale & self._users:
                self._users = (self._users - stale) | found
                self.generation += 1

    async def of_room(self, name: RoomName, room: Room) -> Sequence[Receiver]:
        """Those who are in a room as it is now."""
        return await self._db.read(_of_room, name, room, self._users, self.cache) if self._users else ()


def _of_room(
    tx: Transaction, name: RoomName, room: Room, users: frozenset[UserNid], cache: Cache[UserNid, _Rules]
) -> Sequence[Receiver]:
    if len(users) <= FEW:
        stays = membership.of_users_in(tx, list(users), room.nid)
        members = [user for user, stay in stays.items() if stay.membership == "join"]
    else:
        members = [user for user in membership.members(tx, room.nid, "join", Position(FOREVER - 1)) if user in users]
    if not members:
        return ()
    names = interning.user_ids(tx, members)
    rules = _rules(tx, names, cache)
    asked = {user: one for user, one in rules.items() if name.room_id not in one.deviation.muted}
    keys = {member_key(names[user]): user for user, one in asked.items() if one.compiled.asks_for_names}
    called = {
        keys[key]: event.content.get("displayname") for key, event in access.current(tx, room, list(keys)).items()
    }
    return [
        Receiver(user, names[user], one.compiled, called.get(user), name.room_id in one.deviation.mentions_only)
        for user, one in asked.items()
    ]


def _rules(tx: Transaction, names: Mapping[UserNid, UserId], cache: Cache[UserNid, _Rules]) -> dict[UserNid, _Rules]:
    """The rules of users, compiled anew only where they changed."""
    found: dict[UserNid, _Rules] = {}
    for user, stored in push_rules.of_users(tx, list(names)).items():
        known = cache.get(user)
        if known is None or known.position != stored.position:
            known = _compile(stored, names[user])
            cache.put(user, known)
        found[user] = known
    return found


def _compile(stored: StoredRules, user_id: UserId) -> _Rules:
    changes = msgspec.json.decode(stored.changes, type=UserRules)
    return _Rules(stored.position, CompiledRules(merge(changes, user_id)), deviation(changes))
