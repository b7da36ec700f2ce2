"""Sync and page tokens: text ↔ value."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.errors import InvalidParam
from oriz_matrix.protocol.tokens import PageToken, SyncToken, before, parse_page, parse_sync

POSITIONS = st.integers(0, 2**63 - 1)
BACKS = st.integers(-(2**63) + 1, 0)

NONSENSE = [
    "",
    "s",
    "t",
    "5",
    "x5",
    "s5 ",
    " s5",
    "s5\n",
    "S5",
    "s-5",
    "s+5",
    "s1_000",
    "s٥",
    "s５",
    "s9223372036854775808",
    "s" + "9" * 5000,
    "s5_",
    "s5_d",
    "s5_d-1",
    "s5_d٣",
    "s5_d9223372036854775808",
    "s5_d1_d2",
    "s5__d1",
    "s5_x\u00e9",
]


@given(POSITIONS, st.none() | POSITIONS)
def test_sync_tokens_survive_the_way_through_text(position: int, to_device: int | None) -> None:
    token = SyncToken(position, to_device)
    assert parse_sync(str(token)) == token


@given(POSITIONS, BACKS)
def test_page_tokens_survive_the_way_through_text(position: int, back: int) -> None:
    token = PageToken(position, back)
    assert parse_page(str(token)) == token


def test_the_text_of_tokens() -> None:
    assert str(SyncToken(7)) == "s7"
    assert str(SyncToken(7, 0)) == "s7_d0"
    assert str(PageToken(7)) == "t7"
    assert str(PageToken(7, -2)) == "t7_b-2"


@pytest.mark.parametrize("text", NONSENSE)
def test_what_is_no_sync_token_is_an_invalid_parameter(text: str) -> None:
    with pytest.raises(InvalidParam, match="since"):
        parse_sync(text)


@pytest.mark.parametrize("text", [*NONSENSE[:20], "t5_b", "t5_b--1", "t5_b+1", "t5_b9223372036854775808", "t5_b1_b1"])
def test_what_is_no_page_token_is_an_invalid_parameter(text: str) -> None:
    with pytest.raises(InvalidParam, match="from"):
        parse_page(text)


@given(st.text())
def test_any_text_is_a_token_or_an_invalid_parameter(text: str) -> None:
    for parse in (parse_sync, parse_page):
        with contextlib.suppress(InvalidParam):
            assert parse(text).position >= 0


def test_the_error_names_the_parameter() -> None:
    with pytest.raises(InvalidParam, match=r"^to: "):
        parse_page("nonsense", "to")


def test_unknown_parts_of_newer_versions_are_ignored() -> None:
    assert parse_sync("s5_x1.a_d3_zz") == SyncToken(5, 3)
    assert parse_sync("s5_b-3") == SyncToken(5)
    assert parse_page("t5_q_b-1") == PageToken(5, -1)


def test_a_page_token_is_no_sync_token() -> None:
    with pytest.raises(InvalidParam):
        parse_sync("t5")


def test_a_next_batch_is_a_valid_from() -> None:
    assert parse_page("s5_d3") == PageToken(5, 0)


def test_trap_49_the_place_before_an_event_lies_before_it_and_after_its_elders() -> None:
    place = before(5, 0)
    assert place < PageToken(5, 0)
    assert PageToken(5, -1) <= place
    assert PageToken(4, 0) < before(5, -3) < PageToken(5, -3)
    assert parse_page(str(place)) == place
