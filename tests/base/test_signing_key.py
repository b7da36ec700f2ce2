"""The key file is private, is never overwritten, and can be read by whatever reads signedjson's form."""

from pathlib import Path

import pytest
from signedjson.key import get_verify_key, read_signing_keys
from signedjson.sign import verify_signed_json

from oriz_matrix.base.ids import Ids
from oriz_matrix.base.signing_key import create, read
from oriz_matrix.protocol.signing import sign_json


def test_a_new_key_is_private_and_reads_back(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    key = create(file, Ids())
    assert file.stat().st_mode & 0o777 == 0o600
    assert read(file).key_id == key.key_id
    with pytest.raises(FileExistsError):
        create(file, Ids())
    assert read(file).verify_key.to_base64() == key.verify_key.to_base64()


def test_signedjson_reads_the_file(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    key = create(file, Ids())
    with file.open() as lines:
        (theirs,) = read_signing_keys(lines)
    verify_signed_json(sign_json({"a": 1}, "example.org", key), "example.org", get_verify_key(theirs))


def test_a_file_without_a_key_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "signing.key"
    for text in ("", "ed25519 a_b", "rsa a_b c", "ed25519 a_b c2hvcnQ", "ed25519 a-b c2hvcnQ"):
        file.write_text(text)
        with pytest.raises(ValueError, match=r"."):
            read(file)
