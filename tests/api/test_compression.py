"""The answers that grow are compressed by default, and are the same in every form."""

import json
from pathlib import Path

import pytest

from tests.support.codings import DECODERS
from tests.support.in_process import homeserver, open_config


@pytest.mark.parametrize("coding", DECODERS)
async def test_a_first_sync_is_compressed(tmp_path: Path, coding: str) -> None:
    async with homeserver(open_config(tmp_path, None)) as server:
        alice = await server.person("alice")
        for number in range(5):
            assert (await server.ask("POST", "/v3/createRoom", {"name": f"Room {number}"}, by=alice)).status == 200
        bodies = []
        for accepted in (coding, "identity"):
            headers = {"Authorization": f"Bearer {alice.token}", "Accept-Encoding": accepted}
            path = "/_matrix/client/v3/sync"
            response = await server.http.get(path, headers=headers, auto_decompress=False)
            body = await response.read()
            assert response.headers.get("Content-Encoding", "identity") == accepted
            bodies.append(body)
        assert len(bodies[0]) < len(bodies[1]) / 2
        compressed, plain = json.loads(DECODERS[coding](bodies[0])), json.loads(bodies[1])
        assert compressed["rooms"]["join"].keys() == plain["rooms"]["join"].keys()
        assert compressed["next_batch"] == plain["next_batch"]
