"""The OpenAPI document, made from the routes and from what their endpoints declare."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from typing import Any, Final

import msgspec
from starlette.routing import BaseRoute, Route

from maestrale import __version__
from maestrale.api.bodies import UnsupportedType
from maestrale.api.guard import BodyTooLarge
from maestrale.api.listing import ListQuery
from maestrale.api.maintenance import OPEN as OPEN_IN_MAINTENANCE
from maestrale.api.objects import Shown
from maestrale.api.operation import JSON, Argument, Document, Endpoint, Media, Operation, operation_of
from maestrale.api.parameters import list_parameters, path_parameters, query_parameter
from maestrale.api.replies import Fault
from maestrale.api.request_ids import HEADER as REQUEST_ID
from maestrale.api.routing import Dispatch
from maestrale.model.errors import (
    BadRequest,
    Forbidden,
    InMaintenance,
    Later,
    MaestraleError,
    Unauthorized,
    Unavailable,
)

VERSION: Final = "3.1.0"
SCHEMAS: Final = "#/components/schemas/{name}"
VERBS: Final = {"GET": "get", "POST": "create", "PUT": "update", "DELETE": "delete"}
SHORT: Final = {"/": "get_versions", "/v2": "get_v2_redirect", "/v2/": "get_v2"}
"""Operations whose paths have no words."""

DESCRIPTION: Final = """\
Runs workflows that are written in Mistral's language.

Attributes of the type "JSON in a text" are texts that hold JSON, as Mistral's clients expect it. Requests may
send a plain object instead. Unknown attributes and unknown arguments of a query are refused by name.

A list can be filtered by fields: `name=VALUE`, or `name=OPERATOR:VALUE` with `eq`, `neq`, `lt`, `lte`,
`gt`, `gte`, `in` or `nin` (values with commas), or `has` (a part of a text). It comes in pages: `next` in an
answer is the address of the following one.

`HEAD` is answered wherever `GET` is, `OPTIONS` names the methods of a path.
"""
TAGS: Final = {
    "service": "The service itself.",
    "workflows": "Definitions of workflows, and with whom they are shared.",
    "workbooks": "Workflows and ad-hoc actions in one text.",
    "actions": "Built-in, ad-hoc and dynamic actions.",
    "environments": "Variables with a name.",
    "executions": "Workflow executions.",
    "tasks": "Task executions.",
    "action_executions": "Action executions.",
    "cron_triggers": "Starts at set times.",
    "event_triggers": "Starts upon messages.",
    "code_sources": "Python texts with classes for actions.",
    "dynamic_actions": "Classes of code sources as actions.",
    "evaluations": "Expressions tried out.",
    "services": "Processes that share the work.",
}
SECURITY: Final = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "bearer": {"type": "http", "scheme": "bearer"},
}
HEADERS: Final = {
    REQUEST_ID: "The id of the request, under which logs speak of it.",
    "Server-Error-Message": "What is wrong, on one line.",
    "Retry-After": "Seconds after which it is worth asking again.",
    "WWW-Authenticate": "How to say who asks.",
}


def described(routes: Iterable[BaseRoute]) -> Iterator[tuple[str, str, Endpoint, Operation]]:
    """Path, method, endpoint and declaration of all that can be asked. LookupError if one has none."""
    for route in routes:
        assert isinstance(route, Route)
        assert isinstance(route.endpoint, Dispatch)
        for method, endpoint in route.endpoint.endpoints.items():
            declared = operation_of(endpoint)
            if declared is None:
                raise LookupError(f"{method} {route.path} is not described: declare it with @operation")
            if not declared.unlisted:
                yield route.path, method, endpoint, declared


def make_document(routes: Iterable[BaseRoute], *, is_open: bool) -> Document:
    """The document of these routes. `is_open`: whether callers need not say who they are."""
    found = list(described(routes))
    schemas = _Schemas(operation for *_, operation in found)
    paths: dict[str, Any] = {}
    errors: dict[str, type[MaestraleError]] = {}
    for path, method, endpoint, declared in found:
        failures = _failures(path, method, declared)
        errors |= {error.__name__: error for error in failures}
        entry = _entry(path, method, endpoint, declared, failures, schemas)
        paths.setdefault(re.sub(r":\w+}", "}", path), {})[method.lower()] = entry
    tags = dict.fromkeys(tag_of(path) for path, *_ in found)
    return {
        "openapi": VERSION,
        "info": {
            "title": "Maestrale",
            "version": __version__,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "tags": [{"name": tag, "description": TAGS[tag]} for tag in tags],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": {name: _failure(error, schemas) for name, error in sorted(errors.items())},
            "headers": {
                name: {"description": text, "schema": {"type": "string"}} for name, text in HEADERS.items()
            },
            "securitySchemes": SECURITY,
        },
        "security": [] if is_open else [{name: []} for name in SECURITY],
    }


def tag_of(path: str) -> str:
    """The group that a path belongs to."""
    parts = path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "v2" and parts[2] in TAGS else "service"


class _Schemas:
    """The JSON Schemas of all types that operations name."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        types: list[Any] = [Fault]
        for declared in operations:
            named = (declared.takes, declared.answers, *declared.also.values())
            types += [one for one in named if one is not None and not isinstance(one, Media)]
            if isinstance(declared.query, tuple):
                types += [argument.type for argument in declared.query]
        found, self.components = msgspec.json.schema_components(types, ref_template=SCHEMAS)
        self._of = dict(zip(map(id, types), found, strict=True))
        self._kept = types  # an id belongs to a type only as long as it is there
        for shown in _below(Shown):
            schema = self.components.get(shown.__name__)
            if schema is not None and shown.always is not None:
                schema["required"] = list(shown.always)

    def of(self, type_: Any) -> Document:
        """The schema of one of them."""
        return dict(self._of[id(type_)])


