"""How long the random tests run: a few seconds in `./dev test`; `ORIZ_SOAK_MINUTES=30` gives each of them half an hour.

A random test draws from `random_source()`, whose seed it prints, so that pytest shows it when the test fails;
`ORIZ_SOAK_SEED` gives the same seed again.
"""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

MINUTES = "ORIZ_SOAK_MINUTES"
SEED = "ORIZ_SOAK_SEED"


def seconds(normal: float) -> float:
    """How long a random test may run: `normal` seconds, or what the environment says."""
    return float(os.environ[MINUTES]) * 60 if MINUTES in os.environ else normal


def times(normal: int, quick_seconds: float) -> int:
    """How many examples a test tries that takes `quick_seconds` for `normal` of them."""
    return max(normal, round(normal * seconds(quick_seconds) / quick_seconds))


def random_source() -> random.Random:
    """A source of randomness whose seed is printed."""
    seed = int(os.environ.get(SEED, time.time_ns() % 1_000_000))
    print(f"{SEED}={seed}")
    return random.Random(seed)


def seeds(quick_seconds: float) -> Iterator[int]:
    """Seeds of many plays, one at least, until the time is over; or the one that is to be given again."""
    until = time.monotonic() + seconds(quick_seconds)
    yield int(os.environ.get(SEED, first := time.time_ns() % 1_000_000))
    while SEED not in os.environ and time.monotonic() < until:
        first += 1
        yield first


@contextmanager
def told(seed: int) -> Iterator[None]:
    """Prints the seed of a play that fails."""
    try:
        yield
    except BaseException:
        print(f"{SEED}={seed}")
        raise
