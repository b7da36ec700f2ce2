"""Oriz and Synapse give all the plays, each in turn as the first server."""

import pytest

from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.interop.pairs import PAIRS
from tests.plays import (
    acl,
    ephemeral,
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
)
from tests.plays.catalogue import Play, in_versions, plays_of
from tests.plays.stage import Stage

PLAYS = plays_of(
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
)


IN_FULL = ("10", "11", "12")
SHORT = [play for play in PLAYS if play.name == "joining.bob_joins_talks_and_leaves"]
OTHERS = [version for version in ROOM_VERSIONS if version not in IN_FULL]
CHOSEN = [*in_versions(PLAYS, IN_FULL), *in_versions(SHORT, OTHERS)]


def _programme() -> list[object]:
    return [
        pytest.param(pair, play, version, id=f"{pair}-{play.name}-v{version}")
        for pair in PAIRS
        for play, version in CHOSEN
        if play.suits(dict(zip("ab", pair.split("-"), strict=True)))
    ]


@pytest.mark.parametrize(("pair", "play", "version"), _programme())
async def test_play(stage: Stage, pair: str, play: Play, version: str) -> None:
    """It comes to its end."""
    await play.act(stage)
