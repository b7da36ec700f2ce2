"""A random walk over three servers with faults; `./dev soak federation/test_random_walk` goes on for long."""

import random

import pytest

from tests.plays.random_walk import walk
from tests.plays.stage import Stage
from tests.support import soak

WALK_SECONDS = 6.0


@pytest.mark.soak
async def test_what_was_acknowledged_is_everywhere_and_all_agree(wide_stage: Stage) -> None:
    for seed in soak.seeds(WALK_SECONDS):
        with soak.told(seed):
            await walk(wide_stage, random.Random(seed), WALK_SECONDS, "abc")
