"""Names and secrets have the form that others rely on, differ, and repeat only with a seeded source."""

import random
import re

import pytest

from oriz_matrix.base.ids import Ids

FORMS = {
    "access_token": r"oat_[A-Za-z0-9_-]{43}",
    "refresh_token": r"ort_[A-Za-z0-9_-]{43}",
    "device_id": r"[A-Z]{10}",
    "room_opaque": r"[A-Za-z]{18}",
    "localpart": r"[0-9]{12}",
    "session_id": r"[A-Za-z]{24}",
    "nonce": r"[0-9a-f]{64}",
    "request_id": r"[a-z0-9]{8}",
    "key_version": r"a_[A-Za-z]{6}",
}


@pytest.mark.parametrize(("kind", "form"), FORMS.items())
def test_each_kind_has_its_form_and_does_not_repeat(kind: str, form: str) -> None:
    ids = Ids()
    made = {getattr(ids, kind)() for _ in range(50)}
    assert len(made) == 50
    assert all(re.fullmatch(form, each) for each in made)


def test_a_seeded_source_repeats() -> None:
    one, other = (Ids(random.Random(7)) for _ in range(2))
    assert [one.access_token(), one.device_id()] == [other.access_token(), other.device_id()]
    assert len(one.key_seed()) == 32
