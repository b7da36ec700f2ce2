"""Names and pictures of people of other servers."""

from tests.plays.person import Person
from tests.plays.stage import Stage, agree
from tests.support.people import refused, segment


async def _profile(person: Person, of: str, field: str = "") -> object:
    return await person.request("GET", f"/v3/profile/{segment(of)}{field}")


async def bob_sees_alice_change_her_name(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    room = await stage.shared_room(alice, bob)
    await alice.request("PUT", f"/v3/profile/{segment(alice.id)}/displayname", {"displayname": "Alice B."})
    await bob.sees(
        lambda: bob.room(room).content("m.room.member", alice.id).get("displayname") == "Alice B.", "her new name"
    )
    await agree(room, alice, bob)


async def bob_looks_alice_up(stage: Stage) -> None:
    """They share no room."""
    alice, bob = await stage.people("alice", "bob")
    await alice.request("PUT", f"/v3/profile/{segment(alice.id)}/displayname", {"displayname": "Alice B."})
    found = await _profile(bob, alice.id)
    assert isinstance(found, dict)
    assert found["displayname"] == "Alice B."
    assert await _profile(bob, alice.id, "/displayname") == {"displayname": "Alice B."}
    with refused(404, "M_NOT_FOUND"):
        await _profile(bob, f"@nobody-{stage.play}:{alice.at}")


async def a_name_comes_along_when_one_joins(stage: Stage) -> None:
    alice, bob = await stage.people("alice", "bob")
    await bob.request("PUT", f"/v3/profile/{segment(bob.id)}/displayname", {"displayname": "Bob B."})
    room = await stage.shared_room(alice, bob)
    assert alice.room(room).content("m.room.member", bob.id)["displayname"] == "Bob B."
