"""From a YAML file to a `Config`, or to all that is wrong with it.

    config = load(Path("oriz.yaml"))      # raises ConfigWrong, which holds every problem
    problems = check(Path("oriz.yaml"))   # the same problems as a list

Relative paths in the file count from the file's own folder. Secrets may come from files and from the environment
(`secret_sources.py`).
"""

import os
from collections.abc import Mapping
from inspect import signature
from pathlib import Path
from typing import Any

from oriz_matrix.base.config import yaml_nodes
from oriz_matrix.base.config.checks import CHECKS
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.problems import ConfigWrong, Problem
from oriz_matrix.base.config.sections import Reader, Wrong


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """The configuration in a file; raises ConfigWrong. `environment` is the process's own if none is given."""
    options, problems = _read_file(path, environment)
    if problems:
        raise ConfigWrong(problems)
    return Config(**options)


def check(path: Path, environment: Mapping[str, str] | None = None) -> list[Problem]:
    """All that is wrong with a file, in the order of its lines."""
    return _read_file(path, environment)[1]


def check_text(text: str, file: str = "config.yaml", environment: Mapping[str, str] | None = None) -> list[Problem]:
    """All that is wrong with a text; `file` is its name in the problems, and its folder that of relative paths."""
    return _read(text.encode("utf-8", "surrogatepass"), Path(file), environment)[1]


def _read_file(path: Path, environment: Mapping[str, str] | None) -> tuple[dict[str, Any], list[Problem]]:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the configuration cannot be read: {error.strerror}"
        return {}, [Problem(file=str(path), line=0, option="", message=message)]
    return _read(content, path, environment)


def _read(content: bytes, path: Path, environment: Mapping[str, str] | None) -> tuple[dict[str, Any], list[Problem]]:
    reader = Reader(str(path), path.absolute().parent, os.environ if environment is None else environment)
    options: dict[str, Any] = {}
    try:
        options = reader.options(Config, yaml_nodes.parse(content, str(path)))
    except yaml_nodes.NotYaml as error:
        return {}, [error.problem]
    except Wrong:
        pass
    _cross_check(options, reader)
    return options, sorted(reader.problems, key=lambda problem: problem.line)


def _cross_check(options: dict[str, Any], reader: Reader) -> None:
    for check_of in CHECKS:
        names = signature(check_of).parameters
        if names.keys() <= options.keys():
            for finding in check_of(**{name: options[name] for name in names}):
                reader.complain(finding.option, finding.message)
