"""Who a server is: its keys and its version, as another server finds them."""

from oriz_matrix import __version__
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.server_keys import parse_published
from tests.plays.stage import Stage
from tests.support.peer.peer import V1


async def test_a_server_vouches_for_the_keys_of_another(stage: Stage) -> None:
    a, b = stage.nodes["a"], stage.nodes["b"]
    own = (await stage.federation("a", "/_matrix/key/v2/server"))["verify_keys"]
    answer = await stage.federation("b", f"/_matrix/key/v2/query/{a.name}")
    [vouched] = answer["server_keys"]
    assert parse_published(vouched, ServerName(a.name), 0)
    assert vouched["verify_keys"] == own
    assert set(vouched["signatures"]) == {a.name, b.name}


async def test_servers_tell_their_version(stage: Stage) -> None:
    for letter in "ab":
        answer = await stage.federation(letter, f"{V1}/version")
        assert answer == {"server": {"name": "Oriz", "version": __version__}}
