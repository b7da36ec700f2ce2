"""A YAML file becomes a typed configuration, or a list of everything that is wrong with it."""

from pathlib import Path

import pytest

from oriz_matrix.base.config.accounts import Argon2
from oriz_matrix.base.config.listeners import Surface
from oriz_matrix.base.config.load import check, check_text, load
from oriz_matrix.base.config.model import Config, Engine, LogFormat
from oriz_matrix.base.config.problems import ConfigWrong
from oriz_matrix.base.config.types import Secret

NAME = "server_name: example.org\n"


def complaints(text: str) -> list[str]:
    """The problems of a text, each as it is printed, without the file's name."""
    return [str(problem).removeprefix("c.yaml:") for problem in check_text(text, "c.yaml", {})]


def loaded(folder: Path, text: str, environment: dict[str, str] | None = None) -> Config:
    """The configuration that a file with this text gives."""
    file = folder / "oriz.yaml"
    file.write_text(text)
    return load(file, environment or {})


def test_a_name_is_enough_and_the_rest_is_safe(tmp_path: Path) -> None:
    config = loaded(tmp_path, NAME)
    assert config.server_name == "example.org"
    assert config.public_base_url is None
    assert config.database.engine is Engine.SQLITE
    assert config.sqlite_path == tmp_path / "data/oriz.db"
    assert config.signing_key_path == tmp_path / "data/signing.key"
    assert [(each.address, each.port) for each in config.listeners] == [("127.0.0.1", 8008)]
    assert not config.registration.enabled
    assert config.registration.shared_secret is None
    assert config.limits.rates.enabled
    assert config.compression.enabled
    assert "127.0.0.1" not in config.listeners[0].trusted_proxies


def test_networks_hold_addresses_of_both_kinds(tmp_path: Path) -> None:
    networks = ["10.0.0.0/8", "192.168.0.0/16", "fe80::/10", "::1"]
    config = loaded(tmp_path, f"{NAME}listeners: [{{port: 1, trusted_proxies: {networks}}}]\n")
    trusted = config.listeners[0].trusted_proxies
    for address in ("10.1.2.3", "::1", "fe80::1", "::ffff:192.168.0.1"):
        assert address in trusted
    for address in ("9.9.9.9", "2620:fe::fe", "example.org", ""):
        assert address not in trusted


def test_everything_about_a_throw_away_server_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "tls.crt").touch()
    (tmp_path / "tls.key").touch()
    config = loaded(
        tmp_path,
        """
server_name: "127.0.0.1:8448"
public_base_url: http://127.0.0.1:8008/
data_dir: .
database: {engine: postgresql, url: "postgresql://oriz@127.0.0.1:5432/oriz", read_threads: 2}
listeners:
  - {port: 8008, surfaces: [client, metrics], trusted_proxies: [127.0.0.1, "::1"]}
  - {port: 8448, tls: {certificate: tls.crt, key: tls.key}, surfaces: [federation]}
  - {socket: /run/oriz.sock, mode: "600"}
registration: {enabled: true, without_verification: true, shared_secret: a-secret-of-a-throw-away-server, guests: true}
passwords: {minimum_length: 1, argon2: {time_cost: 1, memory_kib: 8, parallelism: 1}}
limits: {rates: {enabled: false, login: {per_second: 1000000, burst: 1000000}}}
compression: {enabled: false}
logging: {format: json}
""",
    )
    assert config.public_base_url == "http://127.0.0.1:8008/"
    assert config.database.url == Secret("postgresql://oriz@127.0.0.1:5432/oriz")
    plain, tls, unix = config.listeners
    assert plain.surfaces == (Surface.CLIENT, Surface.METRICS)
    assert "127.0.0.1" in plain.trusted_proxies
    assert "127.0.0.2" not in plain.trusted_proxies
    assert tls.tls is not None
    assert tls.tls.key == tmp_path / "tls.key"
    assert (unix.socket, unix.mode_bits) == (Path("/run/oriz.sock"), 0o600)
    assert config.passwords.argon2 == Argon2(time_cost=1, memory_kib=8, parallelism=1)
    assert config.limits.rates.by_kind() == {}
    assert not config.compression.enabled
    assert config.logging.format is LogFormat.JSON
    assert config.data_dir == tmp_path


