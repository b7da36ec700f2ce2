"""The push rules of this server's users: what they changed, merged with the predefined ones.

How they are edited stands in `protocol.push.rules`; here it meets what is stored, one change of a user at a time.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from oriz_matrix.protocol.push import rules
from oriz_matrix.protocol.push.defaults import RuleSet
from oriz_matrix.protocol.push.deviation import Deviation, deviation
from oriz_matrix.protocol.push.rules import UserRules, merge
from oriz_matrix.protocol.push.shape import Kind, PushRule, parse_actions
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.rooms.receivers import Receivers
from oriz_matrix.storage import push_modes, push_rules
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.push_modes import EVERYWHERE, MENTIONS, MUTED, OWN
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import UserNid

_ENCODE = msgspec.json.Encoder(order="deterministic").encode


class PushRules:
    """Reads and changes push rules; every device of the user hears of a change by /sync."""

    def __init__(self, db: Database, changes: Changes, receivers: Receivers) -> None:
        self._db = db
        self._changes = changes
        self._receivers = receivers

    async def get(self, requester: Requester) -> RuleSet:
        """All rules of a user, in the order in which they are asked."""
        return merge(await self._db.read(_stored, requester.user), requester.user_id)

    async def rule(self, requester: Requester, kind: Kind, rule_id: str) -> PushRule:
        """One rule. Raises NotFound."""
        return rules.find(await self.get(requester), kind, rule_id)

    async def put(
        self, requester: Requester, kind: Kind, rule: PushRule, before: str | None = None, after: str | None = None
    ) -> None:
        """Adds or replaces an own rule, placed as `protocol.push.rules.add` says; raises what that raises."""
        await self._change(requester, lambda stored: rules.add(stored, kind, rule, before, after))

    async def remove(self, requester: Requester, kind: Kind, rule_id: str) -> None:
        """Removes an own rule. Raises NotFound, and InvalidParam for a predefined one."""
        await self._change(requester, lambda stored: rules.remove(stored, kind, rule_id))

    async def set_enabled(self, requester: Requester, kind: Kind, rule_id: str, enabled: bool) -> None:
        """Switches a rule on or off. Raises NotFound."""
        await self._change(requester, lambda stored: rules.set_enabled(stored, kind, rule_id, enabled))

    async def set_actions(self, requester: Requester, kind: Kind, rule_id: str, actions: Sequence[Any]) -> None:
        """Sets what a rule does. Raises NotFound, and InvalidParam for what is no action."""
        parsed = parse_actions(actions)
        await self._change(requester, lambda stored: rules.set_actions(stored, kind, rule_id, parsed))

    async def _change(self, requester: Requester, edit: Callable[[UserRules], UserRules]) -> None:
        if await self._db.write(change, requester.user, edit):
            self._receivers.changed(requester.user)
            self._changes.poke()


def _stored(tx: Transaction, user: UserNid) -> UserRules:
    found = push_rules.of_users(tx, [user]).get(user)
    return UserRules() if found is None else msgspec.json.decode(found.changes, type=UserRules)


def change(tx: Transaction, user: UserNid, edit: Callable[[UserRules], UserRules]) -> bool:
    """Stores the edited rules of a user; False where the edit changes nothing, of which nobody needs to hear."""
    push_rules.lock(tx, user)
    stored = _stored(tx, user)
    after = edit(stored)
    edited = _ENCODE(after)
    if edited == _ENCODE(stored):  # not compared as values: to Python true is 1
        return False
    position = push_rules.put(tx, user, edited)
    push_modes.put(tx, user, _modes(deviation(after)), position)
    return True


def _modes(now: Deviation) -> dict[str, str]:
    """What rules come to, by room id."""
    if now.silent:
        return {EVERYWHERE: MUTED}
    own = {} if now.plain else {EVERYWHERE: OWN}
    return {**own, **dict.fromkeys(now.mentions_only, MENTIONS), **dict.fromkeys(now.muted, MUTED)}
