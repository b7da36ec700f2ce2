"""Another server, which asks ours with its signature and answers what it is told to."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from aiohttp import web
from yarl import URL

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import RoomId, ServerName
from oriz_matrix.protocol.request_signing import SignedRequest, authorization
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.storage import rooms, servers
from oriz_matrix.storage.transaction import Transaction
from tests.support.homeserver import Home, Json
from tests.support.in_process import SERVER_NAME, Answer
from tests.support.outside import Stranger

V1 = "/_matrix/federation/v1"
KEY = SigningKey("theirs", b"t" * 32)


class OtherServer:
    """It has an address for a name. What is below `V1` may be left out of paths."""

    def __init__(self, home: Home, stranger: Stranger) -> None:
        self.home = home
        self.stranger = stranger
        self.name = ServerName(f"127.0.0.1:{stranger.port}")
        keys = publish(self.name, KEY, {}, Clock().now_ms() + 3_600_000)
        stranger.answers["/_matrix/key/v2/server"] = keys

    def answers(self, path: str, content: Any) -> None:
        """From now on this is what it answers: JSON, an `Answer` for an error, or a handler."""
        self.stranger.answers[V1 + path] = _refusing(content) if isinstance(content, Answer) else content

    def asked(self, path: str) -> list[dict[str, list[str]]]:
        """The queries with which it was asked there."""
        targets = [urlsplit(target) for _, target, _, _ in self.stranger.seen]
        return [parse_qs(target.query) for target in targets if unquote(target.path) == V1 + path]

    async def ask(self, method: str, path: str, body: Any = None, **query: Any) -> Answer:
        """One signed request to our server."""
        pairs = urlencode(query, quote_via=quote)
        uri = V1 + path + (f"?{pairs}" if pairs else "")
        content = None if body is None else encode(body)
        said = SignedRequest(
            method=method, uri=uri, origin=self.name, destination=ServerName(SERVER_NAME), content=content
        )
        headers = {"Authorization": authorization(said, KEY)}
        place = URL(f"http://{self.home.server.server.application.addresses[0]}{uri}", encoded=True)
        async with self.home.server.http.request(method, place, data=content, headers=headers) as response:
            return Answer(response.status, await response.json())

    async def good(self, method: str, path: str, body: Any = None, **query: Any) -> Json:
        """The same, which must succeed; the JSON of the answer."""
        answer = await self.ask(method, path, body, **query)
        assert answer.status == 200, answer
        found: Json = answer.body
        return found

    async def is_in(self, *room_ids: str) -> None:
        """Has a member in rooms of ours, as far as our server counts."""
        await self.home.server.server.database.write(_enter, self.name, room_ids)


def _enter(tx: Transaction, server: ServerName, room_ids: Sequence[str]) -> None:
    for room_id in room_ids:
        name = rooms.find(tx, RoomId(room_id))
        assert name is not None
        servers.count(tx, name.nid, {server: 1})


def _refusing(answer: Answer) -> Any:
    async def refuse(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(answer.body, status=answer.status)

    return refuse
