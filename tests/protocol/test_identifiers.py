"""The grammar of identifiers."""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.errors import InvalidParam, InvalidUsername
from oriz_matrix.protocol.identifiers import (
    ServerName,
    domain_of,
    is_ip_literal,
    localpart_of,
    new_user_id,
    parse_event_id,
    parse_room_alias,
    parse_room_id,
    parse_server_name,
    parse_user_id,
    split_server_name,
)

SERVER_NAMES = {
    "matrix.org": ("matrix.org", None),
    "MATRIX.org:8888": ("MATRIX.org", 8888),
    "1.2.3.4": ("1.2.3.4", None),
    "1.2.3.4:1234": ("1.2.3.4", 1234),
    "[1234:5678::abcd]": ("[1234:5678::abcd]", None),
    "[1234:5678::abcd]:5678": ("[1234:5678::abcd]", 5678),
    "[::ffff:1.2.3.4]": ("[::ffff:1.2.3.4]", None),
    "localhost": ("localhost", None),
}
PARSERS = [parse_user_id, parse_room_id, parse_event_id, parse_room_alias, parse_server_name]


@pytest.mark.parametrize("name", SERVER_NAMES)
def test_trap_13_server_names_are_kept_as_they_are(name: str) -> None:
    assert parse_server_name(name, "server") == name
    assert split_server_name(name) == SERVER_NAMES[name]
    user_id = parse_user_id(f"@alice:{name}", "user_id")
    assert (localpart_of(user_id), domain_of(user_id)) == ("alice", name)


@pytest.mark.parametrize(
    "name",
    [
        "", ":", ":80", "a:", "a:123456", "a:8o", "a b", "a\0", "a\n", "ä.org", "a_b.org", "300.1.1.1", "[::1",
        "::1", "[::g]", "[1:2]", "[::1%eth0]", "user@host", "a/b", "x" * 256, None, 5,
    ],
)  # fmt: skip
def test_what_is_no_server_name_is_refused(name: object) -> None:
    with pytest.raises(InvalidParam, match="destination is not a valid server name"):
        parse_server_name(name, "destination")


@pytest.mark.parametrize("localpart", ["alice", "Alice.B=c-/+_", "", "日本", "a b", "\x01", "a@b!c#d$e"])
def test_historical_user_ids_are_accepted(localpart: str) -> None:
    assert localpart_of(parse_user_id(f"@{localpart}:x.org", "user_id")) == localpart


@pytest.mark.parametrize(
    "text", ["@a", "@a:", "a:x.org", "@a\0:x.org", "@a:b:c:d", "@:", "@", "", None, 1, "#a:x.org", "@\ud800:x"]
)
def test_what_is_no_user_id_is_refused_and_the_field_named(text: object) -> None:
    with pytest.raises(InvalidParam, match=r"^state_key "):
        parse_user_id(text, "state_key")


@pytest.mark.parametrize(
    "text", ["!abc:x.org", "!abc:x.org:80", "!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ", "!:x.org"]
)
def test_trap_13_room_ids_may_lack_a_domain(text: str) -> None:
    assert parse_room_id(text, "room_id") == text


def test_trap_13_without_a_domain_there_is_nothing_to_route_by() -> None:
    assert domain_of("!Nhcu5BS-UMnFX7hBVfVSoXiD7OgH6iRT-xyIuqDnpYQ") == ""


@pytest.mark.parametrize("text", ["!", "!a:", "!a:b c", "room", "!a\0b", "$a"])
def test_what_is_no_room_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidParam, match="room_id"):
        parse_room_id(text, "room_id")


def test_trap_11_event_ids_come_in_all_dialects() -> None:
    for text in (
        "$143:x.org",
        "$acR1l0raoZnm60CBwAVgqbZqoO/mYU81xysh1u7XcJk",
        "$Rqnc-F-dvnEYJTyHq_iKxU2bZ1CI92-kuZq3a5lr5Zg",
    ):
        assert parse_event_id(text, "event_id") == text


def test_aliases_need_a_domain() -> None:
    assert parse_room_alias("#räume & mehr:x.org", "alias") == "#räume & mehr:x.org"
    with pytest.raises(InvalidParam, match="alias"):
        parse_room_alias("#nowhere", "alias")


@pytest.mark.parametrize(
    ("parse", "sigil"), [(parse_user_id, "@"), (parse_room_id, "!"), (parse_event_id, "$"), (parse_room_alias, "#")]
)
def test_trap_29_the_limit_counts_bytes(parse: Callable[[object, str], str], sigil: str) -> None:
    longest = f"{sigil}{'é' * 125}:abc"
    assert len(longest.encode()) == 255
    assert parse(longest, "id") == longest
    with pytest.raises(InvalidParam, match="id is longer than 255 bytes"):
        parse(f"{longest}d", "id")


@given(st.text(st.characters()), st.sampled_from(PARSERS))
def test_any_text_is_parsed_or_refused(text: str, parse: Callable[[object, str], str]) -> None:
    with suppress(InvalidParam):
        assert parse(text, "field") == text


def test_new_users_have_names_of_the_narrow_grammar() -> None:
    home = ServerName("x.org")
    assert new_user_id("a.b_c=d-e/f+9", home) == "@a.b_c=d-e/f+9:x.org"
    assert len(new_user_id("a" * 248, home)) == 255
    for localpart in ("", "Alice", "a b", "é", "a:b", "a\n", "a" * 249):
        with pytest.raises(InvalidUsername):
            new_user_id(localpart, home)


@pytest.mark.parametrize(
    ("host", "literal"), [("1.2.3.4", True), ("[::1]", True), ("1.2.3", False), ("x.org", False), ("::1", False)]
)
def test_address_literals(host: str, literal: bool) -> None:
    assert is_ip_literal(host) is literal
