"""The network between servers: lines that carry their connections, and that can be cut and healed.

A line is a TCP forwarder whose port stands in a server's name, so whoever talks with the server comes through it. It
runs in a thread of its own, because the servers behind it outlive a test and its event loop.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

R = TypeVar("R")

PIECE = 65536
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Network:
    """All lines, and the thread that carries them; ends with its block."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._lines: list[Line] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _traceback: TracebackType | None
    ) -> None:
        for line in self._lines:
            line.close()
        self.carry_out(_let_tasks_end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def line(self, host: str) -> "Line":
        """A new line, open, that leads nowhere yet; `host` is a loopback address."""
        line = Line(self, host)
        self._lines.append(line)
        line.heal()
        return line

    def carry_out(self, work: Coroutine[Any, Any, R]) -> R:
        """Does something in the thread, and waits for it."""
        done: Future[R] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return done.result(10)


class Line:
    """One line: what connects to `host`:`port` reaches 127.0.0.1:`target`, while the line is whole."""

    def __init__(self, network: Network, host: str) -> None:
        self._network = network
        self._holder = _socket(host, 0)  # keeps the port ours while nobody listens there
        self.host = host
        self.port: int = self._holder.getsockname()[1]
        self.target: int | None = None
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def name(self) -> str:
        """What a server behind this line is called."""
        return f"{self.host}:{self.port}"

    def cut(self) -> None:
        """Resets all connections and refuses new ones."""
        self._network.carry_out(self._cut())

    def swallow(self) -> None:
        """Lets nothing through and says so to nobody, as a firewall that drops packets."""
        self._network.carry_out(self._swallow())

    def heal(self) -> None:
        """Carries again; what was swallowed arrives late."""
        self._network.carry_out(self._heal())

    def close(self) -> None:
        """Ends it for good."""
        self.cut()
        self._holder.close()

    async def _cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._writers):
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            writer.transport.abort()
        self._flows.set()  # who waits there finds the connection closed

    async def _swallow(self) -> None:
        self._flows.clear()

    async def _heal(self) -> None:
        self._flows.set()
        if self._server is None:
            listener = _socket(self.host, self.port)
            self._server = await asyncio.start_server(self._carry, sock=listener, backlog=256)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flows.wait()
        writers = [writer]
        self._writers.add(writer)
        with suppress(OSError):
            onward, behind = await asyncio.open_connection("127.0.0.1", self.target or 0)
            writers.append(behind)
            self._writers.add(behind)
            await asyncio.gather(self._pump(reader, behind), self._pump(onward, writer))
        for each in writers:
            self._writers.discard(each)
            each.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._flows.wait()
                writer.write(piece)
                await writer.drain()
        with suppress(OSError):
            writer.write_eof() if writer.can_write_eof() else writer.close()


def _socket(host: str, port: int) -> socket.socket:
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind((host, port))
    return made


async def _let_tasks_end() -> None:
    """Waits for what carried the connections that have just been cut."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    if others:
        await asyncio.wait(others, timeout=5)
