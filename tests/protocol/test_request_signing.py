"""X-Matrix: what is signed, and every spelling of the header."""

import json
from typing import Any

import pytest
import signedjson.key
import signedjson.sign
from hypothesis import given
from hypothesis import strategies as st

from oriz_matrix.protocol.canonical import encode
from oriz_matrix.protocol.errors import InvalidParam, Unauthorized
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.request_signing import Credentials, SignedRequest, authorization, parse_authorization, verify
from oriz_matrix.protocol.signing import SigningKey, VerifyKey

KEY = SigningKey("a_1", b"k" * 32)
OTHER = SigningKey("a_2", b"o" * 32)
US, THEM = ServerName("us.org"), ServerName("[::1]:8448")
GOOD = Credentials(ServerName("a.org:8448"), "b.org", "ed25519:k_1", "Si+g/")
texts = st.text(st.characters(exclude_categories=["Cs"]))
contents = st.none() | st.dictionaries(texts, st.none() | st.integers() | st.floats(0.1, 0.9) | texts)


def request(content: object = None, uri: str = "/_matrix/x?a=%20") -> SignedRequest:
    body = None if content is None else encode(content)
    return SignedRequest(method="PUT", uri=uri, origin=US, destination=THEM, content=body)


def known(*keys: SigningKey) -> Any:
    by_id = {key.key_id: key.verify_key for key in keys}
    return lambda server, key_id: by_id.get(key_id) if server == US else None


@given(contents)
def test_what_is_signed_is_what_the_specification_shows(content: Any) -> None:
    theirs: dict[str, Any] = {"method": "PUT", "uri": "/_matrix/x?a=%20", "origin": US, "destination": THEM}
    if content is not None:
        theirs["content"] = content
    key = signedjson.key.decode_signing_key_base64("ed25519", "a_1", KEY.to_text().split()[2])
    signature = signedjson.sign.sign_json(theirs, US, key)["signatures"][US]["ed25519:a_1"]
    expected = f'X-Matrix origin="us.org",destination="[::1]:8448",key="ed25519:a_1",sig="{signature}"'
    assert authorization(request(content), KEY) == expected


@given(contents)
def test_a_signature_holds_for_the_request_and_no_other(content: Any) -> None:
    said = parse_authorization([authorization(request(content), KEY)])
    assert verify(request(content), said, known(KEY))
    assert not verify(request({"other": content}), said, known(KEY))
    assert not verify(request(content, "/_matrix/x"), said, known(KEY))
    assert not verify(request(content), said, known())


def test_an_empty_body_is_another_than_none() -> None:
    said = parse_authorization([authorization(request({}), KEY)])
    assert not verify(request(None), said, known(KEY))


def test_a_target_that_is_not_unicode_was_signed_by_nobody() -> None:
    said = parse_authorization([authorization(request(), KEY)])
    assert not verify(request(uri="/\udcff"), said, known(KEY))


def test_of_several_headers_one_known_key_is_needed_and_no_known_one_may_be_wrong() -> None:
    headers = [authorization(request(), key) for key in (KEY, OTHER)]
    said = parse_authorization(headers)
    assert [each.key_id for each in said] == [KEY.key_id, OTHER.key_id]
    assert verify(request(), said, known(KEY, OTHER))
    assert verify(request(), said, known(OTHER))
    wrong = {KEY.key_id: OTHER.verify_key, OTHER.key_id: OTHER.verify_key}
    assert not verify(request(), said, lambda _, key_id: wrong[key_id])


