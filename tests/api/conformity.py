"""Every answer in the tests of the API is held to the OpenAPI document: its status, and what is in it."""

from __future__ import annotations

import re
from typing import Any, Final

import httpx
import jsonschema_rs

JSON: Final = "application/json"
OUTSIDE: Final = frozenset({403, 405})
"""What the guard refuses, and methods that a path does not have."""


class Description:
    """A document. Objects in answers have no attribute that it does not name."""

    def __init__(self, document: dict[str, Any]) -> None:
        self._components = document["components"]
        close(self._components["schemas"])
        paths = document["paths"].items()
        self._paths = [(re.compile(_pattern(path, methods)), path, methods) for path, methods in paths]
        self._validators: dict[tuple[str, str, str], Any] = {}

    def check(self, answer: httpx.Response) -> None:
        """AssertionError if the document does not tell of such an answer."""
        method = answer.request.method
        asked = "get" if method == "HEAD" else method.lower()
        path = answer.request.url.path
        if path not in ("/", "/v2/"):
            path = path.rstrip("/")
        found = next(((known, has) for regex, known, has in self._paths if regex.fullmatch(path)), None)
        if found is None or asked not in found[1] or answer.status_code in OUTSIDE:
            return
        label = f"{method} {path} ({found[0]})"
        responses = found[1][asked]["responses"]
        status = str(answer.status_code)
        assert status in responses, f"{label}: the document has no {status}"
        if method != "HEAD" and answer.headers.get("content-type", "").partition(";")[0] == JSON:
            errors = self._validator(found[0], asked, status, responses[status]).iter_errors(answer.json())
            told = [f"{error.instance_path}: {error.message}" for error in errors]
            assert not told, f"{label}: {told}"

    def _validator(self, path: str, method: str, status: str, response: dict[str, Any]) -> Any:
        key = (path, method, status)
        if key not in self._validators:
            if "$ref" in response:
                response = self._components["responses"][response["$ref"].rpartition("/")[2]]
            schema = response["content"][JSON]["schema"] | {"components": self._components}
            self._validators[key] = jsonschema_rs.validator_for(schema)
        return self._validators[key]


def close(schemas: dict[str, Any]) -> None:
    """Take it for wrong if an object has attributes that the document does not name."""
    for schema in schemas.values():
        if "properties" in schema:
            schema.setdefault("additionalProperties", False)


def _pattern(path: str, methods: dict[str, Any]) -> str:
    """A regular expression for a path."""
    parts = {
        part["name"]: part["schema"].get("pattern", ".+").strip("^$")
        for operation in methods.values()
        for part in operation["parameters"]
        if part["in"] == "path"
    }
    return re.sub(r"\\{(\w+)\\}", lambda match: parts[match[1]], re.escape(path))