def test_all_problems_are_told_at_once_each_with_its_line() -> None:
    assert complaints("""\
server_nam: example.org
data_dir: 5
database:
  engine: postgres
  read_thread: 3
  read_threads: 0
  read_threads: 2
listeners:
  - port: 99999
    trusted_proxies:
      - 10.0.0.0/8
      - 10.0.0.1/8
    surfaces: [clients]
    tls: {certificate: a.pem}
  - mode: 0660
shared_secret: of the wrong section
passwords: [8]
limits:
  rates:
    login: {burst: 3}
rooms: {default_version: 12}
""") == [
        "1: server_nam: there is no such option (did you mean `server_name`?)",
        "1: server_name: is missing; expected a host name or an IP address, with a port where it is not the usual one",
        "2: data_dir: expected a path, found 5",
        "4: database.engine: expected one of sqlite, postgresql, found 'postgres' (did you mean `postgresql`?)",
        "5: database.read_thread: there is no such option (did you mean `read_threads`?)",
        "6: database.read_threads: expected an integer from 1 to 64, found 0",
        "7: database.read_threads: is given twice, first on line 6",
        "9: listeners[0].port: expected an integer from 0 to 65535, found 99999",
        (
            "12: listeners[0].trusted_proxies[1]: expected an IP address, or a network such as 10.0.0.0/8, "
            "found '10.0.0.1/8'"
        ),
        (
            "13: listeners[0].surfaces[0]: expected one of client, federation, metrics, found 'clients' "
            "(did you mean `client`?)"
        ),
        "14: listeners[0].tls.key: is missing; expected a path",
        '15: listeners[1].mode: expected an octal file mode in quotes, such as "660", found 0660',
        "16: shared_secret: there is no such option (did you mean `registration.shared_secret`?)",
        "17: passwords: expected a section of options, found a list",
        "20: limits.rates.login.per_second: is missing; expected a number from 0.001 to 1000000",
        '21: rooms.default_version: expected a room version in quotes, such as "12", found 12',
    ]


def test_rules_between_options_are_told_together_with_wrong_values() -> None:
    assert complaints(NAME + "data_dir: 5\npasswords: {minimum_length: 9, maximum_length: 8}\n") == [
        "2: data_dir: expected a path, found 5",
        "3: passwords.minimum_length: expected at most `maximum_length`, which is 8",
    ]


def test_an_empty_section_is_one_of_defaults_and_an_empty_option_is_not() -> None:
    assert complaints(NAME + "database:\nlimits:\n  rates:\npublic_base_url: ~\n") == []
    assert complaints(NAME + "data_dir:\n") == ["2: data_dir: expected a path, found nothing"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "",
            (
                "1: server_name: is missing; expected a host name or an IP address, "
                "with a port where it is not the usual one"
            ),
        ),
        ("just words", "1: expected a section of options, found 'just words'"),
        ("- a\n- b", "1: expected a section of options, found a list"),
        (NAME + "database: {engine: sqlite\n", "3: expected YAML, but expected ',' or '}', but got '<stream end>'"),
        (NAME + "\tdata_dir: x\n", "2: expected YAML, but found character '\\t' that cannot start any token"),
        (NAME + "---\na: b\n", "2: expected YAML, but found another document"),
        (NAME + "data_dir: a\x00b\n", "2: expected YAML, but the character '\\x00' is not allowed"),
        (NAME + "data_dir: !!python/name:os.system ''\n", "2: data_dir: expected a path, found ''"),
        (NAME + "data_dir: 2024-99-99\n", "2: data_dir: expected a path, found 2024-99-99"),
        (NAME + "data_dir: {[a]: b}\n", "2: data_dir: expected a path, found a section"),
        (NAME + "? [a]\n: b\n", "2: a list: there is no such option"),
        (NAME + "data_dir: &x [*x]\n", "2: data_dir: expected a path, found a list"),
        (NAME + "data_dir: " + "[" * 5000 + "]" * 5000, "1: expected YAML, but it is nested too deeply"),
        (NAME + "data_dir: " + "x" * 99 + "\\0: y\n", None),
        ('server_name: "example.org\\n"', None),
        ("server_name: ex/ample", None),
        (NAME + "listeners: []", "2: listeners: expected a list of sections, found an empty one"),
        (NAME + "listeners: [7]", "2: listeners[0]: expected a section of options, found 7"),
        (
            NAME + "registration: {shared_secret: 12345678901234567}",
            "2: registration.shared_secret: expected a text, found something else",
        ),
    ],
)
def test_hostile_text_is_a_problem_with_a_line(text: str, complaint: str | None) -> None:
    found = complaints(text)
    assert len(found) == 1
    assert complaint is None or found == [complaint]


def test_aliases_that_blow_up_cost_nothing() -> None:
    layers = ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    exempt = "limits: {rates: {exempt_users: *a11}}"
    uses = ["database: {engine: *a11}", exempt, "data_dir: *a11", "listeners: *a11"]
    problems = check_text(NAME + "\n".join(layers + uses), "c.yaml", {})
    assert {"database.engine", "limits.rates.exempt_users[0]", "data_dir", "listeners[8]"} <= {
        problem.option for problem in problems
    }


def test_a_file_in_another_encoding_is_a_problem(tmp_path: Path) -> None:
    file = tmp_path / "oriz.yaml"
    file.write_bytes(NAME.encode() + "data_dir: Köln\n".encode("latin-1"))
    assert [str(problem) for problem in check(file)] == [f"{file}:2: expected YAML, but it is not in UTF-8"]
    file.write_bytes("\ufeff".encode() + NAME.encode())
    assert check(file) == []


def test_a_file_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with pytest.raises(ConfigWrong) as raised:
        load(tmp_path)
    assert str(raised.value) == f"{tmp_path}: the configuration cannot be read: Is a directory"


def test_a_wrong_configuration_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigWrong) as raised:
        loaded(tmp_path, NAME + "rooms: {}\nroom: {}\n")
    (problem,) = raised.value.problems
    assert (problem.line, problem.option, problem.nearest) == (3, "room", "rooms")
