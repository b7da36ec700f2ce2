"""Commands over a configuration in a folder of the test: `folder`/oriz.yaml, with the data in `folder`/data."""

from pathlib import Path
from typing import Any

import msgspec
import yaml
from click.testing import CliRunner, Result

from oriz_matrix.app.cli import main
from oriz_matrix.base.config.model import Config

PASSWORD = "a good password"
ROOT = Path(__file__).parents[2]


def file_of(config: Config) -> Path:
    """The configuration's file."""
    return config.data_dir.parent / "oriz.yaml"


def write(folder: Path, config: Config, **more: Any) -> Config:
    """Writes the configuration, with more options of these names, and a good password to files of the folder."""
    url = config.database.url
    database = {"engine": config.database.engine.value} | ({"url": url.reveal()} if url else {})
    options = {"server_name": config.server_name, "data_dir": str(config.data_dir), "database": database}
    options["federation"] = {"enabled": config.federation.enabled}
    options["passwords"] = {"argon2": msgspec.to_builtins(config.passwords.argon2)}
    (folder / "oriz.yaml").write_text(yaml.safe_dump(options | more))
    (folder / "password").write_text(PASSWORD + "\n")
    return config


def oriz(config: Config, *arguments: str) -> Result:
    """Run a command with this configuration."""
    return CliRunner().invoke(main, [*arguments, "--config", str(file_of(config))])
