"""Config → services → application, every object constructed once, in the order in which they depend on each other."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from oriz_matrix.api import admin, client, federation, pages
from oriz_matrix.app.reach import Reach, reach
from oriz_matrix.base.cache import Cache
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.ids import Ids
from oriz_matrix.base.metrics import Metrics
from oriz_matrix.protocol.identifiers import ServerName
from oriz_matrix.protocol.signing import SigningKey
from oriz_matrix.services import Services
from oriz_matrix.services.account_data import AccountData
from oriz_matrix.services.accounts.creation import Creation
from oriz_matrix.services.accounts.interactive import Interactive, dummy
from oriz_matrix.services.accounts.login import Login
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
from oriz_matrix.services.filters import Filters
from oriz_matrix.services.jobs import Jobs
from oriz_matrix.services.membership.change import Membership
from oriz_matrix.services.periodic import Periodic
from oriz_matrix.services.profiles import Profiles
from oriz_matrix.services.push_rules import PushRules
from oriz_matrix.services.receipts import Receipts
from oriz_matrix.services.rooms.aliases import Aliases
from oriz_matrix.services.rooms.append import Append
from oriz_matrix.services.rooms.follow_ups import CARRY_SETTINGS
from oriz_matrix.services.rooms.history import History
from oriz_matrix.services.rooms.ignored import IgnoredUsers
from oriz_matrix.services.rooms.known import Known
from oriz_matrix.services.rooms.prepare import Prepare
from oriz_matrix.services.rooms.read import Read
from oriz_matrix.services.rooms.receivers import Receivers
from oriz_matrix.services.rooms.send import Send
from oriz_matrix.services.server_keys import ServerKeys
from oriz_matrix.services.sync.respond import Sync
from oriz_matrix.services.typing_notices import TypingNotices
from oriz_matrix.storage.database import Database
from oriz_matrix.storage.dialects import Dialect
from oriz_matrix.web import endpoint
from oriz_matrix.web.application import Application
from oriz_matrix.web.authentication import Gate
from oriz_matrix.web.endpoint import Endpoint
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
    typing_notices: TypingNotices
    periodic: Periodic
    passwords: Passwords
    application: Application
    metrics: Metrics


def build(config: Config, dialect: Dialect, key: SigningKey, clock: Clock, ids: Ids) -> Server:
    """Constructs everything; nothing runs yet."""
    metrics = Metrics()
    server_name = ServerName(config.server_name)
    database = Database(dialect, metrics.observe_transaction)
    changes = Changes(database, clock)
    jobs = Jobs(database, clock, ids, metrics.count_job)
    others = reach(config.federation, clock, metrics) if config.federation.enabled else None
    server_keys = _server_keys(config, database, clock, key, others)
    sessions = Sessions(database, clock, ids, frozenset(config.limits.rates.exempt_users))
    changes.listen(sessions.on_change)
    passwords = Passwords(Hasher(config.passwords))
    creation = Creation(database, clock, sessions)
    interactive = Interactive(database, clock, ids, {"m.login.dummy": dummy})
    ignored = IgnoredUsers(database, changes)
    known = Known(Receivers(database, changes))
    prepare = Prepare(clock, server_name, key)
    append = Append(database, changes, jobs, prepare, known, metrics.events_appended.inc)
    typing_notices = TypingNotices(database, changes, clock)
    push_rules = PushRules(database, changes, known.receivers)
    founding = Founding(database, changes, prepare, clock, ids)

    services = Services(
        account_data=AccountData(database, changes, push_rules),
        aliases=Aliases(database, append, clock, server_name),
        capabilities=Capabilities(config.rooms),
        create=Create(database, founding, config.rooms.default_version),
        filters=Filters(database),
        history=History(database, changes, ignored, clock, config.limits.event_page),
        login=Login(database, passwords, sessions, server_name),
        membership=Membership(database, append, jobs, server_name),
        profiles=Profiles(database, jobs, append, clock),
        push_rules=push_rules,
        read=Read(database, ignored, clock),
        receipts=Receipts(database, changes, clock),
        register=Register(creation, passwords, interactive, ids, config.registration, server_name),
        send=Send(database, append),
        server_keys=server_keys,
        sessions=sessions,
        shared_secret=SharedSecret(
            Nonces(database, clock, ids), creation, passwords, config.registration.shared_secret, server_name
        ),
        sync=Sync(database, changes, sessions, ignored, clock),
        typing_notices=typing_notices,
        upgrade=Upgrade(database, append, founding),
    )
    jobs.register(CARRY_SETTINGS, Settings(database, changes).carry)
    _watch(metrics, changes, [*database.caches.all(), *known.caches, ignored.cache, *(others.caches if others else ())])
    return Server(
        database=database,
        server_keys=server_keys,
        others=others,
        changes=changes,
        jobs=jobs,
        typing_notices=typing_notices,
        periodic=Periodic(database, changes, clock),
        passwords=passwords,
        application=_application(config, _gate(config, services, clock, others), database, metrics),
        metrics=metrics,
    )


def _watch(metrics: Metrics, changes: Changes, caches: Iterable[Cache[Any, Any]]) -> None:
    metrics.watch_caches(caches)
    metrics.sync_waiters.set_function(lambda: changes.waiting)
    metrics.settled_lag_seconds.set_function(lambda: changes.silent_seconds)


def _server_keys(config: Config, database: Database, clock: Clock, key: SigningKey, others: Reach | None) -> ServerKeys:
    keys = None if others is None else others.keys
    return ServerKeys(database, clock, ServerName(config.server_name), key, keys, config.federation.trusted_notaries)


def _gate(config: Config, services: Services, clock: Clock, others: Reach | None) -> Gate:
    name = ServerName(config.server_name)
    return Gate(
        services,
        services.sessions,
        Limits(config.limits.rates.by_kind(), clock),
        clock,
        token_in_query=config.sessions.query_string_tokens,
        servers=None if others is None else Signatures(services.server_keys, others.peers.allows, name),
    )


def _application(config: Config, gate: Gate, database: Database, metrics: Metrics) -> Application:
    endpoints = _endpoints(config, database, metrics)
    return Application(endpoints, config.listeners, gate, config.limits, config.compression, metrics)


def _endpoints(config: Config, database: Database, metrics: Metrics) -> list[Endpoint]:
    return [
        *endpoint.declared(*client.MODULES, *admin.MODULES),
        *(endpoint.declared(*federation.MODULES) if config.federation.enabled else ()),
        *pages.operations(metrics, database.is_reachable),
        *(pages.well_known(config.public_base_url) if config.public_base_url else ()),
    ]
