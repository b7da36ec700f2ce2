"""What reaches other servers, constructed in the order in which it depends on each other."""

from collections.abc import Callable
from typing import Any, NamedTuple

from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.federation import Federation as Settings
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.net.client import Client
from oriz_matrix.net.discovery import Discovery, Ports
from oriz_matrix.net.keys import KeyClient
from oriz_matrix.net.names import Dns, Names
from oriz_matrix.net.peers import Peers


class Reach(NamedTuple):
    """The session, which is to be started and stopped, and what stands on it; `caches` for the metrics."""

    client: Client
    discovery: Discovery
    peers: Peers
    keys: KeyClient
    caches: list[Cache[Any, Any]]


def reach(
    settings: Settings,
    clock: Clock,
    metrics: Metrics,
    make_names: Callable[[], Names] = Dns,
    ports: Ports | None = None,
) -> Reach:
    """Constructs it all; nothing runs yet. Other names and ports than the usual are for tests."""
    client = Client(settings, make_names, clock, metrics)
    discovery = Discovery(client, clock, ports)
    peers = Peers(client, discovery, settings)
    return Reach(client, discovery, peers, KeyClient(peers, clock), discovery.caches())
