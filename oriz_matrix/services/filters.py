"""Filters that clients store for /sync and the like. Client-server API, "Filtering"."""

from typing import Any

import msgspec

from oriz_matrix.protocol import canonical
from oriz_matrix.protocol.errors import NotFound
from oriz_matrix.protocol.filters import parse_filter
from oriz_matrix.services.accounts.requester import Requester
from oriz_matrix.storage import filters
from oriz_matrix.storage.database import Database


class Filters:
    """The filters of this server's users."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def add(self, requester: Requester, body: dict[str, Any]) -> str:
        """The id of a filter, stored as it came; the same filter has the same id. Raises BadJson."""
        parse_filter(body)
        return str(await self._db.write(filters.add, requester.user, canonical.encode(body)))

    async def get(self, requester: Requester, filter_id: str) -> msgspec.Raw:
        """The requester's filter of this id, as JSON; raises NotFound."""
        number = int(filter_id) if filter_id.isascii() and filter_id.isdigit() and len(filter_id) < 19 else 0
        body = await self._db.read(filters.get, requester.user, number)
        if body is None:
            raise NotFound("There is no such filter")
        return msgspec.Raw(body)
