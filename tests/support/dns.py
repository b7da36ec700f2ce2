"""A DNS server on the loopback address that answers what a test tells it: A, AAAA, CNAME and SRV records, over UDP."""

import asyncio
import socket
import struct
from typing import Any, Self

TYPES = {"A": 1, "CNAME": 5, "AAAA": 28, "SRV": 33}
NO_SUCH_NAME, SERVER_FAILURE = 3, 2


class DnsServer(asyncio.DatagramProtocol):
    """`zone`: by (name, type) the data of the records: an address, a name, or (priority, weight, port, target).

    broken: names to which it answers that it has failed. asked: what was asked, in order.
    """

    def __init__(self) -> None:
        self.zone: dict[tuple[str, str], list[Any]] = {}
        self.broken: set[str] = set()
        self.asked: list[tuple[str, str]] = []
        self.ttl = 300
        self._transport: asyncio.DatagramTransport | None = None

    @classmethod
    async def start(cls) -> Self:
        """Listens at a free port of 127.0.0.1."""
        made = asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=("127.0.0.1", 0))
        transport, server = await made
        server._transport = transport
        return server

    @property
    def address(self) -> str:
        """Where it listens, as "address:port"."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return f"{host}:{port}"

    def stop(self) -> None:
        """Answers nothing any more."""
        assert self._transport is not None
        self._transport.close()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        number = data[:2]
        name, end = _read_name(data, 12)
        (code,) = struct.unpack_from(">H", data, end)
        kind = next((each for each, value in TYPES.items() if value == code), "")
        self.asked.append((name, kind))
        answers = self._answers(name, kind)
        known = any(each == name for each, _ in self.zone)
        failure = SERVER_FAILURE if name in self.broken else 0 if known else NO_SUCH_NAME
        head = number + struct.pack(">HHHHH", 0x8180 | failure, 1, len(answers), 0, 0)
        assert self._transport is not None
        self._transport.sendto(head + data[12 : end + 4] + b"".join(answers), addr)

    def _answers(self, name: str, kind: str) -> list[bytes]:
        aliases = self.zone.get((name, "CNAME"), [])
        if aliases and kind != "CNAME":
            return [self._record(name, "CNAME", aliases[0]), *self._answers(aliases[0], kind)]
        return [self._record(name, kind, data) for data in self.zone.get((name, kind), [])]

    def _record(self, name: str, kind: str, data: Any) -> bytes:
        packed = _pack(kind, data)
        return _write_name(name) + struct.pack(">HHIH", TYPES[kind], 1, self.ttl, len(packed)) + packed


def _pack(kind: str, data: Any) -> bytes:
    if kind == "SRV":
        return struct.pack(">HHH", *data[:3]) + _write_name(data[3])
    if kind == "CNAME":
        return _write_name(data)
    return socket.inet_pton(socket.AF_INET6 if kind == "AAAA" else socket.AF_INET, data)


def _read_name(data: bytes, place: int) -> tuple[str, int]:
    """A name without compression, in lower case, and where it ends."""
    labels = []
    while (length := data[place]) > 0:
        labels.append(data[place + 1 : place + 1 + length].decode().lower())
        place += 1 + length
    return ".".join(labels), place + 1


def _write_name(name: str) -> bytes:
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
