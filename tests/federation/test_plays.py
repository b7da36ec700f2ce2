"""Two Oriz servers give all the plays, with either of them as the first."""

from collections.abc import AsyncIterator

import pytest

from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.plays import (
    acl,
    devices,
    ephemeral,
    faults,
    finding,
    history,
    invites,
    joining,
    knocking,
    leaving,
    profiles,
    restricted,
    state,
    talking,
    upgrading,
    wide,
)
from tests.plays.catalogue import Play, in_versions, plays_of
from tests.plays.stage import Stage, on_stage
from tests.support.nodes.node import Node

SUBJECTS = (
    joining,
    talking,
    state,
    leaving,
    invites,
    knocking,
    restricted,
    history,
    ephemeral,
    profiles,
    acl,
    upgrading,
    finding,
    devices,
)
PLAYS = plays_of(*SUBJECTS)
SHORT = [play for play in PLAYS if play.act is joining.bob_joins_talks_and_leaves]
FULL = {"12": "ab", "11": "ba"}
"""Versions in which all is played, and which server is in front; tests/interop has all of version 10 too."""


def _programme() -> list[object]:
    others = [version for version in ROOM_VERSIONS if version not in FULL]
    chosen = [*in_versions(PLAYS, FULL), *in_versions(SHORT, others)]
    orders = [FULL.get(version, "ab") for _, version in chosen]
    return [
        pytest.param(order, play, version, id=f"{play.name}-v{version}-{order}")
        for order, (play, version) in zip(orders, chosen, strict=True)
    ]


@pytest.fixture
async def any_stage(two: dict[str, Node], order: str, version: str) -> AsyncIterator[Stage]:
    """The two servers in this order."""
    async with on_stage(dict(zip("ab", (two[letter] for letter in order), strict=True)), version) as stage:
        yield stage


@pytest.mark.parametrize(("order", "play", "version"), _programme())
async def test_play(any_stage: Stage, order: str, play: Play, version: str) -> None:
    """It comes to its end."""
    await play.act(any_stage)


@pytest.mark.parametrize("play", [pytest.param(play, id=play.name) for play in plays_of(faults)])
async def test_faults(stage: Stage, play: Play) -> None:
    """It comes to its end, whatever breaks."""
    await play.act(stage)


@pytest.mark.parametrize("play", [pytest.param(play, id=play.name) for play in plays_of(wide)])
async def test_three(wide_stage: Stage, play: Play) -> None:
    """It comes to its end."""
    await play.act(wide_stage)
