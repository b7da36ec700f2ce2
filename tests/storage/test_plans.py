"""No statement of a request reads a whole table: what is sent is recorded, and explained on a large database.

Nobody keeps the list of statements: an ordinary day on a server is recorded.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from oriz_matrix.base.config.model import Config
from oriz_matrix.services.accounts.sessions import hash_token
from oriz_matrix.storage import append, interning, membership, openid, resolution, room_state, rooms, timeline
from oriz_matrix.storage.caches import Caches, StateAt
from oriz_matrix.storage.dialects import Dialect, Session
from oriz_matrix.storage.dialects.postgresql import Postgres
from oriz_matrix.storage.dialects.sqlite import Sqlite, SqliteConnection
from oriz_matrix.storage.new_events import NewEvent
from oriz_matrix.storage.transaction import Transaction
from tests.storage import asking, devices, recording, seeding
from tests.storage.recording import Recording, recorded, whole_reads
from tests.storage.talk import ALICE, VERSION, event, member
from tests.support.databases import Databases
from tests.support.homeserver import Home, User
from tests.support.in_process import SERVER_NAME, open_config
from tests.support.stores import ENGINES, new_dialect, schema_template


class Town(NamedTuple):
    """A large database after a day that was recorded."""

    dialect: Dialect
    recording: Recording


@pytest.fixture(scope="module", params=ENGINES)
def town(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Databases
) -> Iterator[Town]:
    """The same for each engine, made once."""
    folder: Path = tmp_path_factory.mktemp("town")
    if request.param == "sqlite":
        config = open_config(folder, None)
        with new_dialect("sqlite", folder, postgres) as made:
            dialect: Dialect = Sqlite(config.sqlite_path, Caches(), 3)
            assert isinstance(made, Sqlite)
            yield asyncio.run(_live(dialect, config))
        return
    with postgres.database(schema_template(postgres)) as url:
        yield asyncio.run(_live(Postgres(url, Caches(), 3), open_config(folder, url)))


async def _live(dialect: Dialect, config: Config) -> Town:
    seeding.seed(dialect)
    with recorded() as day:
        async with Home(config) as home:
            await _a_day(home)
        _a_fork(dialect)
        devices.elsewhere(dialect)
        asking.ask(dialect, seeding.room_id(6))
    return Town(dialect, day)


async def _a_day(home: Home) -> None:
    """What people do on a server."""
    alice, bob, carl = await home.users("alice", "bob", "carl")
    begun = await home.server.ask("POST", "/v3/register", {"username": "dora", "password": "a good password"})
    await home.server.ask("POST", "/v3/register", {"auth": {"type": "m.login.dummy", "session": begun.body["session"]}})
    again = await alice.log_in_again()
    await again.request("POST", "/v3/logout", {})
    for person in (alice, bob):
        await person.sync()
        await person.join(seeding.room_id(3))
        await person.join(seeding.room_id(4))
    room = await alice.create_room(name="Here", invite=[bob.id], room_alias_name="here", visibility="public")
    await bob.join(f"#here:{SERVER_NAME}")
    await alice.invite(room, carl)
    await carl.sync()
    await carl.leave(room)
    await carl.join(room)
    await _talk(room, alice, bob)
    await devices.encrypt(room, alice, bob)
    await _read(room, alice, bob)
    await _read(seeding.room_id(3), alice, bob)
    await alice.moderate(room, "ban", carl)
    await alice.moderate(room, "unban", carl)
    await carl.forget(room)
    await alice.set_state(room, "m.room.guest_access", {"guest_access": "forbidden"})
    await alice.upgrade(await alice.create_room(creation_content={"type": "m.space"}, room_alias_name="old"), "12")
    for person in (alice, bob, carl):
        await person.sync()
        await person.sync_anew(filter={"room": {"state": {"lazy_load_members": True}, "include_leave": True}})
        await person.sync(since="s1", full_state=True)
    await _find(home, room, alice, bob)
    await alice.request("POST", "/v3/logout/all", {})


async def _find(home: Home, room: str, alice: User, bob: User) -> None:
    """Looks for rooms."""
    space = await alice.create_room(creation_content={"type": "m.space"}, preset="public_chat")
    for child in (room, seeding.room_id(3), "!nowhere:example.net"):
        await alice.set_state(space, "m.space.child", {"via": [SERVER_NAME]}, child)
    await alice.request("PUT", f"/v3/directory/list/room/{space}", {})
    await bob.request("GET", f"/v3/directory/list/room/{space}")
    listed = await bob.request("GET", "/v3/publicRooms", limit=1)
    back = await bob.request("GET", "/v3/publicRooms", limit=1, since=listed["next_batch"])
    await bob.request("GET", "/v3/publicRooms", since=back["prev_batch"])
    await bob.request("POST", "/v3/publicRooms", {"filter": {"generic_search_term": "here"}})
    walked = await bob.request("GET", f"/v1/rooms/{space}/hierarchy", limit=1)
    await bob.request("GET", f"/v1/rooms/{space}/hierarchy", from_=walked["next_batch"])
    await bob.request("GET", f"/v1/room_summary/{seeding.room_id(5)}")
    token = await bob.request("POST", f"/v3/user/{bob.id}/openid/request_token", {})
    await home.server.server.database.read(openid.find, hash_token(token["access_token"]), 0)


async def _talk(room: str, alice: User, bob: User) -> None:
    said = await alice.say(room, "hello bob", "once")
    assert await alice.say(room, "hello bob", "once") == said
    await alice.send(room, "m.room.message", {"body": "@bob", "m.mentions": {"user_ids": [bob.id]}})
    await alice.say(seeding.room_id(3), "to all")
    await bob.request("PUT", "/v3/pushrules/global/content/tea", {"pattern": "tea", "actions": ["notify"]})
    await bob.request("PUT", f"/v3/pushrules/global/room/{room}", {"actions": []})
    await alice.say(room, "tea?", more={"m.relates_to": {"rel_type": "m.thread", "event_id": said}})
    await alice.send(room, "m.reaction", {"m.relates_to": {"rel_type": "m.annotation", "event_id": said, "key": "+"}})
    await bob.sync()
    await bob.ignore(alice)
    await bob.sync()
    await bob.ignore()
    await alice.set_state(room, "m.room.topic", {"topic": "x"})
    await alice.set_state(room, "m.room.topic", {"topic": "y"})
    await alice.redact(room, said)
    await bob.type(room)
    await bob.sync()
    async with bob.waiting():
        await alice.say(room, "wake up")
    await bob.type(room, None)
    await bob.receipt(room, said)
    await bob.receipt(room, said, "m.read.private")
    await bob.receipt(room, said, "m.fully_read")


async def _read(room: str, alice: User, bob: User) -> None:
    for person in (alice, bob):
        synced = await person.sync()
        await person.members(room)
        await person.members(room, at=synced.next_batch)
        await person.whole_state(room)
        page = await person.messages(room, limit=20)
        await person.messages(room, "f", limit=20)
        await person.event(room, page["chunk"][0]["event_id"])
        await person.context(room, page["chunk"][0]["event_id"], filter={"lazy_load_members": True})
        await person.at_time(room, 1, "f")
        await person.at_time(room, 2**60, "b")
        await person.in_room(room, "GET", "joined_members")
        await person.request("GET", "/v3/joined_rooms")
        await person.request("GET", "/v3/pushrules/")
        await person.request("GET", "/v3/account/whoami")
        made = await person.request("POST", f"/v3/user/{person.id}/filter", {"room": {"timeline": {"limit": 3}}})
        await person.sync_anew(filter_=made["filter_id"])


def _a_fork(dialect: Dialect) -> None:
    """Two states of a room, resolved; then its past is forgotten."""
    with dialect.session() as session, session.transaction():
        tx = Transaction(session, Caches())
        name = rooms.find(tx, seeding.room_id(5))
        assert name is not None
        now = rooms.get(tx, [name.nid])[name.nid].current
        side = StateAt(room_state.fork(tx, name.nid, now), now.position)
        changes = room_state.Changes(side.branch)
        for key in interning.find_state_keys(tx, [("m.room.join_rules", "")]).values():
            changes.put(key, None, now.position, replaces=False)
        changes.write(tx)
        resolution.resolve(tx, name.nid, [now, side])
        room_state.forget_before(tx, now.branch, now.position)


NOTHING: frozenset[str] = frozenset()
OTHER_WAYS = ("enable_seqscan", "enable_bitmapscan", "enable_hashjoin", "enable_mergejoin")


def table_sizes(session: Session) -> dict[str, int]:
    """How many rows each table has."""
    if isinstance(session, SqliteConnection):
        names = session.rows("SELECT name FROM sqlite_master WHERE type = 'table'", {})
    else:
        names = session.rows("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = 'public'", {})
    return {name: session.rows(f"SELECT count(*) FROM {name}", {})[0][0] for (name,) in names}


def test_the_database_is_large_and_the_day_was_full(town: Town) -> None:
    with town.dialect.session() as session:
        large = {name for name, rows in table_sizes(session).items() if rows >= seeding.LARGE}
    assert large >= {
        "users", "accounts", "devices", "sessions", "events", "event_status", "memberships", "state_entries", "typing",
        "receipts", "account_data", "mentions", "threads", "push_modes", "transaction_ids", "push_rules", "notices",
        "auth_edges", "filters", "device_keys", "one_time_keys", "fallback_keys", "cross_signing_keys",
        "key_signatures", "device_lists", "remote_devices", "to_device", "to_device_ids",
    }  # fmt: skip
    called = {function.split(".")[0] for function in town.recording.functions}
    assert called >= {
        "accounts", "aliases", "auth_sessions", "authchains", "device_keys", "device_lists", "device_updates",
        "directory", "events", "filters", "interning", "membership", "notices", "one_time_keys", "openid",
        "push_modes", "push_rules", "receipts", "recent", "remote_devices", "room_state", "rooms", "sessions",
        "space_walks", "threads", "timeline", "to_device", "transactions", "typing", "unread",
    }  # fmt: skip


def test_no_statement_reads_a_large_table_whole_before_the_engine_has_looked_at_it(town: Town) -> None:
    """SQLite plans without statistics until somebody asks for them."""
    if isinstance(town.dialect, Sqlite):
        with town.dialect.session() as session:
            assert whole_reads(session, town.recording, NOTHING) == {}


def test_no_statement_reads_a_large_table_whole(town: Town) -> None:
    with town.dialect.session() as session:
        session.run("ANALYZE", {})
        small = frozenset(name for name, rows in table_sizes(session).items() if rows < seeding.LARGE)
        assert whole_reads(session, town.recording, small) == {}


def test_there_is_an_index_for_small_tables_too(town: Town) -> None:
    """PostgreSQL reads small tables whole though there is an index; here it is asked not to."""
    with town.dialect.session() as session, recording.without(session, *OTHER_WAYS):
        assert whole_reads(session, town.recording, NOTHING) == {}


def test_functions_that_promise_one_statement_send_one(town: Town) -> None:
    """PostgreSQL runs them without a transaction around them."""
    if isinstance(town.dialect, Postgres):
        assert {name: count for name, count in town.recording.single.items() if count > 1} == {}
        assert len(town.recording.single) >= 5


def steps(session: Session, call: Callable[[Transaction], object]) -> int:
    """How many steps SQLite's machine takes for a call."""
    assert isinstance(session, SqliteConnection)
    taken = [0]

    def count() -> int:
        taken[0] += 1
        return 0

    session._db.set_progress_handler(count, 1)
    try:
        call(Transaction(session, Caches()))
    finally:
        session._db.set_progress_handler(None, 0)
    return taken[0]


