"""Schema steps: numbered SQL files, each run once in a transaction of its own, under a lock.

The first line of a step says `-- pre` (adds; safe before the new code runs) or `-- post` (drops; safe once the old code
is gone), so that workers can be replaced one by one.
"""

import re
from collections.abc import Iterator
from importlib import resources

from oriz_matrix.storage.dialects import Dialect, Session
from oriz_matrix.storage.errors import TooNew
from oriz_matrix.storage.transaction import Transaction

_NAME = re.compile(r"(\d{4})_(\w+)\.sql")


def steps() -> list[tuple[int, str, str]]:
    """(number, name, text) of every step, in order."""
    entries = resources.files("oriz_matrix.storage.schema").iterdir()
    return sorted(
        (int(match[1]), match[2], entry.read_text(encoding="utf-8"))
        for entry in entries
        if (match := _NAME.fullmatch(entry.name))
    )


def is_new(session: Session) -> bool:
    """Whether no step was ever run here. Must be asked before anything else, for it makes the record of the steps."""
    session.run("CREATE TABLE IF NOT EXISTS schema_steps (number BIGINT PRIMARY KEY, name TEXT NOT NULL)", {})
    return not session.rows("SELECT 1 FROM schema_steps LIMIT 1", {})


def is_made(session: Session) -> bool:
    """Whether there is anything of ours in the database; asks without changing anything."""
    return "schema_steps" in session.tables()


def upgrade(dialect: Dialect, session: Session) -> list[str]:
    """Runs the steps that are missing; their names. Raises TooNew when the database knows more steps than we do."""
    is_new(session)
    ran = []
    for number, name, text in missing(session):
        with session.transaction():
            if not any(step[0] == number for step in missing(session)):
                continue  # another process was faster
            for statement in _statements(text, dialect):
                session.run(statement, {})
            session.run("INSERT INTO schema_steps VALUES (:number, :name)", {"number": number, "name": name})
        ran.append(f"{number:04} {name}")
    return ran


def missing(session: Session) -> list[tuple[int, str, str]]:
    """The steps that this database lacks."""
    done = {number for (number,) in session.rows("SELECT number FROM schema_steps", {})}
    known = steps()
    if unknown := done - {number for number, _, _ in known}:
        raise TooNew(f"the database has schema step {max(unknown)}, newer than this version of Oriz knows")
    return [step for step in known if step[0] not in done]


def _statements(text: str, dialect: Dialect) -> Iterator[str]:
    """The statements of a step, with the engine's own words put in and comments taken out."""
    text = re.sub(r"--.*", "", text)
    for statement in text.split(";"):
        if statement.strip():
            yield statement.format_map(dialect.schema_words).strip()


def name(tx: Transaction) -> str | None:
    """The name that the server was given at its first start."""
    held: str | None = tx.value("SELECT name FROM server")
    return held


def claim_name(tx: Transaction, server_name: str, now_ms: int) -> str:
    """Names the server at the first start; later the name it was given then."""
    held = name(tx)
    if held is None:
        tx.run("INSERT INTO server VALUES (1, :name, :now)", name=server_name, now=now_ms)
    return held or server_name
