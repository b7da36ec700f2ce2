"""The table of what is done again and again, and what is watched."""

from typing import Any

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.periodic import TASKS, TRANSACTIONS_KEPT_MS, Periodic, Watch
from oriz_matrix.storage import backlog, incoming
from oriz_matrix.storage.database import Database
from tests.support.homeserver import eventually

OTHER = ServerName("other.example")


async def test_the_table_is_done_in_its_time(database: Database, clock: FakeClock) -> None:
    await database.write(incoming.take, OTHER, "old", b"{}", clock.now_ms() - TRANSACTIONS_KEPT_MS)
    await database.write(incoming.take, OTHER, "new", b"{}", clock.now_ms())
    periodic = Periodic(database, Changes(database, clock), clock)
    await periodic.start()
    await clock.advance(0)
    await clock.advance(max(task.every for task in TASKS))

    async def is_forgotten() -> bool:
        return await database.read(incoming.answer, OTHER, "old") is None

    await eventually(is_forgotten)
    assert await database.read(incoming.answer, OTHER, "new") == b"{}"
    await periodic.stop()


async def test_what_is_watched_is_told_again_and_again(database: Database, clock: FakeClock) -> None:
    told: list[Any] = []
    watch = Watch("what waits", 15, backlog.count, told.append)
    periodic = Periodic(database, Changes(database, clock), clock, [watch])
    await periodic.start()

    async def was_told(times: int) -> bool:
        return len(told) == times

    await eventually(lambda: was_told(1))
    await clock.advance(15)
    await eventually(lambda: was_told(2))
    await periodic.stop()
    metrics = Metrics()
    metrics.show_backlog(told[0])
    metrics.count_incoming("accepted", 3)
    text = metrics.exposition().decode()
    assert 'oriz_backlog{what="outgoing_events"} 0.0' in text
    assert 'oriz_incoming_events_total{fate="accepted"} 3.0' in text
