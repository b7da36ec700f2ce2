"""What a server tells of its rooms to another that has nobody in them yet."""

from tests.plays.stage import Stage
from tests.support.peer.peer import V1, Peer
from tests.support.people import segment


async def test_an_invited_server_sees_the_room(stage: Stage, zoe: Peer) -> None:
    alice = await stage.person("alice")
    room = await stage.private_room(alice, name="Safe")
    path = f"{V1}/hierarchy/{segment(room)}"
    assert (await zoe.ask(alice.at, "GET", path)).status == 404
    await alice.in_room(room, "POST", "invite", {"user_id": zoe.user("zoe")})
    told = await zoe.good(alice.at, "GET", path)
    assert told["room"]["name"] == "Safe"
