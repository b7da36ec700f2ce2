"""User-interactive authentication with flows of several stages, of which the API has none yet."""

from collections.abc import Mapping
from typing import Any

import pytest

from oriz_matrix.base.clock import FakeClock
from oriz_matrix.base.ids import Ids
from oriz_matrix.protocol.errors import BadJson, Forbidden
from oriz_matrix.services.accounts.interactive import (
    DUMMY,
    AuthenticationRequired,
    Interactive,
    Proof,
    Request,
    dummy,
    use_up,
)
from oriz_matrix.storage.database import Database

WORD = "org.example.word"
FLOWS = ((WORD, DUMMY), (DUMMY, WORD, WORD + "2"))
WISH = Request({"username": "alice"}, {"hash": "x"})
NOTHING = Request()


async def word(credentials: Mapping[str, Any]) -> None:
    """A stage that wants to hear the magic word."""
    if credentials.get("word") != "please":
        raise Forbidden("That is not the word")


@pytest.fixture
def interactive(database: Database, clock: FakeClock, ids: Ids) -> Interactive:
    """With two stages."""
    return Interactive(database, clock, ids, {DUMMY: dummy, WORD: word})


async def required(interactive: Interactive, request: Request, auth: dict[str, Any] | None) -> dict[str, Any]:
    """What the client is told to do."""
    with pytest.raises(AuthenticationRequired) as raised:
        await interactive.prove("purpose", FLOWS, request, auth)
    return raised.value.body()


async def test_a_request_without_auth_learns_the_flows(interactive: Interactive) -> None:
    told = await required(interactive, WISH, None)
    assert told.keys() == {"flows", "params", "session"}
    assert [tuple(flow["stages"]) for flow in told["flows"]] == list(FLOWS)


async def test_a_flow_is_gone_through_stage_by_stage(interactive: Interactive) -> None:
    session = (await required(interactive, WISH, None))["session"]
    wrong = await required(interactive, WISH, {"session": session, "type": WORD, "word": "now"})
    assert (wrong["errcode"], wrong["error"], wrong["session"]) == ("M_FORBIDDEN", "That is not the word", session)
    half = await required(interactive, WISH, {"session": session, "type": WORD, "word": "please"})
    assert list(half["completed"]) == [WORD]
    assert "errcode" not in half
    assert list((await required(interactive, NOTHING, {"session": session}))["completed"]) == [WORD]
    proof = await interactive.prove("purpose", FLOWS, NOTHING, {"session": session, "type": DUMMY})
    assert proof == Proof("purpose", session, WISH)
    assert await interactive.prove("purpose", FLOWS, NOTHING, {"session": session}) == proof


async def test_stages_keep_their_order(interactive: Interactive) -> None:
    session = (await required(interactive, WISH, {"type": DUMMY}))["session"]
    wrong = await required(interactive, NOTHING, {"session": session, "type": DUMMY + "x"})
    assert wrong["errcode"] == "M_FORBIDDEN"
    assert list(wrong["completed"]) == [DUMMY]
    told = await required(interactive, NOTHING, {"session": session, "type": WORD, "word": "please"})
    assert list(told["completed"]) == [DUMMY, WORD]


async def test_parameters_are_bound_once_a_stage_is_done(interactive: Interactive) -> None:
    session = (await required(interactive, NOTHING, None))["session"]
    await required(interactive, WISH, {"session": session, "type": WORD, "word": "please"})
    other = Request({"username": "mallory"})
    with pytest.raises(Forbidden):
        await interactive.prove("purpose", FLOWS, other, {"session": session, "type": DUMMY})
    proof = await interactive.prove("purpose", FLOWS, WISH, {"session": session, "type": DUMMY})
    assert proof.request == WISH


async def test_a_session_serves_its_purpose_alone(interactive: Interactive) -> None:
    session = (await required(interactive, WISH, {"type": WORD, "word": "please"}))["session"]
    with pytest.raises(AuthenticationRequired) as raised:
        await interactive.prove("other purpose", FLOWS, WISH, {"session": session, "type": DUMMY})
    told = raised.value.body()
    assert told["session"] != session
    assert told["errcode"] == "M_FORBIDDEN"
    assert "completed" not in told


async def test_a_session_ends_after_half_an_hour(interactive: Interactive, clock: FakeClock) -> None:
    session = (await required(interactive, WISH, None))["session"]
    await clock.advance(1799)
    assert (await required(interactive, NOTHING, {"session": session}))["session"] == session
    await clock.advance(1)
    assert (await required(interactive, NOTHING, {"session": session}))["session"] != session


async def test_a_proof_serves_once(interactive: Interactive, database: Database, clock: FakeClock) -> None:
    session = (await required(interactive, WISH, {"type": WORD, "word": "please"}))["session"]
    proof = await interactive.prove("purpose", FLOWS, NOTHING, {"session": session, "type": DUMMY})
    await database.write(use_up, proof, clock.now_ms())
    with pytest.raises(Forbidden):
        await database.write(use_up, proof, clock.now_ms())


@pytest.mark.parametrize("auth", [{"type": 1}, {"session": ["x"]}])
async def test_auth_of_a_wrong_shape_is_bad_json(interactive: Interactive, auth: dict[str, Any]) -> None:
    with pytest.raises(BadJson, match="auth"):
        await interactive.prove("purpose", FLOWS, WISH, auth)
