"""Whom users ignore: of them they get no messages, invites, receipts and typing notices, and no notifications, but all
state. Source: client-server API, "Ignoring Users".

The list is account data that clients write as they like, so what is no list ignores nobody. It is remembered while the
recent changes say that nothing of the user's changed.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from oriz_matrix.base.cache import Cache
from oriz_matrix.protocol.errors import InvalidParam, NotFound
from oriz_matrix.protocol.identifiers import UserId, parse_user_id
from oriz_matrix.services.changes import Changes, user_channel
from oriz_matrix.storage import account_data, interning
from oriz_matrix.storage.account_data import GLOBAL
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.timeline import Entry
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position, UserNid

IGNORED_USER_LIST = "m.ignored_user_list"
USERS = 10_000


class Ignored(NamedTuple):
    """Whom somebody ignores, by number and by name; `since` is when the list was last written (0: never)."""

    users: frozenset[UserNid] = frozenset()
    user_ids: frozenset[UserId] = frozenset()
    since: Position = Position(0)

    def hides(self, entry: Entry) -> bool:
        """Whether an event is not shown."""
        return entry.sender in self.users and entry.state_key is None

    def check(self, entry: Entry) -> None:
        """Raises NotFound for an event that is not shown."""
        if self.hides(entry):
            raise NotFound("There is no such event in this room")


NOBODY = Ignored()


class _Read(NamedTuple):
    at: Position
    ignored: Ignored


class IgnoredUsers:
    """Reads the lists. Used on the event loop only."""

    def __init__(self, db: Database, changes: Changes) -> None:
        self._db = db
        self._changes = changes
        self.cache: Cache[UserNid, _Read] = Cache("ignored_users", USERS)

    async def now(self, user: UserNid) -> Ignored:
        """Whom a user ignores."""
        return await self.of(user, await self._changes.catch_up())

    async def of(self, user: UserNid, at: Position) -> Ignored:
        """Whom a user ignores as of a settled position, or later."""
        known = self.cache.get(user)
        if known is not None and known.at <= at and self._changes.untouched([user_channel(user)], known.at):
            return known.ignored
        ignored = await self._db.read(_stored, user)
        self.cache.put(user, _Read(at, ignored))
        return ignored


def named(content: bytes) -> list[UserId]:
    """The users whom the list names, as far as they are user ids."""
    found = msgspec.json.decode(content)
    users = found.get("ignored_users") if isinstance(found, dict) else None
    return list(_valid(users)) if isinstance(users, dict) else []


def _valid(names: Iterable[str]) -> Iterable[UserId]:
    for name in names:
        try:
            yield parse_user_id(name, "ignored_users")
        except InvalidParam:
            continue


def _stored(tx: Transaction, user: UserNid) -> Ignored:
    stored = account_data.stored(tx, user, GLOBAL, IGNORED_USER_LIST)
    if stored is None:
        return NOBODY
    content, since = stored
    numbers = {user_id: interning.find_user(tx, user_id) for user_id in named(content)}
    # Who ignores themselves would miss their own words.
    found = {user_id: nid for user_id, nid in numbers.items() if nid is not None and nid != user}
    return Ignored(frozenset(found.values()), frozenset(found), since)
