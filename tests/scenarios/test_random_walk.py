"""Several people act at random, several clients rebuild the world from /sync alone, and it is the one the server tells.

People act one by one and many in the same moment, while clients sync; the server restarts in between.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from oriz_matrix.services import changes, typing_notices
from oriz_matrix.services.rooms import history
from oriz_matrix.services.sync import respond, timelines
from tests.scenarios.playing import NAMES, Play
from tests.scenarios.walking import TYPES_MS
from tests.support import soak
from tests.support.homeserver import Home

STEPS = 60
CHECKPOINT = 20
SEEDS = (203, 206, 214, 250)
"""Kept: each has found something once, or goes where others do not."""

QUICK_SECONDS = 1.0


async def play(home: Home, seed: int, number: int = 0) -> None:
    """One walk on a server; its people are new there, by their number."""
    game = Play(seed, await home.users(*(f"{name}{number}" for name in NAMES)))
    await game.begin()
    restart = game.dice.randrange(STEPS * 2)
    for step in range(STEPS):
        await game.go_on()
        if step == restart:
            await home.restart(*game.users)
        if step % CHECKPOINT == CHECKPOINT - 1:
            await game.check(all_of_them=step == STEPS - 1)


@contextmanager
def stage(seed: int) -> Iterator[None]:
    """Nobody stops typing by themselves; with odd seeds all is read in small pieces, and little is remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(typing_notices, "LONGEST_MS", TYPES_MS)
        if seed % 2:
            patch.setattr(changes, "RING", 30)
            patch.setattr(respond, "SLICE", 1)
            for module in (history, timelines):
                patch.setattr(module, "CHUNK", 3)
                patch.setattr(module, "MAX_LOOKED_AT", 6)
        yield


@pytest.mark.parametrize("seed", SEEDS)
async def test_clients_rebuild_the_world(either_home: Home, seed: int) -> None:
    with stage(seed):
        await play(either_home, seed)


@pytest.mark.soak
async def test_clients_rebuild_new_worlds(either_home: Home) -> None:
    for number, seed in enumerate(soak.seeds(QUICK_SECONDS)):
        with soak.told(seed), stage(seed):
            await play(either_home, seed, number)
