"""The specification's documents of the client-server API as one OpenAPI document, of what Oriz has built.

The specification keeps a file for each subject, and these refer to others. Here each file is a member of `x-files`, and
a reference to a file becomes one into that member.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from tests.conformance.declarations import all_endpoints
from tests.conformance.operations import is_built, key, operations, signature
from tests.support.schemas.exceptions import CORRECTIONS
from tests.support.schemas.stage import Known

FOLDER = Path("data", "api", "client-server")
METHODS = ("get", "put", "post", "delete")
NAMED = ("properties", "patternProperties", "$defs", "headers", "responses", "schemas", "parameters")
"""Under these stand names that anybody may have chosen, and not words of OpenAPI."""
LEFT_OUT = ("example", "examples", "description", "summary", "deprecated", "tags")
JSON = "application/json"
QUERY_TOKEN = "accessTokenQuery"
"""A second way to say who one is, which the specification has deprecated; the tests of `web` look after it."""

Json = dict[str, Any]


class Description:
    """What a checkout of matrix-spec says; `known` are values and bodies that succeed, to be tried among others."""

    def __init__(self, specification: Path, known: Known) -> None:
        self._data = (specification / "data").resolve()
        self._known = known
        self._files: dict[str, Any] = {}
        self._declared = {key(endpoint) for endpoint in all_endpoints()}

    def document(self, only: str) -> Json:
        """The operations that are built and have this text in method and path.

        Of two operations at one address it has the first, by the names of the files.
        """
        built = {each.key for each in operations() if each.api == "client-server" and is_built(each, self._declared)}
        paths: dict[str, Json] = {}
        for file, method, path, operation in self._operations():
            if only in f"{method.upper()} {path}" and signature(method.upper(), path) in built:
                paths.setdefault(path, {}).setdefault(method, self._operation(operation, file, f"{method} {path}"))
        return {
            "openapi": "3.1.0",
            "info": {"title": "Matrix client-server API", "version": "1"},
            "paths": paths,
            "components": {"securitySchemes": {"accessTokenBearer": {"type": "http", "scheme": "bearer"}}},
            "x-files": self._files,
        }

    def not_declared(self, only: str) -> set[tuple[str, str]]:
        """Method and path of the operations with this text whose address Oriz does not know."""
        everything = {(method.upper(), path) for _, method, path, _ in self._operations()}
        return {each for each in everything if only in " ".join(each) and signature(*each) not in self._declared}

    def errcodes(self) -> set[str]:
        """Every code that the specification has anywhere."""
        texts = [*self._data.rglob("*.yaml"), *(self._data.parent / "content").rglob("*.md")]
        return {code for text in texts for code in re.findall(r"\bM_[A-Z_]+\b", text.read_text(encoding="utf-8"))}

    def _operations(self) -> Iterator[tuple[Path, str, str, Json]]:
        for file in sorted((self._data.parent / FOLDER).glob("*.yaml")):
            subject = self._load(file)
            base = subject["servers"][0]["variables"]["basePath"]["default"]
            for path, methods in subject["paths"].items():
                yield from ((file, name, base + path.strip(), methods[name]) for name in METHODS if name in methods)

    def _operation(self, operation: Json, file: Path, name: str) -> Json:
        taken: Json = self._take(operation, file)
        taken["security"] = [way for way in operation.get("security", []) if QUERY_TOKEN not in way]
        body = operation.get("requestBody", {}).get("content", {}).get(JSON, {})
        example = body.get("schema", {}).get("example")
        if example is not None:
            taken["requestBody"]["content"][JSON]["example"] = self._known.bodies.get(name) or self._made_true(example)
        return taken

    def _made_true(self, example: Json) -> Json:
        """An example of the specification with values that exist."""
        return {member: self._known.values.get(member, [each])[0] for member, each in example.items()}

    def _take(self, value: Any, file: Path, *, names: bool = False) -> Any:
        """A part of a file, with references into `x-files`; `names` where the members are named by the author."""
        if isinstance(value, list):
            return [self._take(each, file) for each in value]
        if not isinstance(value, dict):
            return value
        taken = {
            name: self._take(each, file, names=name in NAMED and not names)
            for name, each in value.items()
            if names or name not in LEFT_OUT
        }
        if not names and isinstance(value.get("$ref"), str):
            taken["$ref"] = self._refer(value["$ref"], file)
        if value.get("in") in ("path", "query") and value.get("name") in self._known.values:
            taken["schema"] = {**taken["schema"], "examples": list(self._known.values[value["name"]])}
        return taken

    def _refer(self, reference: str, file: Path) -> str:
        place, _, pointer = reference.strip().partition("#")
        target = (file.parent / place).resolve() if place else file
        name = str(target.relative_to(self._data).with_suffix("")).replace("/", ".")
        if name not in self._files:
            self._files[name] = {}  # so that files may refer to each other
            content = {part: each for part, each in self._load(target).items() if part not in ("paths", "servers")}
            self._files[name] = self._take(content, target)
        return f"#/x-files/{name}{pointer}"

    def _load(self, file: Path) -> Any:
        """A file's content, corrected."""
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        for correction in CORRECTIONS:
            if self._data.parent / FOLDER / correction.file == file:
                *way, last = correction.place
                part = content
                for name in way:
                    part = part[name]
                part[last] = correction.value
        return content