@pytest.mark.parametrize(
    "header",
    [
        'X-Matrix origin="a.org:8448",destination="b.org",key="ed25519:k_1",sig="Si+g/"',
        "X-Matrix origin=a.org:8448,destination=b.org,key=ed25519:k_1,sig=Si+g/",
        'x-matrix   ORIGIN="a.org:8448", Destination=b.org\t,\tkey="ed25519:k_1" ,Sig="Si+g/"',
        'X-Matrix sig="Si+g/",key="ed25519:k_1",destination="b.org",origin="a.org:8448"',
        r'X-Matrix origin="a\.org\:8448",destination="b.\org",key="\ed25519:k_1",sig="Si+\g/"',
        'X-Matrix origin="a.org:8448",destination="b.org",key="ed25519:k_1",signature="Si+g/"',
        'X-Matrix origin="a.org:8448",destination="b.org",key="ed25519:k_1",sig="Si+g/",new="a,b=\\"c\\"",x-y=z',
        'X-Matrix ,origin = "a.org:8448" ,, destination= b.org,key ="ed25519:k_1",sig="Si+g/",',
    ],
)
def test_trap_12_all_spellings_say_the_same(header: str) -> None:
    assert parse_authorization(["Bearer token", header]) == [GOOD]


def test_trap_12_old_servers_do_not_say_for_whom() -> None:
    (said,) = parse_authorization(["X-Matrix origin=a.org,key=ed25519:1,sig=x"])
    assert said.destination is None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        ["Bearer token"],
        ["X-Matrix"],
        ["X-Matrix "],
        ["X-Matrix origin=a.org"],
        ["X-Matrixorigin=a.org,key=ed25519:1,sig=x"],
        ["X-Matrix origin=a.org,key=ed25519:1,sig="],
        ['X-Matrix origin=a.org,key=ed25519:1,sig=""'],
        ["X-Matrix origin=a.org,key=rsa:1,sig=x"],
        ["X-Matrix key=ed25519:1,sig=x"],
        ["X-Matrix origin=a b,key=ed25519:1,sig=x"],
        ['X-Matrix origin="",key=ed25519:1,sig=x'],
        ["X-Matrix origin=a.org;key=ed25519:1;sig=x"],
        ['X-Matrix origin="a.org,key=ed25519:1,sig=x'],
        ['X-Matrix origin=a.org,key=ed25519:1,sig="x\\'],
        ["X-Matrix origin=a.org,origin=b.org,key=ed25519:1,sig=x"],
        ["X-Matrix origin=a.org,Origin=a.org,key=ed25519:1,sig=x"],
        ["X-Matrix origin=a.org,key=ed25519:1,sig=x", "X-Matrix origin=b.org,key=ed25519:1,sig=x"],
        ["X-Matrix origin=a.org,key=ed25519:1,sig=x", "X-Matrix origin=a.org,key=ed25519:1,sig=x,destination=c"],
        ["X-Matrix origin=a.org,key=ed25519:1,sig=x\udcff\n,="],
    ],
)
def test_what_is_no_signature_is_unauthorized(headers: list[str]) -> None:
    with pytest.raises(Unauthorized):
        parse_authorization(headers)


@pytest.mark.parametrize("origin", ['"a/b"', "é.org", "a.org:http", "a.org:", "[::1", "-" * 300])
def test_who_is_no_server_gives_a_wrong_parameter(origin: str) -> None:
    with pytest.raises(InvalidParam):
        parse_authorization([f"X-Matrix origin={origin},key=ed25519:1,sig=x"])


@given(st.text())
def test_no_header_does_harm(text: str) -> None:
    for header in (text, f"X-Matrix {text}", f"X-Matrix origin=a.org,key=ed25519:1,sig=x,{text}"):
        try:
            said = parse_authorization([header])
        except (Unauthorized, InvalidParam):
            continue
        assert not verify(request(), said, lambda *_: KEY.verify_key)


def test_long_headers_take_no_time() -> None:
    for part in ("a=", 'a="', "a= ", ", ", "\\", 'a="\\'):
        with pytest.raises(Unauthorized):
            parse_authorization(["X-Matrix " + part * 50_000 + "!"])


def test_a_key_is_found_by_its_bytes() -> None:
    assert bytes(VerifyKey(bytes(KEY.verify_key))) == bytes(KEY.verify_key)
    assert json.loads(request({"a": 1}).signed_bytes())["content"] == {"a": 1}
