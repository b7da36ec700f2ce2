"""`./dev schemas`: it passes answers that fit their description, and no others."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed: `./dev schemas` does that"
)


def specification(folder: Path, answer: dict[str, Any]) -> Path:
    """A specification of GET /account/whoami, of GET /shoes, which nobody has built, and of two errors."""
    documents = folder / "data" / "api" / "client-server"
    (documents / "definitions").mkdir(parents=True)
    (documents / "definitions" / "me.yaml").write_text(json.dumps(answer))
    success = {"description": "I", "content": {"application/json": {"schema": {"$ref": "definitions/me.yaml"}}}}
    whoami = {"security": [{"accessTokenQuery": []}, {"accessTokenBearer": []}], "responses": {"200": success}}
    shoes = {"description": "M_UNKNOWN_TOKEN, M_MISSING_TOKEN", "responses": {"200": {"description": "Shoes"}}}
    subject = {
        "servers": [{"variables": {"basePath": {"default": "/_matrix/client/v3"}}}],
        "paths": {"/account/whoami": {"get": whoami}, "/shoes": {"get": shoes}},
    }
    (documents / "whoami.yaml").write_text(json.dumps(subject))
    return folder


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.support.schemas", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)


def test_answers_that_fit_are_good(tmp_path: Path) -> None:
    answer = {"type": "object", "required": ["user_id"], "properties": {"user_id": {"type": "string"}}}
    done = run(specification(tmp_path, answer), "--minutes", "0.03", "--seed", "7")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Seed 7\n" in done.stdout
    assert "1 operations, " in done.stdout
    assert " 0 findings" in done.stdout


def test_an_answer_without_a_required_member_is_found(tmp_path: Path) -> None:
    done = run(specification(tmp_path, {"type": "object", "required": ["shoe_size"]}), "--minutes", "0.03")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "GET /_matrix/client/v3/account/whoami" in done.stdout
    assert '"shoe_size" is a required property' in done.stdout
    assert "curl -X GET" in done.stdout


def test_wrong_use_is_explained(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 2
    assert "is no checkout of matrix-spec" in done.stderr