def test_what_changed_often_costs_no_more_than_what_is_new(tmp_path: Path, postgres: Databases) -> None:
    """A key of the state, or a membership, that changed three thousand times: counted, not timed."""
    with new_dialect("sqlite", tmp_path, postgres) as dialect, dialect.session() as session, session.transaction():
        tx = Transaction(session, Caches())
        room = rooms.create(tx, seeding.room_id(0), VERSION)
        costs = []
        for times in (3, 3_000):
            new = [event(seeding.room_id(0), "m.room.name", ALICE, {"n": n}, "") for n in range(times)]
            new += [member(seeding.room_id(0), ALICE, "join") for _ in range(times)]
            room = append.append(tx, room.nid, room.current, [NewEvent(one) for one in new])
            [key] = interning.find_state_keys(tx, [("m.room.name", "")]).values()
            user = interning.user(tx, ALICE)
            calls: list[Callable[[Transaction], object]] = [
                partial(room_state.get, state=room.current, keys=[key]),
                partial(membership.now, user=user, room=room.nid),
                partial(membership.of_users_in, users=[user], room=room.nid),
                partial(membership.joined_rooms, user=user),
                partial(timeline.unread_at, room=room.nid, position=room.latest),
                partial(_set_a_name, room=room),
            ]
            costs.append([steps(session, call) for call in calls])
        assert all(late <= 2 * early for early, late in zip(*costs, strict=True)), costs


def _set_a_name(tx: Transaction, room: rooms.Room) -> None:
    """Appends one state event, and takes it back."""
    tx.run("SAVEPOINT undone")
    append.append(tx, room.nid, room.current, [NewEvent(event(seeding.room_id(0), "m.room.name", ALICE, {}, ""))])
    tx.run("ROLLBACK TO undone")
