"""Who may see an event: the rules of history visibility, for users and for servers."""

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.event_contents import VISIBILITIES
from oriz_matrix.protocol.visibility import STRICTEST, Sight, visible, visible_around, visible_to_server

MEMBERSHIPS = [None, "invite", "join", "knock", "leave", "ban"]


@pytest.mark.parametrize("joins_later", [False, True])
@pytest.mark.parametrize("membership", MEMBERSHIPS)
@pytest.mark.parametrize("visibility", sorted(VISIBILITIES))
def test_the_five_rules(visibility: str, membership: str | None, joins_later: bool) -> None:
    expected = {
        "world_readable": True,
        "shared": membership == "join" or joins_later,
        "invited": membership in ("join", "invite"),
        "joined": membership == "join",
    }[visibility]
    assert visible(visibility, membership, joins_later=joins_later) is expected


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("world_readable", "joined", True),
        ("joined", "world_readable", True),
        ("shared", "joined", False),
    ],
)
def test_trap_46_a_change_of_visibility_is_judged_by_the_more_open_value(
    before: str, after: str, expected: bool
) -> None:
    assert visible_around([before, after], [None], joins_later=False) is expected
    sight = Sight([(1, before), (5, after)], [])
    assert sight.sees(5) is expected


def test_trap_46_a_user_sees_their_own_join_and_their_own_leave_even_in_rooms_for_members_only() -> None:
    sight = Sight([(0, "joined")], [(3, "join"), (7, "leave")])
    assert [sight.sees(at) for at in range(1, 10)] == [False, False, True, True, True, True, True, False, False]


def test_trap_44_nothing_after_the_stay_is_seen_though_history_is_shared() -> None:
    sight = Sight([(1, "shared")], [(3, "join"), (7, "ban")])
    assert [at for at in range(1, 10) if sight.sees(at)] == [1, 2, 3, 4, 5, 6, 7]


def test_who_comes_back_sees_what_was_shared_meanwhile() -> None:
    sight = Sight([(1, "shared")], [(3, "join"), (5, "leave"), (9, "join")])
    assert all(sight.sees(at) for at in range(1, 12))


def test_invited_history_starts_with_the_invite() -> None:
    sight = Sight([(0, "invited")], [(4, "invite"), (6, "join")])
    assert [at for at in range(1, 9) if sight.sees(at)] == [4, 5, 6, 7, 8]


def test_history_is_shared_in_a_room_that_does_not_say() -> None:
    assert Sight([], [(5, "join")]).sees(1)
    assert not Sight([], []).sees(1)


def test_unknown_state_takes_the_strictest() -> None:
    assert STRICTEST in VISIBILITIES
    assert not visible(STRICTEST, None, joins_later=True)


@given(
    visibility=st.lists(st.sampled_from(sorted(VISIBILITIES)), max_size=4),
    membership=st.lists(st.sampled_from(MEMBERSHIPS[1:]), max_size=6),
    data=st.data(),
)
def test_the_interval_form_is_the_plain_rule_event_by_event(
    visibility: list[str], membership: list[str], data: st.DataObject
) -> None:
    places = data.draw(st.permutations(range(1, 12)))
    changes = sorted(zip(places, visibility, strict=False))
    stays = sorted(zip(places[::-1], membership, strict=False))
    sight = Sight(changes, stays)
    for position in range(13):
        expected = any(
            visible(v, m, joins_later=any(at > position and value == "join" for at, value in stays))
            for v, m in itertools.product(
                {_value(changes, position, "shared"), _value(changes, position + 1, "shared")},
                {_value(stays, position, None), _value(stays, position + 1, None)},
            )
        )
        assert sight.sees(position) is expected


def _value(changes: list[tuple[int, str]], before: int, default: Any) -> Any:
    return next((value for at, value in reversed(changes) if at < before), default)


def test_trap_30_a_server_gets_what_any_of_its_users_may_see() -> None:
    assert visible_to_server(["joined"], ["leave", "join"], joins_later=False)
    assert not visible_to_server(["joined"], ["leave", "invite"], joins_later=True)
    assert visible_to_server(["invited"], ["leave", "invite"], joins_later=False)
    assert visible_to_server(["world_readable"], [], joins_later=False)
    assert visible_to_server(["shared"], [], joins_later=True)
    assert not visible_to_server(["shared"], [], joins_later=False)
