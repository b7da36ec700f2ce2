"""A whole homeserver inside the test's process, on a real socket, and requests to it."""

import asyncio
import hashlib
import hmac
import random
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from aiohttp import ClientSession

from oriz_matrix.app.build import Server, build
from oriz_matrix.app.database import open_dialect
from oriz_matrix.app.serve import own_key, start, stop
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.accounts import Argon2, Passwords, Registration
from oriz_matrix.base.config.federation import Federation
from oriz_matrix.base.config.limits import Limits, Rates
from oriz_matrix.base.config.listeners import Listener, Surface
from oriz_matrix.base.config.model import Config, Database, Engine
from oriz_matrix.base.config.types import Secret
from oriz_matrix.base.ids import Ids

SECRET = "a secret that only tests know"
SERVER_NAME = "example.org"
REGISTER_BY_SECRET = "/_synapse/admin/v1/register"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer: its status and its JSON."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Person:
    """A user with a session."""

    user_id: str
    device_id: str
    token: str


@dataclass(frozen=True, slots=True)
class Homeserver:
    """A running homeserver; `path` in requests is complete, or stands below /_matrix/client."""

    server: Server
    config: Config
    http: ClientSession

    async def ask(self, method: str, path: str, body: Any = None, *, by: Person | str | None = None) -> Answer:
        """Send one request; `body` is JSON, or bytes as they are; `by` is a person or a token."""
        token = by.token if isinstance(by, Person) else by
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        data = body if isinstance(body, bytes) or body is None else msgspec.json.encode(body)
        full = path if path.startswith("/_") else f"/_matrix/client{path}"
        async with self.http.request(method, full, data=data, headers=headers) as response:
            return Answer(response.status, msgspec.json.decode(await response.read()))

    async def has_waiters(self) -> bool:
        """Whether a sync waits for news."""
        return self.server.changes.waiting > 0

    async def person(self, name: str, password: str = "a good password", **more: Any) -> Person:
        """Make a user, by shared secret."""
        nonce = (await self.ask("GET", REGISTER_BY_SECRET)).body["nonce"]
        body = signed({"nonce": nonce, "username": name, "password": password, **more})
        answer = await self.ask("POST", REGISTER_BY_SECRET, body)
        assert answer.status == 200, answer
        return Person(answer.body["user_id"], answer.body["device_id"], answer.body["access_token"])


def signed(body: Mapping[str, Any], secret: str = SECRET) -> dict[str, Any]:
    """A registration with its HMAC."""
    words = [body["nonce"], body["username"], body["password"], "admin" if body.get("admin") else "notadmin"]
    if "user_type" in body:
        words.append(body["user_type"])
    mac = hmac.new(secret.encode(), "\0".join(words).encode(), hashlib.sha1).hexdigest()
    return {**body, "mac": mac}


def open_config(folder: Path, database_url: str | None) -> Config:
    """Everything open, nothing limited, hashes cheap, no other servers; on PostgreSQL where a URL is given."""
    url = None if database_url is None else Secret(database_url)
    return Config(
        server_name=SERVER_NAME,
        data_dir=folder,
        database=Database(engine=Engine.SQLITE if url is None else Engine.POSTGRESQL, url=url),
        listeners=(Listener(port=0, surfaces=(Surface.CLIENT, Surface.FEDERATION)),),
        registration=Registration(enabled=True, without_verification=True, shared_secret=Secret(SECRET), guests=True),
        passwords=Passwords(argon2=Argon2(time_cost=1, memory_kib=8, parallelism=1)),
        limits=Limits(rates=Rates(enabled=False)),
        federation=Federation(enabled=False),
    )


@asynccontextmanager
async def homeserver(
    config: Config, clock: Clock | None = None, source: random.Random | None = None
) -> AsyncIterator[Homeserver]:
    """Run a homeserver with this configuration; one that starts again needs the `source` of its ids to go on."""
    clock = clock or Clock()
    ids = Ids(source or random.Random(7))
    dialect = await asyncio.to_thread(open_dialect, config, clock)
    server = build(config, dialect, own_key(config, ids), clock, ids)
    await start(server)
    try:
        async with ClientSession(f"http://{server.application.addresses[0]}") as http:
            yield Homeserver(server, config, http)
    finally:
        await stop(server)