def _below(base: type[Shown]) -> Iterator[type[Shown]]:
    for child in base.__subclasses__():
        yield child
        yield from _below(child)


def _entry(
    path: str,
    method: str,
    endpoint: Endpoint,
    declared: Operation,
    failures: list[type[MaestraleError]],
    schemas: _Schemas,
) -> Document:
    summary, _, description = inspect.cleandoc(endpoint.__doc__ or "").partition("\n")
    entry: Document = {
        "operationId": operation_id(path, method),
        "tags": [tag_of(path)],
        "summary": summary.rstrip("."),
        **({"description": description.strip()} if description.strip() else {}),
        "parameters": [*path_parameters(path), *_query(declared.query, schemas)],
    }
    if declared.takes is not None:
        content = _content(declared.takes, schemas, declared.example)
        entry["requestBody"] = {"required": True, "content": content}
    entry["responses"] = _responses(declared, failures, schemas)
    if declared.open:
        entry["security"] = []
    return entry


def operation_id(path: str, method: str) -> str:
    """A name for programs: it follows from method and path alone, so it stays as long as these do."""
    if path in SHORT:
        return SHORT[path]
    parts = path.removeprefix("/").split("/")
    words = [re.sub(r"{(\w+).*}", r"by_\1", part).replace(".", "_") for part in parts]
    return "_".join([VERBS[method], *(words if tag_of(path) == "service" else words[1:])])


def _query(query: tuple[Argument, ...] | ListQuery | None, schemas: _Schemas) -> list[Document]:
    if isinstance(query, ListQuery):
        return list_parameters(query)
    return [query_parameter(argument, schemas.of(argument.type)) for argument in query or ()]


def _content(body: Any, schemas: _Schemas, example: Any = None) -> Document:
    if isinstance(body, Media):
        shown = {} if body.example is None else {"example": body.example}
        return {body.type: {"schema": {**body.schema, "description": body.description}, **shown}}
    return {JSON: {"schema": schemas.of(body), **({} if example is None else {"example": example})}}


def _responses(
    declared: Operation, failures: list[type[MaestraleError]], schemas: _Schemas
) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for status, body in ((declared.status, declared.answers), *declared.also.items()):
        response = found.setdefault(
            str(status), {"description": HTTPStatus(status).phrase, "headers": _headers(REQUEST_ID)}
        )
        if body is not None:
            response.setdefault("content", {}).update(_content(body, schemas))
    for failure in failures:
        found[str(failure.status)] = {"$ref": f"#/components/responses/{failure.__name__}"}
    return found


def _failures(path: str, method: str, declared: Operation) -> list[type[MaestraleError]]:
    """Every error that an operation can be answered with."""
    found: set[type[MaestraleError]] = {Forbidden, MaestraleError, *declared.fails}
    if declared.query is not None or declared.takes is not None:
        found.add(BadRequest)
    if not declared.open:
        found |= {Unauthorized, Unavailable}
    if declared.takes is not None:
        found |= {BodyTooLarge, UnsupportedType}
    if method != "GET" and path not in OPEN_IN_MAINTENANCE:
        found.add(InMaintenance)
    return sorted(found, key=lambda error: error.status)


def _failure(error: type[MaestraleError], schemas: _Schemas) -> Document:
    """An answer that tells an error."""
    names = [REQUEST_ID, "Server-Error-Message"]
    names += ["Retry-After"] if issubclass(error, Later) else []
    names += ["WWW-Authenticate"] if error is Unauthorized else []
    is_ours = error is MaestraleError
    return {
        "description": "A bug or a broken surrounding." if is_ours else (error.__doc__ or "").split("\n")[0],
        "headers": _headers(*names),
        "content": {JSON: {"schema": schemas.of(Fault)}},
    }


def _headers(*names: str) -> Document:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
