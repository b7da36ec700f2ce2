"""Oriz and Synapse give all the plays, each in turn as the first server."""

import pytest

from oriz_matrix.protocol.room_versions import ROOM_VERSIONS
from tests.interop.pairs import PAIRS
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
)
from tests.plays.catalogue import Play, in_versions, plays_of
from tests.plays.stage import Stage

WITH_FAULTS = (
    faults.they_talk_on_through_a_cut,
    faults.what_the_network_swallows_comes_late,
    faults.trap_21_a_ban_during_a_cut_holds_afterwards,
    faults.trap_22_who_lost_power_during_a_cut_changed_nothing,
    faults.trap_31_what_waits_to_be_sent_survives_a_restart,
    faults.trap_31_much_was_said_while_bobs_server_was_down,
    faults.an_invite_is_turned_down_though_nobody_hears_it,
)
"""The plays of faults that are given; each start of a Synapse takes seconds."""

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
SHORT = [play for play in PLAYS if play.act is joining.bob_joins_talks_and_leaves]
OTHERS = [version for version in ROOM_VERSIONS if version not in IN_FULL]
FAULTS = [play for play in plays_of(faults) if play.act in WITH_FAULTS]
CHOSEN = [
    *in_versions(PLAYS, IN_FULL),
    *in_versions(SHORT, OTHERS),
    *in_versions([*plays_of(devices), *FAULTS], ["12"]),
]


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
