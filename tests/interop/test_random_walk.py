"""A random walk over an Oriz and a Synapse while the network is cut; `./dev soak interop` goes on for long."""

import random

import pytest

from tests.interop.pairs import PAIRS
from tests.plays.random_walk import walk
from tests.plays.stage import Stage
from tests.support import soak

WALK_SECONDS = 4.0


@pytest.mark.soak
@pytest.mark.parametrize(("pair", "version"), [(pair, "12") for pair in PAIRS])
async def test_what_was_acknowledged_is_on_both_and_they_agree(stage: Stage, pair: str, version: str) -> None:
    for seed in soak.seeds(WALK_SECONDS):
        with soak.told(seed):
            await walk(stage, random.Random(seed), WALK_SECONDS, "")
