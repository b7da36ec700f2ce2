"""Another server as far as devices are concerned: what it asks and tells, and what it is asked and told."""

from typing import Any
from urllib.parse import quote

import msgspec
from aiohttp import web

from oriz_matrix.base.clock import Clock
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import RoomId, ServerName, UserId
from oriz_matrix.protocol.request_signing import SignedRequest, authorization
from oriz_matrix.protocol.server_keys import publish
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.services.encryption.incoming import IncomingDevices
from oriz_matrix.storage import device_updates, interning, rooms, servers
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import FOREVER, RoomNid
from tests.support.homeserver import Home
from tests.support.in_process import SERVER_NAME, Answer
from tests.support.outside import Handler, Outside, Stranger

KEY = SigningKey("theirs", b"t" * 32)
USER = "/_matrix/federation/v1/user"
SEND = "/_matrix/federation/v1/send"

Json = dict[str, Any]


class Elsewhere:
    """The server. `devices` are those of its users, as it tells them when it is asked."""

    def __init__(self, home: Home, stranger: Stranger) -> None:
        self._home = home
        self._stranger = stranger
        self.name = ServerName(f"127.0.0.1:{stranger.port}")
        self.carl = UserId(f"@carl:{self.name}")
        self.is_down = False
        self.heard: list[Json] = []
        self._sent = 0
        stranger.answers = _Answers(self._hear)

    @classmethod
    async def start(cls, home: Home, world: Outside) -> "Elsewhere":
        """One at a free port."""
        stranger = await world.server("127.0.0.1")
        made = cls(home, stranger)
        stranger.answers["/_matrix/key/v2/server"] = publish(made.name, KEY, {}, Clock().now_ms() + 3_600_000)
        return made

    async def ask(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Asks the homeserver, below /_matrix/federation/v1/user."""
        return await self._request(method, USER + path, body)

    async def tell(self, kind: str, content: Any) -> None:
        """Sends a message that is no event; one with a NUL character, which is in no transaction, past the door."""
        if b"\\u0000" in encode(content):
            await self._hand_in(kind, content)
            return
        edus = [{"edu_type": kind, "content": content}, {"edu_type": "unknown"}, 5]
        body = {"origin": self.name, "origin_server_ts": 1, "pdus": [], "edus": edus}
        self._sent += 1
        answer = await self._request("PUT", f"{SEND}/{self._sent}", body)
        assert answer == Answer(200, {"pdus": {}})

    async def _request(self, method: str, uri: str, body: Json | None = None) -> Answer:
        content = None if body is None else encode(body)
        said = SignedRequest(
            method=method, uri=uri, origin=self.name, destination=ServerName(SERVER_NAME), content=content
        )
        headers = {"Authorization": authorization(said, KEY)}
        async with self._home.server.http.request(method, uri, data=content, headers=headers) as response:
            return Answer(response.status, msgspec.json.decode(await response.read()))

    async def _hand_in(self, kind: str, content: Any) -> None:
        take = IncomingDevices(ServerName(SERVER_NAME)).takes[kind]
        await self._home.server.server.database.write(take, self.name, content, Clock().now_ms())
        self._home.server.server.changes.poke()

    async def told(self) -> list[Json]:
        """What was sent here, and then what is still to be sent, in order."""
        sql = "SELECT body FROM outbox_edus WHERE destination = :server ORDER BY nid"
        rows = await self._home.server.server.database.read(lambda tx: tx.rows(sql, server=self.name))
        waiting = [msgspec.json.decode(body) for (body,) in rows]
        return self.heard + [each for each in waiting if each not in self.heard]

    async def comes_in(self, room_id: str, user_id: UserId) -> None:
        """A user comes into a room of the homeserver."""
        await self._home.server.server.database.write(_come_in, RoomId(room_id), user_id, self.name)
        self._home.server.server.changes.poke()

    async def goes_out(self, room_id: str, user_id: UserId) -> None:
        """A user leaves a room."""
        await self._home.server.server.database.write(_go_out, RoomId(room_id), user_id, self.name)
        self._home.server.server.changes.poke()

    async def hears_of_room(self, room_id: str) -> None:
        """What happens when the server has come into a room."""
        await self._home.server.server.database.write(
            lambda tx: device_updates.tell_new_server(tx, _nid(tx, room_id), self.name)
        )

    async def _hear(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.is_down:
            return web.json_response({"errcode": "M_UNKNOWN", "error": "down"}, status=502)
        self.heard += (await request.json()).get("edus", [])
        return web.json_response({"pdus": {}})

    def answers(self, path: str, answer: Any) -> None:
        """What is answered below /user from now on, while the server is not down."""

        async def respond(_request: web.BaseRequest) -> web.StreamResponse:
            if self.is_down:
                return web.json_response({"errcode": "M_UNKNOWN", "error": "down"}, status=502)
            return web.json_response(answer)

        self._stranger.answers[USER + path] = respond

    def has_devices(self, user_id: UserId, stream_id: int, **names: str | None) -> None:
        """The devices of a user by their ids, with their names."""
        devices = [self.device(user_id, device_id, name) for device_id, name in names.items()]
        self.answers(f"/devices/{user_id}", {"user_id": user_id, "stream_id": stream_id, "devices": devices})

    def device(self, user_id: UserId, device_id: str, name: str | None = None) -> Json:
        """A device as it is told."""
        named = {} if name is None else {"device_display_name": name}
        return {"device_id": device_id, "keys": device_keys(user_id, device_id), **named}

    def update(self, user_id: UserId, device_id: str, stream_id: int, *before: int, **more: Any) -> Json:
        """The content of m.device_list_update."""
        device = {
            "user_id": user_id,
            "stream_id": stream_id,
            "prev_id": list(before),
            **self.device(user_id, device_id),
        }
        return {**device, **more}

    def asked(self, path: str) -> int:
        """How often a path below /user was asked for."""
        return sum(target == quote(USER + path) for _, target, _, _ in self._stranger.seen)


class _Answers(dict[str, Any]):
    """What is answered by path; transactions have a path each."""

    def __init__(self, hear: Handler) -> None:
        super().__init__()
        self._hear = hear

    def get(self, path: str, default: Any = None) -> Any:
        return self._hear if path.startswith(SEND) else super().get(path, default)


def device_keys(user_id: str, device_id: str, key: str = "key") -> Json:
    """Identity keys."""
    return {
        "user_id": user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": {f"curve25519:{device_id}": key, f"ed25519:{device_id}": key},
        "signatures": {user_id: {f"ed25519:{device_id}": "signature"}},
    }


def _come_in(tx: Transaction, room_id: RoomId, user_id: UserId, server: ServerName) -> None:
    room, user, position = _nid(tx, room_id), interning.user(tx, user_id), tx.position()
    close = """
        UPDATE memberships SET until = :at WHERE user_nid = :user AND room = :room AND until = :forever
    """
    tx.run(close, at=position, user=user, room=room, forever=FOREVER)
    event = tx.value("SELECT min(nid) FROM events WHERE room = :room", room=room)
    sql = """
        INSERT INTO memberships (user_nid, room, since, until, membership, event, stay_since)
        VALUES (:user, :room, :position, :forever, 'join', :event, :position)
    """
    tx.run(sql, user=user, room=room, position=position, forever=FOREVER, event=event)
    tx.run("UPDATE rooms SET joined = joined + 1, elsewhere = elsewhere + 1 WHERE nid = :room", room=room)
    servers.count(tx, room, {server: 1})


def _go_out(tx: Transaction, room_id: RoomId, user_id: UserId, server: ServerName) -> None:
    room, user, position = _nid(tx, room_id), interning.user(tx, user_id), tx.position()
    row = {"user": user, "room": room, "position": position, "forever": FOREVER}
    close = """
        UPDATE memberships SET until = :position WHERE user_nid = :user AND room = :room AND until = :forever
    """
    tx.run(close, **row)
    sql = """
        INSERT INTO memberships (user_nid, room, since, until, membership, event, stay_since)
        SELECT :user, :room, :position, :forever, 'leave', min(nid), :position FROM events WHERE room = :room
    """
    tx.run(sql, **row)
    tx.run("UPDATE rooms SET joined = joined - 1, elsewhere = elsewhere - 1 WHERE nid = :room", room=room)
    servers.count(tx, room, {server: -1})


def _nid(tx: Transaction, room_id: str) -> RoomNid:
    name = rooms.find(tx, RoomId(room_id))
    assert name is not None
    return name.nid
