"""One run of Schemathesis: what it is told of the server, what it has to look at, and what it found."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import events, from_schema

from tests.conformance.exchange import SECONDS, Answer, Request, exchange, fault
from tests.support.schemas.description import Json
from tests.support.schemas.stage import Stage

OFTEN = 0.8
"""How many of the valid values of a parameter are known ones, of those that are generated one by one."""
LONGEST_POLL_MS = 20
ENDS = ("/logout", "/logout/all")
"""After these a session is of no use."""
LEADS_OUT = ("/leave", "/kick", "/ban", "/state/{eventType}/{stateKey}")

CHECKS = {
    "enabled": False,
    "content_type_conformance": {"enabled": True},
    "response_headers_conformance": {"enabled": True},
    "response_schema_conformance": {"enabled": True},
    "ignored_auth": {"enabled": True},
    "status_as_declared": {"enabled": True},
    "matrix_error": {"enabled": True},
}


@dataclass(frozen=True, slots=True)
class Setting:
    """Who asks, for how long, from which seed; and the codes that an error may have."""

    stage: Stage
    errcodes: Set[str]
    seed: int
    seconds: int


@dataclass(frozen=True, slots=True)
class Finding:
    """What was wrong with an operation's answer; `evidence` is the answer, and the command that asks again."""

    operation: str
    message: str
    evidence: str = field(default="", compare=False)


@dataclass(slots=True)
class Outcome:
    """How often each operation was answered with each status, and how often each finding was made."""

    answers: dict[str, Counter[int]]
    findings: Counter[Finding] = field(default_factory=Counter)

    def add(self, event: Any) -> None:
        """Take what an event of Schemathesis tells."""
        if isinstance(event, events.FatalError):
            self.findings[Finding("all", f"the run broke off: {event.exception!r}")] += 1
        elif isinstance(event, events.NonFatalError):
            self.findings[Finding(event.label, f"not tried: {event.value!r}")] += 1
        elif isinstance(event, events.ScenarioFinished):
            for case_id, exchanged in event.recorder.interactions.items():
                if exchanged.response is not None:
                    self.answers[event.recorder.label][exchanged.response.status_code] += 1
                for check in event.recorder.checks.get(case_id, ()):
                    if check.failure_info is not None:
                        self.findings[_finding(event.recorder.label, exchanged.response, check.failure_info)] += 1


def _finding(operation: str, answer: Any, failed: Any) -> Finding:
    shown = "no answer" if answer is None else f"answer {answer.status_code}: {answer.text}"
    message = f"{failed.failure.title}: {failed.failure.message}"
    return Finding(operation, message, f"{shown}\n{failed.code_sample}")


def try_document(url: str, document: Json, setting: Setting, outcome: Outcome) -> None:
    """Try every operation until the time is over."""
    config = SchemathesisConfig.from_dict(_configuration(url, setting))
    schema = schemathesis.openapi.from_dict(document, config=config)
    _prepare(schema, setting)
    for event in from_schema(schema).execute():
        outcome.add(event)


def try_not_declared(url: str, addresses: Iterable[tuple[str, str]], outcome: Outcome) -> None:
    """What is not built says so: 404 M_UNRECOGNIZED; 405 where other methods of the address are built."""
    for method, path in sorted(addresses):
        answer = exchange(url, Request(method, re.sub(r"[{}]", "", path)))
        if answer.status not in (404, 405) or b'"M_UNRECOGNIZED"' not in answer.body:
            outcome.findings[
                Finding(f"{method} {path}", f"not built, and answers {answer.status}: {answer.body!r}")
            ] += 1


def _configuration(url: str, setting: Setting) -> Json:
    """What Schemathesis is told: everything but what is to be tested."""
    values = setting.stage.known.values
    return {
        "base-url": url,
        "seed": setting.seed,
        "max-time": setting.seconds,
        "continue-on-failure": True,
        "request-timeout": SECONDS,
        "max-redirects": 0,
        "suppress-health-check": ["all"],
        "dictionaries": {name: {"values": list(each)} for name, each in values.items()},
        "parameters": {
            f"{place}.{name}": {"dictionary": name, "probability": OFTEN}
            for place in ("path", "query", "body")
            for name in values
        },
        "generation": {"mode": "all", "no-shrink": True, "database": "none", "with-security-parameters": False},
        "phases": {
            "examples": {"enabled": True},
            "coverage": {"enabled": True, "unexpected-methods": [], "extra-data-sources": {"responses": False}},
            "fuzzing": {"enabled": True, "extra-data-sources": {"responses": False}},
            "stateful": {"enabled": False},
        },
        "checks": CHECKS,
        "output": {"sanitization": {"enabled": False}, "truncation": {"enabled": False}},
    }


def _prepare(schema: Any, setting: Setting) -> None:
    """Say who asks, what is done around each request, and what else is looked at."""

    def before_call(context: Any, case: Any, kwargs: Any) -> None:
        timeout = str((case.query or {}).get("timeout", ""))
        if timeout.isdecimal() and int(timeout) > LONGEST_POLL_MS:
            case.query["timeout"] = LONGEST_POLL_MS  # nobody waits for what does not come

    def after_call(context: Any, case: Any, response: Any) -> None:
        if response.status_code == 200 and case.operation.path.endswith(LEADS_OUT):
            setting.stage.mend()

    def matrix_error(context: Any, response: Any, case: Any) -> None:
        """A refusal is a 4xx with an error of Matrix, or with an offer of user-interactive authentication."""
        headers = {name: values[0] for name, values in response.headers.items()}
        answer = Answer(response.status_code, headers, response.content)
        wrong = None if answer.status < 400 else fault(answer, cors=True) or _unknown_code(answer, setting.errcodes)
        assert wrong is None, wrong

    schema.auth(refresh_interval=None)(_credentials(setting.stage))
    for hook in (before_call, after_call):
        schemathesis.hook(hook)
    for check in (status_as_declared, matrix_error):
        schemathesis.check(check)


def _credentials(stage: Stage) -> type:
    """Alice's token, or that of somebody who is not needed any more."""

    class Credentials:
        def get(self, case: Any, context: Any) -> str:
            account = stage.disposable() if case.operation.path.endswith(ENDS) else stage.alice
            return account.authorization

        def set(self, case: Any, data: str, context: Any) -> None:
            case.headers["Authorization"] = data

    return Credentials


def status_as_declared(context: Any, response: Any, case: Any) -> None:
    """A status below 400 is one of those that the operation declares; errors may come everywhere."""
    declared = case.operation.responses.status_codes
    assert response.status_code >= 400 or str(response.status_code) in declared, (
        f"status {response.status_code} is not declared, only {', '.join(declared)}"
    )


def _unknown_code(answer: Answer, errcodes: Set[str]) -> str | None:
    """A code that the specification does not have, if the error has one."""
    code = json.loads(answer.body).get("errcode")
    return None if code is None or code in errcodes else f"{code} is no code of the specification"
