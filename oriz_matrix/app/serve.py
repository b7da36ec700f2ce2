"""One process of the server: start, serve until told to stop, drain."""

import asyncio
import ctypes
import gc
import signal
import sys
from collections.abc import Callable
from contextlib import suppress

import structlog

from oriz_matrix import __version__
from oriz_matrix.app.build import Server, build
from oriz_matrix.app.database import open_dialect
from oriz_matrix.base import metrics, signing_key
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.signing import SigningKey

DRAIN_SECONDS = 20
SWITCH_INTERVAL_S = 0.0005
"""How long a thread may keep the interpreter lock: storage threads must not wait behind one that computes."""

COLLECT_AFTER = (25_000, 20, 50)
"""Answers are made of many small objects that die at once; looking for cycles among them at Python's usual pace, each
700 objects, costs more than making them."""

M_ARENA_MAX = -8  # of mallopt(3)

log = structlog.get_logger()


def serve(config: Config, on_ready: Callable[[list[str]], None]) -> None:
    """Serves until SIGTERM or SIGINT; `on_ready` hears the addresses. Raises OSError and StorageError at start."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.set_threshold(*COLLECT_AFTER)
    _share_memory_between_threads()
    clock, ids = Clock(), Ids()
    dialect = open_dialect(config, clock)
    server = build(config, dialect, own_key(config, ids), clock, ids)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_run(server, config, on_ready))


def _share_memory_between_threads() -> None:
    """Lets threads share two heaps. The C library gives each its own, and what one frees is of no use to the others."""
    with suppress(OSError, AttributeError):  # another C library than glibc
        ctypes.CDLL("libc.so.6").mallopt(M_ARENA_MAX, 2)


def own_key(config: Config, ids: Ids) -> SigningKey:
    """The server's signing key, made at the first start."""
    with suppress(FileExistsError):
        return signing_key.create(config.signing_key_path, ids)
    return signing_key.read(config.signing_key_path)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop where it is installed: not on every platform."""
    try:
        import uvloop  # noqa: PLC0415 - it may be absent
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def start(server: Server) -> None:
    """Starts everything; what fails is raised, and nothing is left running."""
    server.database.start()
    try:
        await server.server_keys.start()
        if server.others is not None:
            await server.others.client.start()
        await server.changes.start()
        await server.typing_notices.start()
        await server.periodic.start()
        await server.jobs.start()
        await server.receive.start()
        if server.senders is not None:
            await server.senders.start()
        await server.application.start()
    except BaseException:
        await stop(server)
        raise


async def stop(server: Server) -> None:
    """Lets requests finish, wakes those who only wait, then closes the database."""
    await server.changes.stop()
    await server.application.drain(DRAIN_SECONDS)
    await server.periodic.stop()
    await server.typing_notices.stop()
    if server.senders is not None:
        await server.senders.stop()
    await server.receive.stop()
    await server.jobs.stop()
    server.passwords.close()
    if server.others is not None:
        await server.others.client.stop()
    await server.database.stop()


async def _run(server: Server, config: Config, on_ready: Callable[[list[str]], None]) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    await start(server)
    gc.freeze()  # what was made until now stays for ever: to look through it again and again finds nothing
    watch = asyncio.create_task(metrics.watch_loop(server.metrics))
    on_ready(server.application.addresses)
    log.info(
        "started",
        version=__version__,
        server_name=config.server_name,
        engine=config.database.engine.value,
        addresses=server.application.addresses,
    )
    await stopped.wait()
    log.info("stopping")
    watch.cancel()
    await stop(server)
