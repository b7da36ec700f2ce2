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
from tests.support.outside import Outside, Stranger

KEY = SigningKey("theirs", b"t" * 32)
USER = "/_matrix/federation/v1/user"

Json = dict[str, Any]


class Elsewhere:
    """The server. `devices` are those of its users, as it tells them when it is asked."""

    def __init__(self, home: Home, stranger: Stranger) -> None:
        self._home = home
        self._stranger = stranger
        self.name = ServerName(f"127.0.0.1:{stranger.port}")
        self.carl = UserId(f"@carl:{self.name}")
        self.is_down = False

    @classmethod
    async def start(cls, home: Home, world: Outside) -> "Elsewhere":
        """One at a free port."""
        stranger = await world.server("127.0.0.1")
        made = cls(home, stranger)
        stranger.answers["/_matrix/key/v2/server"] = publish(made.name, KEY, {}, Clock().now_ms() + 3_600_000)
        return made

    async def ask(self, method: str, path: str, body: Json | None = None) -> Answer:
        """Asks the homeserver, below /_matrix/federation/v1/user."""
        content = None if body is None else encode(body)
        uri = USER + path
        said = SignedRequest(
            method=method, uri=uri, origin=self.name, destination=ServerName(SERVER_NAME), content=content
        )
        headers = {"Authorization": authorization(said, KEY)}
        async with self._home.server.http.request(method, uri, data=content, headers=headers) as response:
            return Answer(response.status, msgspec.json.decode(await response.read()))

    async def tell(self, kind: str, content: Any, origin: ServerName | None = None) -> None:
        """Sends a message that is no event."""
        server = self._home.server.server
        take = IncomingDevices(ServerName(SERVER_NAME)).takes[kind]
        await server.database.write(take, origin or self.name, content, Clock().now_ms())
        server.changes.poke()
        server.jobs.poke()

    async def told(self) -> list[Json]:
        """What waits to be sent here, in order."""
        sql = "SELECT body FROM outbox_edus WHERE destination = :server ORDER BY nid"
        rows = await self._home.server.server.database.read(lambda tx: tx.rows(sql, server=self.name))
        return [msgspec.json.decode(body) for (body,) in rows]

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

    async def hears_of_user(self, room_id: str, user_id: UserId) -> None:
        """What happens when a user of the homeserver has come into a room."""
        await self._home.server.server.database.write(
            lambda tx: device_updates.tell_of_newcomer(tx, _nid(tx, room_id), interning.user(tx, user_id))
        )

    async def forgets(self) -> None:
        """What waits to be sent here has come."""
        await self._home.server.server.database.write(lambda tx: tx.run("DELETE FROM outbox_edus"))

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
