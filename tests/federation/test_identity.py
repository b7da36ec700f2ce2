"""Who a server is: its keys and its version, as another server finds them."""

from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import parse_published
from tests.plays.stage import Stage
from tests.support.peer.peer import V1, Peer


async def test_a_server_vouches_for_the_keys_of_another(stage: Stage) -> None:
    a, b = stage.nodes["a"], stage.nodes["b"]
    own = (await stage.federation("a", "/_matrix/key/v2/server"))["verify_keys"]
    answer = await stage.federation("b", f"/_matrix/key/v2/query/{a.name}")
    [vouched] = answer["server_keys"]
    assert parse_published(vouched, ServerName(a.name), 0)
    assert vouched["verify_keys"] == own
    assert set(vouched["signatures"]) == {a.name, b.name}


async def test_a_request_of_an_unknown_server_is_checked_by_its_keys(stage: Stage, zoe: Peer) -> None:
    answer = await zoe.ask(stage.nodes["a"].name, "GET", f"{V1}/make_join/%21none/{zoe.user('zoe')}")
    assert answer.status == 404
    assert [each.operation for each in zoe.asked] == ["keys"]
