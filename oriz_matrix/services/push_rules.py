"""The push rules of this server's users: what they changed, merged with the predefined ones."""

import msgspec

from oriz_matrix.protocol.push.defaults import RuleSet
from oriz_matrix.protocol.push.rules import UserRules, merge
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.storage import push_rules
from oriz_matrix.storage.database import Database


class PushRules:
    """Reads push rules."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def get(self, requester: Requester) -> RuleSet:
        """All rules of a user, in the order in which they are asked."""
        stored = await self._db.read(push_rules.of_users, [requester.user])
        changes = UserRules()
        if requester.user in stored:
            changes = msgspec.json.decode(stored[requester.user].changes, type=UserRules)
        return merge(changes, requester.user_id)
