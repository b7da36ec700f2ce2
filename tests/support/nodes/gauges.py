"""What the metrics of a running server tell of how it does: its memory and CPU, and how late its event loop runs."""

import asyncio
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from tests.support.nodes.node import Node

LAG = "oriz_loop_lag_seconds_bucket"


async def memory_mib(node: Node) -> float:
    """The memory that the process has now."""
    samples = await asyncio.to_thread(_samples, node)
    return next(value for name, _, value in samples if name == "process_resident_memory_bytes") / 2**20


async def cpu_seconds(node: Node) -> float:
    """The CPU that the process has used since its start."""
    samples = await asyncio.to_thread(_samples, node)
    return next(value for name, _, value in samples if name == "process_cpu_seconds_total")


async def lags(node: Node) -> dict[float, float]:
    """How often since its start the loop was at most so many seconds late, by the seconds, ascending."""
    samples = await asyncio.to_thread(_samples, node)
    return {float(labels["le"]): value for name, labels, value in samples if name == LAG}


def quantile(before: dict[float, float], after: dict[float, float], share: float) -> float:
    """Up to how many seconds late it ran in this share of what was measured in between; as exact as the buckets are."""
    between = {bound: count - before.get(bound, 0) for bound, count in after.items()}
    return next(bound for bound, count in between.items() if count >= share * between[float("inf")])


def _samples(node: Node) -> list[tuple[str, dict[str, str], float]]:
    with urlopen(f"{node.url}/metrics") as answer:
        text = answer.read().decode()
    return [
        (one.name, one.labels, one.value) for family in text_string_to_metric_families(text) for one in family.samples
    ]
