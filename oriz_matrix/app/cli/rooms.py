"""`oriz rooms`: which rooms there are and what is in one, read from the database, whether the server runs or not."""

from pathlib import Path

import click
import msgspec

from oriz_matrix.app import database
from oriz_matrix.app.cli.database import explained
from oriz_matrix.app.cli.exits import CommandFailed, ExitCode
from oriz_matrix.app.cli.options import config_option, json_option, limit_option, read_config
from oriz_matrix.app.cli.tables import facts, moment, size, table
from oriz_matrix.services import statistics
from oriz_matrix.services.statistics import Order, RoomList, RoomReport

HEADINGS = ("ROOM", "NAME", "ALIAS", "VERSION", "MEMBERS", "HERE", "EVENTS", "LAST ACTIVITY", "ENCRYPTED")


@click.group("rooms")
def command() -> None:
    """Look at rooms."""


@command.command("list")
@config_option
@click.option(
    "--sort",
    type=click.Choice([order.value for order in Order]),
    default=Order.ACTIVITY.value,
    show_default=True,
    help="What the list begins with: the latest activity, the most events or members, the newest room.",
)
@limit_option(50)
@json_option
def list_rooms(file: Path, sort: str, limit: int, *, as_json: bool) -> None:
    """List the rooms that this server knows."""
    config = read_config(file)
    with explained():
        found = database.look(config, lambda tx: statistics.list_rooms(tx, Order(sort), limit or None))
    click.echo(msgspec.json.encode(found) if as_json else _list_text(found))


@command.command()
@click.argument("room")
@config_option
@json_option
def show(room: str, file: Path, *, as_json: bool) -> None:
    """Show one room; ROOM is its id or one of its aliases."""
    config = read_config(file)
    with explained():
        report = database.look(config, lambda tx: statistics.report_room(tx, room))
    if report is None:
        raise CommandFailed(f"this server knows no room {room}", ExitCode.NOT_FOUND)
    click.echo(msgspec.json.encode(report) if as_json else _report_text(report))


def _list_text(found: RoomList) -> str:
    rows = [
        (
            room.room_id,
            room.name,
            room.alias,
            room.version,
            room.members,
            room.members_here,
            room.events,
            moment(room.last_activity),
            "yes" if room.encrypted else "no",
        )
        for room in found.rooms
    ]
    shown = len(rows)
    return f"{table(HEADINGS, rows)}\n\n{shown} of {found.total} rooms."


def _report_text(report: RoomReport) -> str:
    room = report.room
    about = facts(
        [
            ("room", room.room_id),
            ("name", room.name),
            ("topic", report.topic),
            ("alias", room.alias),
            ("aliases here", " ".join(report.aliases) or None),
            ("version", room.version),
            ("created", f"{moment(report.created_at)} by {report.creator}"),
            ("last activity", moment(room.last_activity)),
            ("encrypted", "yes" if room.encrypted else "no"),
            ("open to other servers", "yes" if report.federated else "no"),
            ("in the room directory", "yes" if report.published else "no"),
            ("join rule", report.join_rule),
            ("history visibility", report.history_visibility),
            ("guest access", report.guest_access),
            ("replaced by", report.replaced_by),
            ("events", room.events),
            ("size of events", size(report.event_bytes)),
        ]
    )
    parts = [
        about,
        table(("MEMBERSHIP", "USERS"), list(report.memberships.items())),
        table(("SERVER", "JOINED"), list(report.servers.items())),
        table(("STATE", "EVENTS"), list(report.state.items())),
        table(("END OF THE EVENT GRAPH", "DEPTH"), [(end.event_id, end.depth) for end in report.extremities]),
        *([_refused_text(report)] if report.refused else []),
        table(("TABLE", "ROWS"), [(name, rows) for name, rows in report.rows.items() if rows]),
    ]
    return "\n\n".join(parts)


def _refused_text(report: RoomReport) -> str:
    """Events of other servers that nobody is shown."""
    return table(("REFUSED EVENT", "FATE", "WHY"), [(one.event_id, one.fate, one.reason) for one in report.refused])
