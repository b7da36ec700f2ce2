"""Plays for people who use matrix-js-sdk: `js/plays.mjs`, each given by a process of Node.js.

The library and the Node.js release that it needs are installed by `npm ci` in the folder `js`. Where that has not been
done, the plays are skipped; a machine that must not skip them says so by `ORIZ_TEST_JS=required`.
"""

import os
import subprocess
from pathlib import Path

import pytest

STAGE = Path(__file__).parent / "js"
NODE = STAGE / "node_modules" / ".bin" / "node"
PLAY_SECONDS = 60

PLAYS = [
    "an invitation shows who and where",
    "they talk both ways, in order, and once",
    "the room is called what Alice calls it",
    "Bob comes late and pages back to the beginning",
    "Alice takes a word back",
    "they see each other type",
    "they see each other read",
    "Bob leaves and is gone",
    "after the logout the token is worth nothing",
    "Alice takes another name and a time zone",
    "what Alice notes down is on all her devices",
    "a room has Alice's note and tag, and nobody else's",
    "whom Alice ignores she does not hear",
    "a push rule of Alice's own reaches her other device",
    "a room that Alice has muted does not count",
    "a mention highlights until it is read",
    "a thread is counted apart",
    "Alice marks how far she has read",
    "only who speaks is introduced",
    "a stored filter does what it says",
    "Bob comes in by the address",
    "Bob looks up who is there",
    "Bob is kicked and comes back",
    "a ban holds until it is lifted",
    "Bob knocks and is let in",
    "Bob takes his knock back",
    "Bob forgets the garden",
    "Bob looks around an event, and at a day",
    "a room that Bob has left shows what he saw",
    "the room moves, and Bob follows",
    "a logout everywhere ends what waits",
]

pytestmark = pytest.mark.skipif(
    not NODE.exists() and os.environ.get("ORIZ_TEST_JS") != "required",
    reason="matrix-js-sdk is not installed: run `npm ci` in tests/clients/js",
)


def test_no_play_is_forgotten() -> None:
    """The list above is the list of the script."""
    assert _node("plays.mjs").splitlines() == PLAYS


@pytest.mark.parametrize("play", PLAYS)
def test_play(server_url: str, play: str) -> None:
    """The play comes to its end; what Node.js asserts on the way is the test."""
    assert _node("plays.mjs", server_url, play).splitlines()[-1] == f"the end of: {play}"


def _node(*arguments: str) -> str:
    """What a script printed; when it fails, everything that it said."""
    done = subprocess.run(
        [str(NODE), *arguments], cwd=STAGE, capture_output=True, text=True, timeout=PLAY_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]
    return done.stdout
