"""An operator can see which events of other servers are shown to nobody, and why."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.plays.stage import Stage
from tests.support.nodes.oriz import OrizNode
from tests.support.peer.peer import Peer


async def test_what_was_refused_is_explained(stage: Stage, zoe: Peer) -> None:
    alice = await stage.person("alice")
    room = zoe.host("11", "zoe")
    await alice.join(room.room_id, via=[zoe.name])
    forbidden = room.make(zoe.user("mallory"), "m.room.message", {"body": "let me in"}, keep=False)
    await zoe.send(alice.at, forbidden)
    await zoe.send(alice.at, room.say(zoe.user("zoe"), "good evening"))
    await alice.hears(room.room_id, "good evening")
    node = stage.nodes["a"]
    assert isinstance(node, OrizNode)
    oriz = Path(sys.executable).with_name("oriz")
    command: list[str | Path] = [oriz, "rooms", "show", room.room_id, "--config", node.config, "--json"]
    shown = await asyncio.to_thread(lambda: subprocess.run(command, capture_output=True, check=True))
    [refused] = json.loads(shown.stdout)["refused"]
    assert (refused["event_id"], refused["fate"]) == (forbidden.event_id, "rejected")
    assert "not in the room" in refused["reason"] or "not joined" in refused["reason"], refused
