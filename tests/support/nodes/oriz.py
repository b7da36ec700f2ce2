"""Oriz as a process."""

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from tests.support.nodes.node import Node, World
from tests.support.server import merged

LISTENING = re.compile(r"^Listening on (127\.0\.0\.1:(\d+))$", re.MULTILINE)


class OrizNode(Node):
    """Oriz on SQLite, or on PostgreSQL where the URL of an empty database is given; `more` changes its configuration.

    It takes whatever ports are free and says which, so it may listen elsewhere after each start.
    """

    software = "Oriz"

    def __init__(
        self,
        world: World,
        letter: str,
        host: str,
        database_url: str | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(world, letter, host)
        self.config = self.folder / "oriz.yaml"
        self.config.write_text(yaml.safe_dump(merged(self._configuration(database_url), more or {}), sort_keys=False))

    def command(self) -> Sequence[str | Path]:
        """`oriz run`."""
        return [Path(sys.executable).with_name("oriz"), "run", "--config", self.config]

    def find(self, said: str) -> bool:
        """It prints the addresses of its listeners once it serves."""
        found = LISTENING.findall(said)
        if len(found) < 2:
            return False
        (client, _), (_, federation) = found
        self.url, self.line.target = f"http://{client}", int(federation)
        return True

    def _configuration(self, database_url: str | None) -> dict[str, Any]:
        files = self.authority.issue(self.line.host)
        tls = {"certificate": str(files.certificate), "key": str(files.key)}
        return {
            "server_name": self.name,
            "data_dir": str(self.folder / "data"),
            "database": {"engine": "postgresql", "url": database_url} if database_url else {"engine": "sqlite"},
            "listeners": [
                {"port": 0, "surfaces": ["client", "metrics"]},
                {"port": 0, "surfaces": ["federation"], "tls": tls},
            ],
            "registration": {"enabled": True, "without_verification": True, "guests": True},
            "passwords": {"minimum_length": 1, "argon2": {"time_cost": 1, "memory_kib": 8, "parallelism": 1}},
            "limits": {"rates": {"enabled": False}},
            "federation": {
                "enabled": True,
                "ca_files": [str(self.authority.file)],
                "allowed_addresses": ["127.0.0.0/8"],
            },
        }
