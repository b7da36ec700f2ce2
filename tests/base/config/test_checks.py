"""Rules between options, and files that must be there."""

import pytest

from oriz_matrix.base.config.load import check_text


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("database: {engine: postgresql}", "database.url: is missing; PostgreSQL needs it"),
        ("database: {engine: postgresql, url: mysql://db}", "database.url: expected a URL that starts with postgresql"),
        ("database: {engine: postgresql, url: postgresql://db, file: a}", "database.file: expected nothing"),
        ("database: {url: postgresql://db}", "database.engine: expected postgresql"),
        ("listeners: [{address: '::'}]", "listeners[0]: expected either `port` or `socket`"),
        ("listeners: [{port: 1, socket: a}]", "listeners[0]: expected either `port` or `socket`"),
        ("listeners: [{port: 1}, {port: 1}]", "listeners[1].port: expected another one, because listeners[0]"),
        ("listeners: [{port: 1}, {port: 1, address: 0.0.0.0}]", "listeners[1].port: expected another one"),
        ("listeners: [{socket: a}, {socket: ./a}]", "listeners[1].socket: expected another one"),
        ("registration: {enabled: true}", "registration.without_verification: expected true"),
        ("registration: {shared_secret: fifteen-letters}", "registration.shared_secret: expected 16 characters"),
        ("passwords: {maximum_length: 7}", "passwords.minimum_length: expected at most `maximum_length`"),
        ("passwords: {argon2: {memory_kib: 31}}", "passwords.argon2.memory_kib: expected at least 32"),
        ('rooms: {default_version: "13"}', "rooms.default_version: expected one of 1, 2,"),
        ("federation: {trusted_notaries: [a.org, 'a b']}", "federation.trusted_notaries[1]: expected the name of a"),
        ("federation: {proxy: socks://a}", "federation.proxy: expected a URL that starts with http:// or https://"),
        ("federation: {ca_files: [/no/ca.pem]}", "federation.ca_files[0]: expected a file that can be read"),
        (
            "limits: {rates: {exempt_users: ['@a:example.org', bot]}}",
            "limits.rates.exempt_users[1]: expected a user of this server, such as @bot:example.org, found 'bot'",
        ),
        (
            "limits: {rates: {exempt_users: ['@a:example.com']}}",
            "limits.rates.exempt_users[0]: expected a user of this",
        ),
    ],
)
def test_a_broken_rule_is_one_problem(text: str, complaint: str) -> None:
    (problem,) = check_text(f"server_name: example.org\n{text}\n", environment={})
    assert str(problem).startswith(f"config.yaml:2: {complaint}")


@pytest.mark.parametrize(
    "text",
    [
        "listeners: [{port: 1}, {port: 2}, {port: 1, address: 127.0.0.2}, {socket: a}, {socket: b}]",
        "listeners: [{port: 0}, {port: 0}]",
        "registration: {enabled: true, without_verification: true}",
        "registration: {shared_secret: sixteen-letters-}",
        "database: {engine: postgresql, url: postgres://db}",
    ],
)
def test_what_is_allowed_is_no_problem(text: str) -> None:
    assert check_text(f"server_name: example.org\n{text}\n", environment={}) == []


def test_files_of_certificates_must_be_there() -> None:
    problems = check_text(
        "server_name: example.org\nlisteners:\n  - port: 1\n    tls:\n      certificate: no.crt\n      key: no.key\n",
        "/nowhere/c.yaml",
        {},
    )
    assert [(each.line, each.option) for each in problems] == [
        (5, "listeners[0].tls.certificate"),
        (6, "listeners[0].tls.key"),
    ]
    assert "/nowhere/no.crt cannot: No such file or directory" in problems[0].message
