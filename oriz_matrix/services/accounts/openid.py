"""Tokens by which users prove to third parties, such as widgets and call servers, who they are; good for nothing else.

Source: client-server API, "OpenID"; server-server API, "OpenID".
"""

from typing import Final

from oriz_matrix.base.clock import Clock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import Forbidden, UnknownToken
from oriz_matrix.protocol.identifiers import UserId
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.services.accounts.sessions import hash_token
from oriz_matrix.storage import openid
from oriz_matrix.storage.database import Database

LIFETIME_SECONDS: Final = 3600


class OpenId:
    """Makes tokens, and tells whose they are."""

    def __init__(self, db: Database, clock: Clock, ids: Ids) -> None:
        self._db = db
        self._clock = clock
        self._ids = ids

    async def token(self, requester: Requester, user_id: UserId) -> str:
        """A token for the requester, good for LIFETIME_SECONDS. Raises Forbidden for other users."""
        if user_id != requester.user_id:
            raise Forbidden("userId: tokens are only made for oneself")
        token = self._ids.openid_token()
        now = self._clock.now_ms()
        await self._db.write(openid.create, hash_token(token), requester.user, now, now + LIFETIME_SECONDS * 1000)
        return token

    async def user(self, token: str) -> UserId:
        """Whose token it is. Raises UnknownToken."""
        user_id = await self._db.read(openid.find, hash_token(token), self._clock.now_ms())
        if user_id is None:
            raise UnknownToken("This token is unknown or has expired")
        return user_id
