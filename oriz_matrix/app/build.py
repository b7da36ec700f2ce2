"""Config → services → application, every object constructed once, in the order in which they depend on each other."""

from dataclasses import dataclass
from functools import partial

from oriz_matrix.api import admin, client, federation, pages
from oriz_matrix.app.between import Below, Between, between
from oriz_matrix.app.reach import Reach, reach
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.ids import Ids
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.net.federation import Federation
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.services import Services
from oriz_matrix.services.account_data import AccountData
from oriz_matrix.services.accounts.creation import Creation
from oriz_matrix.services.accounts.interactive import Interactive, dummy
from oriz_matrix.services.accounts.login import PASSWORD, Login
from oriz_matrix.services.accounts.openid import OpenId
from oriz_matrix.services.accounts.passwords import Hasher, Passwords
from oriz_matrix.services.accounts.register import Register
from oriz_matrix.services.accounts.sessions import Sessions
from oriz_matrix.services.accounts.shared_secret import Nonces, SharedSecret
from oriz_matrix.services.capabilities import Capabilities
from oriz_matrix.services.changes import Changes
from oriz_matrix.services.creation.create import Create
from oriz_matrix.services.creation.founding import Founding
from oriz_matrix.services.creation.settings import Settings
from oriz_matrix.services.creation.upgrade import Upgrade
from oriz_matrix.services.encryption.answers import KeyAnswers
from oriz_matrix.services.encryption.cross_signing import CrossSigning
from oriz_matrix.services.encryption.keys import Keys
from oriz_matrix.services.encryption.newcomers import Newcomers
from oriz_matrix.services.encryption.remote import RemoteKeys
from oriz_matrix.services.encryption.resync import RESYNC, Resync
from oriz_matrix.services.encryption.to_device import ToDevice
from oriz_matrix.services.federation_answers.history import HistoryAnswers
from oriz_matrix.services.federation_answers.states import StateAnswers
from oriz_matrix.services.federation_in import whole
from oriz_matrix.services.federation_in.receive import Receive
from oriz_matrix.services.federation_out.senders import Senders
from oriz_matrix.services.filters import Filters
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.membership.change import Membership
from oriz_matrix.services.membership.elsewhere import Finding
from oriz_matrix.services.outgoing import Outgoing
from oriz_matrix.services.periodic import Periodic, Watch
from oriz_matrix.services.policy_servers import PolicyServers
from oriz_matrix.services.profiles import Profiles
from oriz_matrix.services.push_rules import PushRules
from oriz_matrix.services.queries import Queries
from oriz_matrix.services.receipts import Receipts
from oriz_matrix.services.rooms.aliases import Aliases
from oriz_matrix.services.rooms.append import Append, Makes, Wakes
from oriz_matrix.services.rooms.directory import Directory
from oriz_matrix.services.rooms.follow_ups import CARRY_SETTINGS
from oriz_matrix.services.rooms.hierarchy import SpaceWalks
from oriz_matrix.services.rooms.history import History
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.rooms.known import Known
from oriz_matrix.services.rooms.prepare import Prepare
from oriz_matrix.services.rooms.read import Read
from oriz_matrix.services.rooms.receivers import Receivers
from oriz_matrix.services.rooms.send import Send
from oriz_matrix.services.rooms.summaries import Summaries
from oriz_matrix.services.rooms.times import Times
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.services.sync.event_stream import EventStream
from oriz_matrix.services.sync.respond import Sync
from oriz_matrix.services.sync.snapshots import Snapshots
from oriz_matrix.services.typing_notices import TypingNotices
from oriz_matrix.storage import backlog
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.device_updates import NEWCOMERS
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.web import endpoint
from oriz_matrix.web.application import Application
from oriz_matrix.web.authentication import Gate
from oriz_matrix.web.limits import Limits
from oriz_matrix.web.signatures import Signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a process starts and stops, in this order and the reverse; `others` is None where it talks with none."""

    database: Database
    server_keys: ServerKeys
    others: Reach | None
    changes: Changes
    jobs: Jobs
    receive: Receive
    senders: Senders | None
    typing_notices: TypingNotices
    periodic: Periodic
    passwords: Passwords
    application: Application
    metrics: Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class _Core:
    """What most services stand on; `federation` is None where this server talks with no other."""

    config: Config
    clock: Clock
    ids: Ids
    server_name: ServerName
    metrics: Metrics
    database: Database
    changes: Changes
    jobs: Jobs
    others: Reach | None
    federation: Federation | None
    server_keys: ServerKeys
    sessions: Sessions
    queries: Queries
    ignored: IgnoredUsers
    known: Known
    prepare: Prepare
    remote_keys: RemoteKeys
    outgoing: Outgoing
    policy: PolicyServers
    append: Append


def build(config: Config, dialect: Dialect, key: SigningKey, clock: Clock, ids: Ids) -> Server:
    """Constructs everything; nothing runs yet."""
    core = _core(config, dialect, key, clock, ids)
    passwords = Passwords(Hasher(config.passwords))
    typing_notices = TypingNotices(core.database, core.changes, core.outgoing, clock)
    aliases = Aliases(core.database, core.append, clock, core.server_name, core.queries)
    finding = Finding(aliases, Summaries(core.database, core.queries, aliases, core.server_name))
    shared = _between(core, typing_notices, finding)
    services = _services(core, shared, passwords, typing_notices, finding)
    core.changes.listen(core.sessions.on_change)
    core.changes.listen(partial(whole.forget, core.database.caches))
    core.jobs.register(NEWCOMERS, Newcomers(core.database, core.outgoing, core.server_name).carry_out)
    core.jobs.register(RESYNC, Resync(core.database, core.changes, core.remote_keys).carry_out)
    core.jobs.register(CARRY_SETTINGS, Settings(core.database, core.changes).carry)
    _watch(core)
    return Server(
        database=core.database,
        server_keys=core.server_keys,
        others=core.others,
        changes=core.changes,
        jobs=core.jobs,
        receive=shared.receive,
        senders=shared.senders,
        typing_notices=typing_notices,
        periodic=Periodic(
            core.database, core.changes, clock, [Watch("what waits", 15, backlog.count, core.metrics.show_backlog)]
        ),
        passwords=passwords,
        application=_application(core, services, shared.senders),
        metrics=core.metrics,
    )


def _core(config: Config, dialect: Dialect, key: SigningKey, clock: Clock, ids: Ids) -> _Core:
    metrics = Metrics()
    server_name = ServerName(config.server_name)
    database = Database(dialect, metrics.observe_transaction)
    changes = Changes(database, clock)
    jobs = Jobs(database, clock, ids, metrics.count_job)
    others = reach(config.federation, clock, metrics) if config.federation.enabled else None
    known = Known(Receivers(database, changes))
    prepare = Prepare(clock, server_name, key)
    federation = Federation(others.peers, server_name, key) if others else None
    outgoing = Outgoing()
    policy = PolicyServers(federation, clock)
    return _Core(
        config=config,
        clock=clock,
        ids=ids,
        server_name=server_name,
        metrics=metrics,
        database=database,
        changes=changes,
        jobs=jobs,
        others=others,
        federation=federation,
        server_keys=ServerKeys(
            database, clock, server_name, key, others.keys if others else None, config.federation.trusted_notaries
        ),
        sessions=Sessions(
            database, clock, ids, frozenset(config.limits.rates.exempt_users), lambda: changes.silent_seconds
        ),
        queries=Queries(federation, clock),
        ignored=IgnoredUsers(database, changes),
        known=known,
        prepare=prepare,
        remote_keys=RemoteKeys(database, federation, clock),
        outgoing=outgoing,
        policy=policy,
        append=Append(
            database, Makes(prepare, policy), known, Wakes(changes, jobs, outgoing), metrics.events_appended.inc
        ),
    )


def _between(core: _Core, typing_notices: TypingNotices, finding: Finding) -> Between:
    return between(
        Below(
            database=core.database,
            clock=core.clock,
            ids=core.ids,
            here=core.server_name,
            changes=core.changes,
            jobs=core.jobs,
            outgoing=core.outgoing,
            federation=core.federation,
            server_keys=core.server_keys,
            prepare=core.prepare,
            policy=core.policy,
            append=core.append,
            typing_notices=typing_notices,
            finding=finding,
            fates=core.metrics.count_incoming,
        )
    )


def _services(
    core: _Core, shared: Between, passwords: Passwords, typing_notices: TypingNotices, finding: Finding
) -> Services:
    config, database, changes, clock, ids = core.config, core.database, core.changes, core.clock, core.ids
    append, sessions, server_name = core.append, core.sessions, core.server_name
    creation = Creation(database, clock, sessions)
    login = Login(database, passwords, sessions, server_name)
    interactive = Interactive(database, clock, ids, {"m.login.dummy": dummy, PASSWORD: login.prove})
    key_answers = KeyAnswers(database, changes, clock, server_name)
    push_rules = PushRules(database, changes, core.known.receivers)
    settings = Settings(database, changes)
    founding = Founding(database, changes, core.prepare, clock, ids)
    secret = config.registration.shared_secret
    history = History(database, core.ignored, clock, config.limits.event_page)
    history.fill_with(shared.backfill.fill)
    read = Read(database, core.ignored, clock)
    return Services(
        account_data=AccountData(database, changes, push_rules),
        aliases=finding.aliases,
        capabilities=Capabilities(config.rooms),
        create=Create(database, founding, shared.elsewhere, config.rooms.default_version),
        cross_signing=CrossSigning(database, changes, core.outgoing, interactive, clock),
        directory=Directory(database, core.queries, server_name),
        event_stream=EventStream(database, changes, sessions, core.ignored, (read, history), clock),
        filters=Filters(database),
        history=history,
        history_answers=HistoryAnswers(database, clock, server_name),
        invited=shared.invited,
        key_answers=key_answers,
        keys=Keys(database, changes, core.outgoing, key_answers, core.remote_keys, clock),
        login=login,
        membership=Membership(database, append, core.jobs, shared.elsewhere, settings.into),
        openid=OpenId(database, clock, ids),
        profiles=Profiles(database, core.jobs, append, clock, core.queries, server_name),
        push_rules=push_rules,
        read=read,
        receipts=Receipts(database, changes, core.outgoing, clock),
        resident=shared.resident,
        register=Register(creation, passwords, interactive, ids, config.registration, server_name),
        send=Send(database, append),
        server_keys=core.server_keys,
        sessions=sessions,
        shared_secret=SharedSecret(Nonces(database, clock, ids), creation, passwords, secret, server_name),
        state_answers=StateAnswers(database),
        snapshots=Snapshots(database, changes, core.ignored, (read, history), clock),
        space_walks=SpaceWalks(database, finding.summaries, ids, clock),
        summaries=finding.summaries,
        sync=Sync(database, changes, sessions, core.ignored, clock),
        third_party_invites=shared.third_party_invites,
        times=Times(database, core.queries, history),
        to_device=ToDevice(database, changes, core.outgoing, clock, ids, server_name),
        transactions=shared.transactions,
        typing_notices=typing_notices,
        upgrade=Upgrade(database, append, founding, settings),
    )


def _watch(core: _Core) -> None:
    metrics, changes = core.metrics, core.changes
    caches = [
        *core.database.caches.all(),
        *core.known.caches,
        core.ignored.cache,
        core.queries.silent,
        core.server_keys.cache,
    ]
    metrics.watch_caches([*caches, *(core.others.caches if core.others else ())])
    metrics.sync_waiters.set_function(lambda: changes.waiting)
    metrics.settled_lag_seconds.set_function(lambda: changes.silent_seconds)


def _application(core: _Core, services: Services, senders: Senders | None) -> Application:
    config, signatures = core.config, None
    if core.others is not None and senders is not None:
        signatures = Signatures(core.server_keys, core.others.peers.allows, core.server_name, senders.heard)
    gate = Gate(
        services,
        services.sessions,
        Limits(config.limits.rates.by_kind(), core.clock),
        core.clock,
        token_in_query=config.sessions.query_string_tokens,
        servers=signatures,
    )
    endpoints = [
        *endpoint.declared(*client.MODULES, *admin.MODULES),
        *(endpoint.declared(*federation.MODULES) if config.federation.enabled else ()),
        *pages.operations(core.metrics, core.database.is_reachable),
        *(pages.well_known(config.public_base_url) if config.public_base_url else ()),
    ]
    return Application(endpoints, config.listeners, gate, config.limits, config.compression, core.metrics)
