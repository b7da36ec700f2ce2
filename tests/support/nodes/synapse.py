"""Synapse as a process, from an environment of its own.

`.ci/run` makes that environment in `.venv-synapse`: Synapse wants other versions of some packages than Oriz. The
variable `ORIZ_TEST_SYNAPSE` names another environment.
"""

import os
import secrets
import subprocess
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import yaml

from tests.support.nodes.node import Node, World
from tests.support.postgres import free_port

ROOT = Path(__file__).parents[3]
ENVIRONMENT = Path(os.environ.get("ORIZ_TEST_SYNAPSE", ROOT / ".venv-synapse"))

RATE = {"per_second": 1_000_000, "burst_count": 1_000_000}
UNLIMITED = {
    "rc_message": RATE,
    "rc_registration": RATE,
    "rc_registration_token_validity": RATE,
    "rc_login": {"address": RATE, "account": RATE, "failed_attempts": RATE},
    "rc_admin_redaction": RATE,
    "rc_joins": {"local": RATE, "remote": RATE},
    "rc_joins_per_room": RATE,
    "rc_key_requests": RATE,
    "rc_3pid_validation": RATE,
    "rc_invites": {"per_room": RATE, "per_user": RATE, "per_issuer": RATE},
    "rc_third_party_invite": RATE,
    "rc_media_create": RATE,
    "rc_presence": {"per_user": RATE},
    "rc_delayed_event_mgmt": RATE,
    "rc_room_creation": RATE,
    "rc_reports": RATE,
    "rc_user_directory": RATE,
    "rc_profile": RATE,
    "rc_federation": {
        "window_size": 1000,
        "sleep_limit": 1_000_000,
        "sleep_delay": 0,
        "reject_limit": 1_000_000,
        "concurrent": 50,
    },
    "federation_rr_transactions_per_room_per_second": 1_000_000,
}

LOGGING = {
    "version": 1,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"output": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": os.environ.get("ORIZ_TEST_SYNAPSE_LOG", "WARNING"), "handlers": ["output"]},
    "disable_existing_loggers": False,
}


def installed() -> bool:
    """Whether there is a Synapse to play with."""
    return (ENVIRONMENT / "bin" / "synapse_homeserver").exists()


class SynapseNode(Node):
    """Synapse on SQLite, with all its limits off; it retries soon what has failed."""

    software = "Synapse"

    def __init__(self, world: World, letter: str, host: str) -> None:
        super().__init__(world, letter, host)
        self._python = ENVIRONMENT / "bin" / "python"
        self._client_port, self.line.target = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self._client_port}"
        self._config = self.folder / "homeserver.yaml"
        self._config.write_text(yaml.safe_dump(self._configuration(), sort_keys=False))
        (self.folder / "log.yaml").write_text(yaml.safe_dump(LOGGING))
        subprocess.run([*self._synapse, "--generate-keys"], check=True, capture_output=True, timeout=60)

    @property
    def _synapse(self) -> list[str]:
        return [str(self._python), "-m", "synapse.app.homeserver", "-c", str(self._config)]

    def command(self) -> Sequence[str | Path]:
        """The homeserver, in the foreground."""
        return self._synapse

    def find(self, said: str) -> bool:
        """It says nothing of use, so it is asked."""
        connection = HTTPConnection("127.0.0.1", self._client_port, timeout=2)
        try:
            connection.request("GET", "/_matrix/client/versions")
            return connection.getresponse().status == 200
        except (OSError, HTTPException):
            return False
        finally:
            connection.close()

    def _configuration(self) -> dict[str, Any]:
        files = self.authority.issue(self.line.host)
        listener = {"type": "http", "bind_addresses": ["127.0.0.1"]}
        return {
            "server_name": self.name,
            "signing_key_path": str(self.folder / "signing.key"),
            "media_store_path": str(self.folder / "media"),
            "log_config": str(self.folder / "log.yaml"),
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "homeserver.db")}},
            "listeners": [
                {**listener, "port": self._client_port, "resources": [{"names": ["client"]}]},
                {**listener, "port": self.line.target, "tls": True, "resources": [{"names": ["federation"]}]},
            ],
            "tls_certificate_path": str(files.certificate),
            "tls_private_key_path": str(files.key),
            "federation_custom_ca_list": [str(self.authority.file)],
            "ip_range_blacklist": [],
            "federation_ip_range_blacklist": [],
            "federation": {"destination_min_retry_interval": "1s", "destination_max_retry_interval": "2s"},
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "report_stats": False,
            "enable_registration": True,
            "enable_registration_without_verification": True,
            "macaroon_secret_key": secrets.token_hex(8),
            "form_secret": secrets.token_hex(8),
            "bcrypt_rounds": 4,
            "presence": {"enabled": False},
            "allow_public_rooms_over_federation": True,
            "allow_public_rooms_without_auth": True,
            "room_list_publication_rules": [{"action": "allow"}],
            **UNLIMITED,
        }
