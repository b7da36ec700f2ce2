"""What each table takes in SQLite's file: measured by the page where SQLite was built with `dbstat`, else estimated.

An estimate weighs the rows, by the lengths of their values and of what indexes repeat of them, and shares out the pages
that are in use by these weights.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from oriz_matrix.storage.transaction import Row
from oriz_matrix.storage.types import Sizes, TableSize

ROW_BYTES = 8
"""What a row takes beside its values, in a table or an index."""

TABLES = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite^_%' ESCAPE '^'"
PAGES = """
    SELECT SUM(d.pgsize), SUM(CASE WHEN s.type = 'index' THEN d.pgsize ELSE 0 END)
    FROM sqlite_master s JOIN dbstat d ON d.name = s.name AND d.aggregate = TRUE WHERE s.tbl_name = :table
"""


class Reader(Protocol):
    """What is needed of a connection."""

    def rows(self, sql: str, parameters: Mapping[str, Any]) -> list[Row]:
        """All rows of a query."""


def tables(db: Reader) -> list[str]:
    """The names of all tables but SQLite's own."""
    return [name for (name,) in db.rows(TABLES, {})]


def read(db: Reader) -> Sizes:
    """The sizes of the file and of its tables."""
    page, free, total = (_pragma(db, name) for name in ("page_size", "freelist_count", "page_count"))
    measurable = bool(db.rows("SELECT 1 FROM pragma_module_list WHERE name = 'dbstat'", {}))
    found = measured(db) if measurable else estimated(db, (total - free) * page)
    return Sizes(found, total * page, free * page, _log_bytes(db), estimated=not measurable)


def measured(db: Reader) -> list[TableSize]:
    """By the pages that each table and its indexes have; reads the whole file once."""
    return [TableSize(name, _count(db, name), *db.rows(PAGES, {"table": name})[0]) for name in tables(db)]


def estimated(db: Reader, used: int) -> list[TableSize]:
    """By the lengths of what is in each table; in all it is `used` bytes."""
    weights = {name: _weight(db, name) for name in tables(db)}
    unit = used / max(1, sum(own + indexes for own, indexes in weights.values()))
    return [
        TableSize(name, _count(db, name), round((own + indexes) * unit), round(indexes * unit))
        for name, (own, indexes) in weights.items()
    ]


def _weight(db: Reader, table: str) -> tuple[int, int]:
    """The lengths of all values of a table, and of those that its indexes repeat."""
    own = _lengths(db, table, [name for (name,) in db.rows(f"SELECT name FROM pragma_table_info('{table}')", {})])  # noqa: S608
    return own, sum(_lengths(db, table, columns) for columns in _indexes(db, table))


def _indexes(db: Reader, table: str) -> Iterator[list[str]]:
    """The columns of each index; the primary key of a table without row ids is the table itself."""
    sql = f"SELECT name FROM pragma_index_list('{table}') WHERE name IN (SELECT name FROM sqlite_master)"  # noqa: S608
    for (index,) in db.rows(sql, {}):
        yield [name for (name,) in db.rows(f"SELECT name FROM pragma_index_info('{index}')", {})]  # noqa: S608


def _lengths(db: Reader, table: str, columns: list[str]) -> int:
    """The bytes of these columns in all rows; an integer as the digits it has, which is about what it takes."""
    values = " + ".join([str(ROW_BYTES), *(f"COALESCE(length(CAST({column} AS BLOB)), 0)" for column in columns)])
    return int(db.rows(f"SELECT COALESCE(SUM({values}), 0) FROM {table}", {})[0][0])  # noqa: S608


def _count(db: Reader, table: str) -> int:
    return int(db.rows(f"SELECT count(*) FROM {table}", {})[0][0])  # noqa: S608


def _pragma(db: Reader, name: str) -> int:
    return int(db.rows(f"PRAGMA {name}", {})[0][0])


def _log_bytes(db: Reader) -> int:
    """The size of the write-ahead log, which stands beside the file and shrinks to nothing at a clean end."""
    [(file,)] = db.rows("SELECT file FROM pragma_database_list WHERE name = 'main'", {})
    log = Path(f"{file}-wal")
    return log.stat().st_size if log.exists() else 0
