"""What is taken from the results of loadbench, and what Oriz wants to reach against Synapse.

A result of loadbench is found by its scenario and the beginning of its name, with `*` for counts in it. The column
"CPU ms/op" is that of `python -m loadbench.table`: server, database and what was put off until after the answer.
"""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

ENGINES = {"sqlite": "SQLite", "postgres": "PostgreSQL"}
CPU, P50, READY, MEMORY = "cpu_ms", "p50_ms", "ready_s", "rss_mib"
IDLE_CPU, IDLE_MEMORY = "idle_ms_per_s", "idle_mib"
OTHER_CORES = "other_cores"
P99, SYNC_S = "p99_ms", "sync_s"
LOST = "never_arrived"

STARTUP, FEDERATION = "startup", "federation"
AFTERWARDS = "afterwards"
"""Not a scenario of loadbench: the server's memory when all of them are through."""


class Measure(NamedTuple):
    """One line of the tables.

    key: its name in results.json; title: for people; scenario and prefix: where loadbench tells it; last: of several
    results with this prefix the last one counts; figure: which of the figures the goal is about; goals: how many times
    less than Synapse, on SQLite and on PostgreSQL.
    """

    key: str
    title: str
    scenario: str
    prefix: str
    last: bool = False
    figure: str = CPU
    goals: tuple[float, float] | None = None

    def goal(self, engine: str) -> float | None:
        """The goal on one engine."""
        return None if self.goals is None else self.goals[list(ENGINES).index(engine)]


JOIN = "join public room sequentially"
OPERATIONS = (
    Measure("create_room", "Create a room", "create_room", "create_room", goals=(15, 20)),
    Measure("send_one", "Send, one after the other", "send_one", "send_one"),
    Measure("send_many", "Send, 50 rooms at once", "send_many", "send_many", goals=(15, 20)),
    Measure("send_hot", "Send, 32 at once into one room", "send_many", "send_hot", goals=(15, 20)),
    Measure("send_large", "Send in a room of 1,000", "join", "send in the", goals=(80, 60)),
    Measure("fanout", "Tell 200 who wait", "fanout", "fanout", goals=(15, 20)),
    Measure("send_to_sync", "From sending to the other's sync", "send_to_sync", "send_to_sync", False, P50, (6, 8)),
    Measure("join_first", "Join, members 1 to 100", "join", JOIN),
    Measure("join_last", "Join, members 901 to 1,000", "join", JOIN, last=True, goals=(15, 15)),
    Measure("messages", "A page of 100 messages", "messages", "messages backwards", goals=(15, 5)),
    Measure("initial_sync", "First sync of 100 rooms", "initial_sync", "initial_sync /sync", goals=(12, 15)),
    Measure("nothing_new", "Sync with nothing new", "initial_sync", "incremental sync, nothing new", goals=(5, 3)),
)
START = Measure("start", "Start to first answer", STARTUP, "startup", figure=READY, goals=(3, 3))
MEMORY_AT_START = Measure("memory_at_start", "Memory 5 s after the start", STARTUP, "startup", False, MEMORY, (2, 2))
MEMORY_AT_END = Measure("memory_at_end", "Memory after all scenarios", AFTERWARDS, AFTERWARDS, False, MEMORY, (4, 4))
IDLE = Measure("idle", "500 who wait", "idle", "idle: ", figure=IDLE_CPU)
BESIDE = Measure("beside", "Messages beside a first sync of 2,000 rooms", "beside", "", figure=P99)
"""Not of loadbench: tests/support/bench/beside.py."""
JOIN_ELSEWHERE = Measure(
    "federation_join",
    "Join a room of 1,000 on the other server",
    FEDERATION,
    "federation: join a",
    last=True,
    goals=(5, 5),
)
AFTER_JOIN = Measure(
    "federation_after", "That join until both are idle", FEDERATION, "federation: work after the", last=True
)
"""What both servers burn from the beginning of the join on: in `figures` it takes the place of what they burn until the
answer."""
BETWEEN = (
    JOIN_ELSEWHERE,
    Measure(
        "federation_stream",
        "Message to the other server, 8 at once, 2 members",
        FEDERATION,
        "federation: * messages A to B, 2-member",
        goals=(30, 30),
    ),
    Measure(
        "federation_large",
        "Message to the other server, 8 at once, 1,000 members",
        FEDERATION,
        "federation: * messages A to B",
        last=True,
        goals=(30, 30),
    ),
    Measure(
        "federation_one",
        "Message to the other server's sync, one at a time",
        FEDERATION,
        "federation: message A to B, 2-member",
    ),
)
"""Between two servers of one kind; CPU is that of both."""
ALL = (*OPERATIONS, START, MEMORY_AT_START, MEMORY_AT_END, IDLE, *BETWEEN, AFTER_JOIN)

SCENARIOS = tuple(dict.fromkeys(measure.scenario for measure in ALL if measure.scenario != AFTERWARDS))
"""What a whole run consists of, in order."""

FIELDS = {P50: P50, READY: READY, MEMORY: MEMORY, OTHER_CORES: OTHER_CORES}
FIELDS |= {IDLE_CPU: "cpu_ms_per_second", IDLE_MEMORY: "rss_growth_mib", LOST: "never_arrived"}


def figures(scenario: str, results: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """The figures of each measure that a scenario's results hold; what failed or was skipped is not there."""
    found = {}
    for measure in ALL:
        named = [each for each in results if fnmatchcase(each["name"], f"{measure.prefix}*")]
        if measure.scenario != scenario:
            continue
        if named and not {"failed", "skipped"} & named[0].keys():
            found[measure.key] = _figures(named[-1 if measure.last else 0])
    if JOIN_ELSEWHERE.key in found:
        found[JOIN_ELSEWHERE.key] |= found.pop(AFTER_JOIN.key, {})
    return found


def _figures(result: Mapping[str, Any]) -> dict[str, float]:
    found = {name: float(result[field]) for name, field in FIELDS.items() if field in result}
    if "total_cpu_ms_per_op" in result:
        found[CPU] = result["total_cpu_ms_per_op"] + result["deferred_cpu_ms_per_op"]
    elif "cpu_ms_per_op_b" in result:
        found[CPU] = result["cpu_ms_per_op_a"] + result["cpu_ms_per_op_b"]
    return found
