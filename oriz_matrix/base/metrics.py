"""Every metric of the server, declared once, on a registry of its own.

Names begin with `oriz_`. Labels are bounded: endpoint templates, function and cache names, never users, rooms or
servers. `labels(...)` is a look-up under a lock, so whoever counts often asks for its child once and keeps it.
"""

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from oriz_matrix.base.cache import Cache

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

REQUEST_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
TRANSACTION_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.5)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)


class Metrics:
    """The metrics of one process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._declare_http()
        self._declare_storage()
        self._declare_services()
        self._declare_net()

    def _declare_http(self) -> None:
        registry = self.registry
        self.requests = Counter(
            "oriz_requests", "Requests answered", ["method", "endpoint", "status"], registry=registry
        )
        self.request_seconds = Histogram(
            "oriz_request_seconds",
            "From the head of a request to its answer",
            ["method", "endpoint"],
            registry=registry,
            buckets=REQUEST_SECONDS,
        )
        self.requests_in_flight = Gauge("oriz_requests_in_flight", "Requests being answered", registry=registry)
        self.loop_lag_seconds = Histogram(
            "oriz_loop_lag_seconds",
            "How late the event loop runs what is due",
            registry=registry,
            buckets=LAG_SECONDS,
        )

    def _declare_storage(self) -> None:
        registry = self.registry
        self.transaction_seconds = Histogram(
            "oriz_transaction_seconds",
            "Database transactions, from begin to commit",
            ["function"],
            registry=registry,
            buckets=TRANSACTION_SECONDS,
        )

    def _declare_services(self) -> None:
        registry = self.registry
        self.events_appended = Counter("oriz_events_appended", "Events of this server's users", registry=registry)
        self.settled_lag_seconds = Gauge(
            "oriz_settled_lag_seconds", "Time since recent changes were last read", registry=registry
        )
        self.jobs = Counter("oriz_jobs", "Jobs that ended: done, failed, parked", ["queue", "end"], registry=registry)
        self.sync_waiters = Gauge("oriz_sync_waiters", "Syncs waiting for something new", registry=registry)
        self.incoming_events = Counter(
            "oriz_incoming_events",
            "Events of other servers, by what became of them: accepted, rejected, soft_failed, dropped, given_up",
            ["fate"],
            registry=registry,
        )
        self.backlog = Gauge(
            "oriz_backlog",
            "What waits between this server and others, as all processes see it: incoming_events, outgoing_events, "
            "outgoing_messages, silent_servers",
            ["what"],
            registry=registry,
        )

    def _declare_net(self) -> None:
        registry = self.registry
        self.outgoing_requests = Counter(
            "oriz_outgoing_requests",
            "Requests to other servers, by what they were for and how they ended",
            ["purpose", "outcome"],
            registry=registry,
        )
        self.outgoing_seconds = Histogram(
            "oriz_outgoing_seconds",
            "From a request to another server to the head of its answer",
            ["purpose"],
            registry=registry,
            buckets=REQUEST_SECONDS,
        )

    def count_outgoing(self, purpose: str, outcome: str, seconds: float) -> None:
        """For `net.client.Client`: a request for this purpose was answered, or failed, after so long."""
        self.outgoing_requests.labels(purpose, outcome).inc()
        self.outgoing_seconds.labels(purpose).observe(seconds)

    def observe_transaction(self, function: str, seconds: float) -> None:
        """For `Database`: a transaction of this storage function is over."""
        self.transaction_seconds.labels(function).observe(seconds)

    def count_job(self, queue: str, end: str) -> None:
        """For `services.jobs.Jobs`: a job of this queue ended so."""
        self.jobs.labels(queue, end).inc()

    def count_incoming(self, fate: str, number: int = 1) -> None:
        """For `services.federation_in`: what became of some events of other servers."""
        self.incoming_events.labels(fate).inc(number)

    def show_backlog(self, figures: Mapping[str, int]) -> None:
        """What waits between this server and others."""
        for what, number in figures.items():
            self.backlog.labels(what).set(number)

    def watch_caches(self, caches: Iterable[Cache[Any, Any]]) -> None:
        """Shows the figures of these caches whenever somebody looks."""
        self.registry.register(_CacheCollector(list(caches)))

    def exposition(self) -> bytes:
        """All metrics in Prometheus' text format, of the type `CONTENT_TYPE`."""
        return generate_latest(self.registry)


class _CacheCollector(Collector):
    """The figures of caches, read when somebody looks."""

    def __init__(self, caches: Sequence[Cache[Any, Any]]) -> None:
        self._caches = caches

    def collect(self) -> Iterator[Metric]:
        hits = CounterMetricFamily("oriz_cache_hits", "Look-ups that a cache answered", labels=["cache"])
        misses = CounterMetricFamily("oriz_cache_misses", "Look-ups that a cache could not answer", labels=["cache"])
        entries = GaugeMetricFamily("oriz_cache_entries", "Values that a cache holds", labels=["cache"])
        for cache in self._caches:
            figures = cache.statistics()
            hits.add_metric([figures.name], figures.hits)
            misses.add_metric([figures.name], figures.misses)
            entries.add_metric([figures.name], figures.entries)
        yield from (hits, misses, entries)


class RequestMeter:
    """The request metrics of one endpoint, with their children resolved."""

    def __init__(self, metrics: Metrics, method: str, endpoint: str) -> None:
        self._metrics = metrics
        self._labels = (method, endpoint)
        self._by_status: dict[int, Counter] = {}

    @cached_property
    def _seconds(self) -> Histogram:
        """Made for the first answer: of the endpoints most are never asked for, and each takes 8 KiB."""
        return self._metrics.request_seconds.labels(*self._labels)

    def record(self, status: int, seconds: float) -> None:
        """Count one answer."""
        counter = self._by_status.get(status)
        if counter is None:
            counter = self._by_status[status] = self._metrics.requests.labels(*self._labels, str(status))
        counter.inc()
        self._seconds.observe(seconds)


async def watch_loop(metrics: Metrics, every: float = 0.5) -> None:
    """Measure the lag of the running event loop for ever, each `every` seconds."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        metrics.loop_lag_seconds.observe(max(0.0, loop.time() - due))
