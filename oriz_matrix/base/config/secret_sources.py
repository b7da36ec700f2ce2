"""Where a secret may come from: the environment, a file of its own, or the configuration file itself."""

from collections.abc import Mapping
from pathlib import Path

from oriz_matrix.base.config.types import Secret


def variable(option: str) -> str:
    """The environment variable of a secret option: `database.url` is `ORIZ_DATABASE_URL`."""
    return "ORIZ_" + option.upper().replace(".", "_")


def find(option: str, given: Secret | None, file: Path | None, environment: Mapping[str, str]) -> Secret | None:
    """The secret of an option; the environment wins over both ways in the file. Raises ValueError with a sentence."""
    from_environment = environment.get(variable(option))
    if from_environment:
        return Secret(from_environment)
    if given is not None and file is not None:
        raise ValueError("expected either this or the same with `_file`, not both")
    return given if file is None else _read(file)


def _read(file: Path) -> Secret:
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not in UTF-8"
        raise ValueError(f"the secret's file {file} cannot be read: {reason}") from error
    if not text:
        raise ValueError(f"the secret's file {file} is empty")
    return Secret(text)
