"""Canonical JSON and the strict parser, against the specification's examples and the reference package."""

from contextlib import suppress
from typing import Any

import pytest
from canonicaljson import encode_canonical_json
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.canonical import (
    MAX_INTEGER,
    MAX_NESTING,
    check_canonical,
    check_nesting,
    decode_strict,
    encode,
)
from oriz_matrix.protocol.errors import BadJson, NotJson

texts = st.text(st.characters(exclude_categories=["Cs"]))
scalars = st.none() | st.booleans() | st.integers() | texts | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=30)


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        ("{}", "{}"),
        ('{"one": 1, "two": "Two"}', '{"one":1,"two":"Two"}'),
        ('{"b": "2", "a": "1"}', '{"a":"1","b":"2"}'),
        ('{"a": "日本語"}', '{"a":"日本語"}'),
        ('{"本": 2, "日": 1}', '{"日":1,"本":2}'),
        (r'{"a": "\u65E5"}', '{"a":"日"}'),
        ('{"a": null}', '{"a":null}'),
        ('{"a": -0, "b": 1e10}', '{"a":0,"b":10000000000}'),
        ('{"x": {"z": [true, false], "y": []}}', '{"x":{"y":[],"z":[true,false]}}'),
    ],
)
def test_the_examples_of_the_specification(raw: str, canonical: str) -> None:
    assert encode(decode_strict(raw.encode())).decode() == canonical


@given(values)
def test_the_bytes_are_those_of_the_reference_package(value: Any) -> None:
    assert encode(value) == encode_canonical_json(value)


@given(values)
def test_what_is_written_reads_back_and_is_written_alike(value: Any) -> None:
    raw = encode(value)
    assert encode(decode_strict(raw)) == raw


@given(st.binary() | texts.map(str.encode))
def test_any_input_gives_a_value_or_an_error_for_the_sender(raw: bytes) -> None:
    with suppress(NotJson, BadJson):
        encode(decode_strict(raw))


def test_trap_01_only_what_the_grammar_lists_is_escaped_and_keys_sort_by_code_point() -> None:
    assert encode('\x7f\u2028/\x00\x1f\b\f\n\r\t"\\') == b'"\x7f\xe2\x80\xa8/\\u0000\\u001f\\b\\f\\n\\r\\t\\"\\\\"'
    assert encode({"\uffff": 1, "\U00010000": 2}) == '{"\uffff":1,"\U00010000":2}'.encode()


@pytest.mark.parametrize(
    "raw",
    [
        b"", b" ", b"NaN", b"Infinity", b"[-Infinity]", rb'"\ud800"', rb'"\udc00\ud800"', rb'{"\ud800": 1}', b'"\xff"',
        b'{"\xc3": 1}', b'"\xed\xa0\x80"', b"[1,]", b"{'a': 1}", b"{} {}", b"01", b"1.", b"+1", b'"\x00"',
        b"\xef\xbb\xbf{}",
    ],
)  # fmt: skip
def test_trap_01_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NotJson):
        decode_strict(raw)


@pytest.mark.parametrize("raw", [b"1e400", b"[-1e400]", b"1e999999999999", b"1" * 5000, b"1e" + b"9" * 5000])
def test_trap_01_numbers_beyond_all_range_are_refused(raw: bytes) -> None:
    with pytest.raises(BadJson):
        decode_strict(raw)


@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
def test_nesting_is_bounded_without_exhausting_the_stack(brackets: tuple[bytes, bytes]) -> None:
    left, right = brackets
    raw = left * (MAX_NESTING - 1) + b"[]" + right * (MAX_NESTING - 1)
    assert encode(decode_strict(raw)) == raw
    for depth in (MAX_NESTING, 2_000, 1_000_000):
        with pytest.raises(BadJson, match="nested"):
            decode_strict(left * depth + b"[]" + right * depth)


def test_many_brackets_side_by_side_are_not_nesting() -> None:
    value: Any = [{"a": [[]]}] * 100
    check_nesting(value, encode(value), 4)
    with pytest.raises(BadJson, match="deeper than 3"):
        check_nesting(value, encode(value), 3)


def test_trap_01_of_duplicate_keys_the_last_counts() -> None:
    assert decode_strict(b'{"a": 1, "a": 2}') == {"a": 2}


@pytest.mark.parametrize(
    ("raw", "canonical"),
    [
        (b"9007199254740993", b"9007199254740993"),
        (b"-123456789012345678901234567890", b"-123456789012345678901234567890"),
        (b"1e2", b"100"),
        (b"1E+2", b"100"),
        (b"123456789012345678901e2", b"12345678901234567890100"),
        (b"0e999999999", b"0"),
        (b"-0", b"0"),
        (b"100.0", b"100.0"),
        (b"1.5", b"1.5"),
        (b"1e+16", b"1e+16"),
        (b"1e-07", b"1e-07"),
        (b"1e-3", b"0.001"),
        (b"1.5e3", b"1500.0"),
    ],
)
def test_trap_02_numbers_keep_their_meaning_and_their_hash(raw: bytes, canonical: bytes) -> None:
    assert encode(decode_strict(raw)) == canonical


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "\ud800", {"\ud800": 1}])
def test_what_no_json_can_say_is_not_written(value: Any) -> None:
    with pytest.raises(ValueError, match=r"float|surrogates"):
        encode(value)


@pytest.mark.parametrize(
    "value", [MAX_INTEGER, -MAX_INTEGER, True, None, "1.5", {"a": [{"b": False}, [], {}, "", 0]}, "9" * 400]
)
def test_canonical_values_pass(value: Any) -> None:
    check_canonical(value)


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"content": {"list": [0, {"x": 1.0}]}}, r"content\.list\.1\.x is"),
        ({"depth": MAX_INTEGER + 1}, "depth is"),
        ([0, -MAX_INTEGER - 1], "1 is"),
        (1.5, "The value is"),
    ],
)
def test_trap_02_floats_and_big_integers_are_found_and_named(value: Any, path: str) -> None:
    with pytest.raises(BadJson, match=path):
        check_canonical(value)
