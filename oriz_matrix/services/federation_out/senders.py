"""Sends to other servers what waits for them, one transaction at a time to each, until it is taken.

A server that does not answer is tried again after pauses that grow, or as soon as it is heard of; until then it costs
nothing. After a long silence it gets the newest event of each room only. Server-server API, "Transactions".
"""

import asyncio
import random
from collections.abc import Iterable
from functools import partial
from typing import NamedTuple

import structlog

from oriz_matrix.base.clock import Clock
from oriz_matrix.net.errors import Denied, RemoteFailed
from oriz_matrix.net.federation import Federation
from oriz_matrix.net.peers import PeerRequest, uri
from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.storage import destinations, servers
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.destinations import Batch, Destination
from oriz_matrix.storage.errors import StorageError
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import RoomNid

MOST_PDUS = 50
MOST_EDUS = 100
AT_ONCE = 50
"""Servers to which something is sent at the same time."""
SWEEP_SECONDS = 10.0
LEASE_MS = 8_000
SECONDS = 60.0
FIRST_PAUSE_MS = 500
LONGEST_PAUSE_MS = 6 * 3600 * 1000
LONG_SILENCE_MS = 3600 * 1000

log = structlog.get_logger()


class Owner(NamedTuple):
    """The name of a process among those that send, and whether there is no other."""

    name: str
    is_alone: bool


