"""Secrets come from the environment, from files of their own, or from the configuration, and are not printed."""

from pathlib import Path

from oriz_matrix.base.config.describe import option_paths
from oriz_matrix.base.config.load import check_text, load
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.types import Secret

SECRET = "a secret of more than sixteen"


def shared_secret(folder: Path, registration: str, environment: dict[str, str]) -> Secret | None:
    """What the server would take as its shared secret."""
    (folder / "oriz.yaml").write_text(f"server_name: example.org\nregistration: {registration}\n")
    return load(folder / "oriz.yaml", environment).registration.shared_secret


def test_a_secret_in_a_file_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET + "\n")
    assert shared_secret(tmp_path, "{shared_secret_file: secret}", {}) == Secret(SECRET)


def test_the_environment_wins_over_both_ways_in_the_file(tmp_path: Path) -> None:
    environment = {"ORIZ_REGISTRATION_SHARED_SECRET": SECRET}
    for registration in ("", "{shared_secret: another secret of sixteen}", "{shared_secret_file: nowhere}"):
        assert shared_secret(tmp_path, registration, environment) == Secret(SECRET)


def test_a_secret_counts_even_where_the_file_has_no_such_section(tmp_path: Path) -> None:
    (tmp_path / "oriz.yaml").write_text("server_name: example.org\n")
    config = load(tmp_path / "oriz.yaml", {"ORIZ_REGISTRATION_SHARED_SECRET": SECRET})
    assert config.registration.shared_secret == Secret(SECRET)


def test_faults_of_secrets_are_told(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "latin").write_bytes(b"\xff\xfe")
    for registration, complaint in {
        "{shared_secret: a, shared_secret_file: b}": "expected either this or the same with `_file`, not both",
        "{shared_secret_file: gone}": f"the secret's file {tmp_path}/gone cannot be read: No such file or directory",
        "{shared_secret_file: empty}": f"the secret's file {tmp_path}/empty is empty",
        "{shared_secret_file: latin}": f"the secret's file {tmp_path}/latin cannot be read: it is not in UTF-8",
    }.items():
        text = f"server_name: example.org\nregistration: {registration}\n"
        (problem,) = check_text(text, str(tmp_path / "c.yaml"), {})
        assert (problem.line, problem.option, problem.message) == (2, "registration.shared_secret", complaint)


def test_a_short_secret_from_the_environment_is_refused() -> None:
    environment = {"ORIZ_REGISTRATION_SHARED_SECRET": "short"}
    (problem,) = check_text("server_name: example.org\n", environment=environment)
    assert problem.option == "registration.shared_secret"


def test_secrets_do_not_show_when_the_configuration_is_printed(tmp_path: Path) -> None:
    (tmp_path / "oriz.yaml").write_text(f"server_name: example.org\nregistration: {{shared_secret: {SECRET}}}\n")
    config = load(tmp_path / "oriz.yaml", {})
    assert SECRET not in f"{config} {config!r}"
    assert config.registration.shared_secret is not None
    assert config.registration.shared_secret.reveal() == SECRET


def test_every_secret_can_be_kept_in_a_file() -> None:
    options = set(option_paths(Config))
    files = {option for option in options if option.endswith("_file") and option.removesuffix("_file") in options}
    assert files == {"database.url_file", "registration.shared_secret_file", "federation.proxy_file"}
