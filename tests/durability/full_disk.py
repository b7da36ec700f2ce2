"""What happens when the disk of PostgreSQL is full: a program, because it wants a mount that nobody else sees.

    unshare --mount python -m tests.durability.full_disk tables|log FOLDER

`tables`: the disk of the tables is full; statements fail, and PostgreSQL goes on answering. `log`: the disk of its
write-ahead log is full; PostgreSQL ends itself, as nobody may be told of a commit that is not written down. The program
ends with an AssertionError where something acknowledged is lost, something is there twice, or the homeserver does not
go on by itself.
"""

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

from oriz_matrix.base.config.model import Config
from tests.support.in_process import Answer, Homeserver, Person, homeserver, open_config
from tests.support.postgres import Cluster, free_port
from tests.support.postgres_programs import find_programs

PATIENCE_S = 60
DISK_MIB = 40
LEFT_BYTES = 300_000
BODY_BYTES = 40_000
MOST_MESSAGES = 1_000
MESSAGES = "/v3/rooms/{}/messages?dir=f&limit=100"


def mount(folder: Path) -> None:
    """Makes the folder a small disk, empty and for everybody."""
    folder.mkdir()
    options = f"size={DISK_MIB}m,mode=1777"
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], check=True, timeout=60)


@contextmanager
def full(folder: Path) -> Iterator[None]:
    """Leaves next to nothing of the disk while the block runs."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        disk = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - LEFT_BYTES)
    try:
        yield
    finally:
        ballast.unlink()


@dataclass(slots=True)
class Talk:
    """Somebody who says one thing after the other and remembers what was answered."""

    home: Homeserver
    person: Person
    room: str
    answers: dict[int, Answer] = field(default_factory=dict)
    source: random.Random = field(default_factory=lambda: random.Random(4))
    bodies: dict[int, str] = field(default_factory=dict)

    async def say(self, number: int) -> Answer:
        """Sends the message of this number, again under the same transaction id where it was sent before."""
        body = self.bodies.setdefault(number, f"{number} {self.source.randbytes(BODY_BYTES // 2).hex()}")
        path = f"/v3/rooms/{self.room}/send/m.room.message/{number}"
        content = {"msgtype": "m.text", "body": body}
        self.answers[number] = await self.home.ask("PUT", path, content, by=self.person)
        return self.answers[number]

    async def say_until(self, status: int) -> None:
        """Says new things until one is answered so."""
        for number in range(len(self.answers), len(self.answers) + MOST_MESSAGES):
            if (await self.say(number)).status == status:
                return
        raise AssertionError(f"{MOST_MESSAGES} messages, and none was answered with {status}")

    async def say_again_what_failed(self) -> None:
        """As a client does, until it works."""
        until = time.monotonic() + PATIENCE_S
        for number in [number for number, answer in self.answers.items() if answer.status != 200]:
            while (await self.say(number)).status != 200:
                assert time.monotonic() < until, self.answers[number]
                await asyncio.sleep(0.2)

    async def heard(self) -> list[tuple[str, str]]:
        """What is in the room: event id and body."""
        found: list[tuple[str, str]] = []
        path = MESSAGES.format(self.room)
        more = ""
        while True:
            page = await self.home.ask("GET", path + more, by=self.person)
            assert page.status == 200, page
            found += [
                (one["event_id"], one["content"]["body"]) for one in page.body["chunk"] if "body" in one["content"]
            ]
            if "end" not in page.body:
                return found
            more = f"&from={page.body['end']}"


async def play(config: Config, disk: Path, cluster: Cluster, port: int, *, stays: bool) -> None:
    """A conversation during which the disk is full for a while; `stays`: PostgreSQL goes on answering meanwhile."""
    async with homeserver(config) as home:
        alice = await home.person("alice")
        made = await home.ask("POST", "/v3/createRoom", {"name": "Here"}, by=alice)
        talk = Talk(home, alice, made.body["room_id"])
        for number in range(20):
            assert (await talk.say(number)).status == 200
        with full(disk):
            await talk.say_until(503)
            for number in range(len(talk.answers), len(talk.answers) + 5):
                await talk.say(number)
            failed = [answer for answer in talk.answers.values() if answer.status != 200]
            assert all((one.status, one.body["errcode"]) == (503, "M_UNKNOWN") for one in failed), failed
            assert not any("space" in one.body["error"] or "pg_" in one.body["error"] for one in failed), failed
            if stays:
                assert len(await talk.heard()) == sum(answer.status == 200 for answer in talk.answers.values())
        await _back(cluster, port)
        await talk.say_again_what_failed()
        await _compare(talk)
    async with homeserver(config) as again:  # what is on the disk is what was in memory
        talk.home = again
        await _compare(talk)


async def _back(cluster: Cluster, port: int) -> None:
    """PostgreSQL that has ended itself is started as the system would."""
    for _ in range(20):
        if cluster.pid is None:
            await asyncio.to_thread(cluster.start, port)
            return
        await asyncio.sleep(0.1)


async def _compare(talk: Talk) -> None:
    """Everything is there once, under the id that was answered."""
    heard = await talk.heard()
    assert len(heard) == len(talk.bodies), (len(heard), len(talk.bodies))
    assert dict(heard) == {answer.body["event_id"]: talk.bodies[n] for n, answer in talk.answers.items()}


def main(case: str, folder: Path) -> None:
    """Makes the disk and the cluster, plays, and lets PostgreSQL look at the sums of all pages."""
    disk = folder / "disk"
    mount(disk)
    programs = find_programs()
    cluster = Cluster(folder / "postgres", programs)
    cluster.create(durable=True)
    if case == "log":
        log = cluster.data / "pg_wal"
        subprocess.run(["cp", "-a", str(log), str(disk / "log")], check=True, timeout=60)
        shutil.rmtree(log)
        log.symlink_to(disk / "log")
    port = free_port()
    cluster.start(port)
    try:
        with psycopg.connect(cluster.url(), autocommit=True) as connection:
            if case == "tables":
                programs.give(disk / "tables")
                place = sql.Literal(str(disk / "tables"))
                connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(place))
                connection.execute("ALTER DATABASE postgres SET default_tablespace = small")
        config = open_config(folder / "data", cluster.url())
        asyncio.run(play(config, disk, cluster, port, stays=case == "tables"))
    finally:
        cluster.stop()
    programs.run("pg_checksums", ["--check", "-D", cluster.data])


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