class Senders:
    """One for each process; of several, one sends to a server."""

    def __init__(
        self, db: Database, federation: Federation, outgoing: Outgoing, clock: Clock, owner: Owner, here: ServerName
    ) -> None:
        self._db = db
        self._federation = federation
        self._outgoing = outgoing
        self._clock = clock
        self._here = here
        self._owner, self._is_alone = owner
        self._known: dict[ServerName, Destination] = {}
        self._held_until: dict[ServerName, int] = {}
        self._sending: dict[ServerName, asyncio.Task[None]] = {}
        self._again: set[ServerName] = set()
        self._places = asyncio.Semaphore(AT_ONCE)
        self._tasks: list[asyncio.Task[None]] = []
        self._timers: dict[ServerName, asyncio.TimerHandle] = {}
        self._stopping = False
        self._count = 0

    async def start(self) -> None:
        """Begins, with what waited when the server stopped."""
        if self._is_alone:
            await self._db.write(destinations.release_all)
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._sweep())]

    async def stop(self) -> None:
        """Stops; what was not taken waits."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        for task in [*self._tasks, *self._sending.values()]:
            task.cancel()
        await asyncio.gather(*self._tasks, *self._sending.values(), return_exceptions=True)
        try:
            await self._db.write(destinations.release, self._owner)
        except StorageError as error:
            log.warning("the leases of destinations run out by themselves", error=str(error))

    def heard(self, server: ServerName) -> None:
        """A server has called: it is there, so it is tried at once."""
        known = self._known.get(server)
        if known is not None and known.attempts:
            self._known[server] = known._replace(retry_at=0)
            self._begin([server])

    async def _follow(self) -> None:
        while True:
            woken = await self._outgoing.wait()
            try:
                found = await self._db.read(_in_rooms, woken.rooms) if woken.rooms else set()
            except StorageError as error:
                log.warning("cannot see to whom something is to be sent", error=str(error))
                continue
            self._begin(found | woken.servers)

    async def _sweep(self) -> None:
        """Finds those whose pause is over, and what a process that died has left."""
        while True:
            try:
                now_ms = self._clock.now_ms()
                self._begin(await self._db.read(destinations.due, list(self._sending), now_ms))
            except StorageError as error:
                log.warning("cannot see to whom something is to be sent", error=str(error))
            await self._clock.sleep(SWEEP_SECONDS)

    def _begin(self, found: Iterable[ServerName]) -> None:
        now_ms = self._clock.now_ms()
        for server in found:
            if self._stopping:
                return
            if server in self._sending:
                self._again.add(server)
            elif server not in self._known or self._known[server].retry_at <= now_ms:
                task = asyncio.create_task(self._send_all(server))
                self._sending[server] = task
                task.add_done_callback(partial(self._ended, server))

    def _ended(self, server: ServerName, _task: asyncio.Task[None]) -> None:
        del self._sending[server]
        if server in self._again:
            self._again.discard(server)
            self._begin([server])

    async def _send_all(self, server: ServerName) -> None:
        """Sends until nothing waits, or the server does not answer."""
        try:
            async with self._places:
                while await self._send_one(server):
                    pass
        except StorageError as error:
            log.warning("cannot send for now", server=server, error=str(error))

    async def _send_one(self, server: ServerName) -> bool:
        """Sends one transaction; whether there may be more."""
        known = await self._hold(server)
        if known is None:
            return False
        batch = await self._db.read(destinations.waiting, server, MOST_PDUS, MOST_EDUS)
        if not batch.events and not batch.edus:
            return False
        if known.txn_id is None or known.txn_body is None:
            known = known._replace(txn_id=self._txn_id(), txn_body=self._compose(batch))
        assert known.txn_id is not None
        target = uri("/_matrix/federation/v1/send", known.txn_id)
        request = PeerRequest(method="PUT", uri=target, body=known.txn_body, seconds=SECONDS)
        try:
            await self._ask(server, request)
        except Denied:
            await self._db.write(destinations.forget, server)
            return False
        except RemoteFailed as error:
            await self._fail(known, error)
            return False
        await self._arrived(known, batch)
        return True

    async def _ask(self, server: ServerName, request: PeerRequest) -> None:
        """Sends a request, and stays the one who sends to the server until it has answered. Raises RemoteFailed."""
        asking = asyncio.ensure_future(self._federation.ask(server, request))
        try:
            while not (await asyncio.wait([asking], timeout=LEASE_MS / 2000))[0]:
                now_ms = self._clock.now_ms()
                self._held_until[server] = now_ms + LEASE_MS
                await self._db.write(destinations.take, server, self._owner, now_ms, now_ms + LEASE_MS)
        finally:
            asking.cancel()  # no matter where it is done
        await asking

    async def _hold(self, server: ServerName) -> Destination | None:
        """The server, where this process sends to it now."""
        now_ms = self._clock.now_ms()
        if server in self._known and self._held_until.get(server, 0) > now_ms + LEASE_MS // 2:
            return self._known[server]
        until = now_ms + LEASE_MS
        found = await self._db.write(destinations.take, server, self._owner, now_ms, until)
        if found is None:
            return None
        before = self._known.get(server)
        if before is not None and before.attempts == found.attempts:
            found = found._replace(retry_at=before.retry_at)
        self._known[server], self._held_until[server] = found, until
        if found.retry_at > now_ms:
            return None
        if found.failing_since is not None and now_ms > found.failing_since + LONG_SILENCE_MS:
            await self._db.write(destinations.collapse, server)
        return found

    async def _arrived(self, known: Destination, batch: Batch) -> None:
        sent = batch
        if known.attempts:  # what was composed before this batch was read is smaller than it, or as large
            sent = _of_body(known, batch)
        failed = known.failing_since is not None
        numbers = [nid for nid, _ in sent.events]
        await self._db.write(destinations.arrived, known.server, numbers, [nid for nid, _ in sent.edus], failed)
        self._known[known.server] = Destination(known.server)
        if failed:
            log.info("a server answers again", server=known.server)

    async def _fail(self, known: Destination, error: RemoteFailed) -> None:
        now_ms = self._clock.now_ms()
        pause = min(FIRST_PAUSE_MS * 2 ** min(known.attempts, 20), LONGEST_PAUSE_MS)
        known = known._replace(
            failing_since=known.failing_since if known.failing_since is not None else now_ms,
            attempts=known.attempts + 1,
            retry_at=now_ms + round(pause * random.uniform(0.75, 1.25)),  # noqa: S311 - not a secret
        )
        self._known[known.server] = known
        log.info("a server does not answer", server=known.server, attempts=known.attempts, reason=str(error))
        await self._db.write(destinations.failed, known)
        if not self._stopping:
            wait_s = (known.retry_at - now_ms) / 1000
            self._timers[known.server] = asyncio.get_running_loop().call_later(wait_s, self._begin, [known.server])

    def _txn_id(self) -> str:
        self._count += 1
        return f"{self._owner}-{self._count}"

    def _compose(self, batch: Batch) -> bytes:
        """The transaction, canonical as its parts are."""
        head = encode({"origin": self._here, "origin_server_ts": self._clock.now_ms()})
        edus = b",".join(body for _, body in batch.edus)
        pdus = b",".join(body for _, body in batch.events)
        return b'{"edus":[%b],%b,"pdus":[%b]}' % (edus, head[1:-1], pdus)


def _of_body(known: Destination, batch: Batch) -> Batch:
    """Those of a batch that stand in the transaction that was sent."""
    assert known.txn_body is not None
    return Batch(
        [one for one in batch.events if one[1] in known.txn_body],
        [one for one in batch.edus if one[1] in known.txn_body],
    )


def _in_rooms(tx: Transaction, rooms: Iterable[RoomNid]) -> set[ServerName]:
    return {server for room in rooms for server in servers.in_room(tx, room)}
