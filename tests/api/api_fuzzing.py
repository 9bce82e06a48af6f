"""Requests made at random from the OpenAPI document, sent to a service that has objects of every kind.

Schemathesis makes them, right ones and wrong ones, and holds the answers to the document: no 500, no status,
type, header or attribute that it does not tell. What it makes would seldom name an object that exists, so
ids, names and definitions are replaced by such ones now and then.
"""

from __future__ import annotations

import math
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx
import schemathesis
from api_service import NOBODY, Api, serving
from callers import BOB, ROOT, token_file
from conformity import close
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from maestrale.actions.process_settings import ProcessSettings
from maestrale.config import ApiLimits, ServerSettings

AnyCase = Case[Any]
BASE: Final = "http://localhost:8989"
CHECKS: Final = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
WORKFLOWS: Final = """version: '2.0'
quick:
  tags: [a]
  input: [name: Ada]
  output: {greeting: <% $.greeting %>}
  tasks:
    greet: {action: std.echo output="Hello <% $.name %>", publish: {greeting: <% task().result %>}}
broken:
  tasks:
    each: {with-items: 'i in <% [1, 2] %>', action: std.fail}
outside:
  tasks:
    wait: {action: std.async_noop}
above:
  tasks:
    below: {workflow: quick, publish-on-error: {x: 1}}
    also: {workflow: broken, retry: {count: 1, delay: 0}}
"""
TEXTS: Final = {
    "workflows": (WORKFLOWS, "version: '2.0'\nquick: {tasks: {t: {action: std.noop}}}\n"),
    "workbooks": (
        "version: '2.0'\nname: book\nworkflows: {w: {tasks: {t: {action: a}}}}\n"
        "actions: {a: {base: std.noop}}\n",
        "version: '2.0'\nname: other\nworkflows: {w: {tasks: {t: {action: std.noop}}}}\n",
    ),
    "actions": ("version: '2.0'\nadhoc: {base: std.echo, input: [x: 1], base-input: {output: <% $.x %>}}\n",),
    "code_sources": ("class Greet:\n    def run(self, context):\n        return 1\n", "x = (\n"),
}
NAMES: Final = (
    *("quick", "broken", "outside", "above", "book", "adhoc", "std.echo", "std.fail", "std.async_noop"),
    *("place", "source", "greet", "Greet", "nightly", "green"),
)
LINKED: Final = {
    "workflow_id": "workflows",
    "workflow_execution_id": "executions",
    "source_execution_id": "executions",
    "task_execution_id": "tasks",
    "root_execution_id": "executions",
    "action_id": "action_executions",
    "code_source_id": "code_sources",
}
"""Where names that end so get their ids from."""

NAMED: Final = frozenset(
    {"name", "identifier", "workflow_name", "code_source_name", "class_name", "member_id", "workflow_id"}
)
MOST_IDS: Final = 40

Ids = dict[str, list[str]]


@contextmanager
def fuzzed(database_url: str, folder: Path) -> Iterator[Fuzzing]:
    """A service with callers, in which there is something of everything."""
    server = ServerSettings(auth=f"tokens:{token_file(folder)}")
    limits = ApiLimits(max_wait=0.05, allow_action_execution_deletion=True)
    with serving(database_url, server, limits, ProcessSettings(enabled=True)) as stranger:
        yield Fuzzing(stranger.as_caller(ROOT))


class Asker(NamedTuple):
    """Somebody who asks, so often among others. `headers`: who that is, made anew for each request."""

    weight: int
    headers: Callable[[random.Random], dict[str, str]]
    complaint: Callable[[str, httpx.Response], str | None] = lambda _label, _answer: None
    """What is wrong with an answer that this one gets, if anything is."""


def with_token(token: str) -> Callable[[random.Random], dict[str, str]]:
    """Always the same token."""
    return lambda _chance: {"X-Auth-Token": token}


ASKERS: Final = (
    Asker(8, with_token(ROOT)),
    Asker(2, with_token(BOB)),
    Asker(1, with_token("nobody's")),
)


class Fuzzing:
    """Sends random requests. `answers` counts them by operation and status.

    `root`: an administrator, for whom there is something of everything; `prepare` makes things of others
    before each round, of which it gives the ids by collection.
    """

    def __init__(
        self, root: Api, askers: Sequence[Asker] = ASKERS, prepare: Callable[[], Ids] = dict
    ) -> None:
        self.api = root
        self._askers = askers
        self._prepare = prepare
        document = self.api.get("/openapi.json")
        close(document["components"]["schemas"])
        schema = schemathesis.openapi.from_dict(document)
        schema.app = self.api.app
        found: Any = schema.get_all_operations()
        self.operations = [operation.ok() for operation in found]
        self._askable = {(label_of(one), mode) for one in self.operations for mode in GenerationMode}
        self.answers: Counter[tuple[str, int]] = Counter()
        self.findings: dict[str, str] = {}
        self._ids: Ids = {}
        self._fill()

    def round(self, number: int, examples: int, end: float = math.inf) -> None:
        """So many requests of each operation, until the time `end` at most."""
        for operation in self.operations:
            for mode in GenerationMode:
                if (label_of(operation), mode) in self._askable and time.monotonic() < end:
                    self._ask(operation, mode, number, examples)
            self.api("PUT", "/maintenance", json={"status": "RUNNING"})
        self._fill()

    def last(self, seconds: float, first: int, examples: int = 20) -> int:
        """Rounds until the time is over; the seed of the last one."""
        end = time.monotonic() + seconds
        number = first
        while True:
            self.round(number, examples, end)
            if time.monotonic() >= end:
                return number
            number += 1

    def _ask(self, operation: Any, mode: GenerationMode, number: int, examples: int) -> None:
        label = label_of(operation)

        @seed(number)
        @settings(
            max_examples=examples,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(mode), st.integers(0, 2**32))
        def ask(case: AnyCase, choice: int) -> None:
            chance = random.Random(choice)
            self._steer(case, chance)
            asker = chance.choices(self._askers, [asker.weight for asker in self._askers])[0]
            answer: Any = case.call(base_url=BASE, headers=asker.headers(chance))
            self.answers[label, answer.status_code] += 1
            case.validate_response(answer, checks=CHECKS)
            if complaint := asker.complaint(label, answer):
                raise AssertionError(complaint)
            if answer.status_code < 300 and answer.content[:1] == b"{":
                self._learn(case, answer.json())

        try:
            ask()
        except Unsatisfiable:
            self._askable.discard((label, mode))  # without arguments nothing can be wrong
        except Exception as error:  # noqa: BLE001 - told at the end, with all the others
            causes = [error, *getattr(error, "exceptions", ())]  # of what happens now and then only
            told = "\n".join(str(cause) for cause in causes)
            self.findings.setdefault(f"{label}: {str(error)[:120]}", f"seed {number}: {told}")

    def _fill(self) -> None:
        """See to it that there is something of everything."""
        others = self._prepare()
        api = self.api
        made = api("POST", "/v2/workflows", content=WORKFLOWS.encode())
        assert made.status_code in (201, 409), made.text
        api("POST", "/v2/workbooks", content=TEXTS["workbooks"][0].encode())
        api("POST", "/v2/actions", content=TEXTS["actions"][0].encode())
        api("POST", "/v2/environments", json={"name": "place", "variables": {"a": 1}})
        source = TEXTS["code_sources"][0].encode()
        api("POST", "/v2/code_sources", params={"name": "source"}, content=source)
        greet = {"name": "greet", "class_name": "Greet", "code_source_name": "source"}
        api("POST", "/v2/dynamic_actions", json=greet)
        nightly = {"name": "nightly", "workflow_name": "quick", "pattern": "0 0 1 1 *"}
        api("POST", "/v2/cron_triggers", json=nightly)
        for name in ("quick", "broken", "outside", "above"):
            api("POST", "/v2/executions", json={"workflow_name": name})
        api("POST", "/v2/action_executions", json={"name": "std.async_noop", "params": {"save_result": True}})
        own = ids_of(api)
        self._ids = {name: own[name] + others.get(name, []) for name in own}
        for workflow in own["workflows"][:2]:
            message = {"workflow_id": workflow, "exchange": "e", "topic": "t", "event": "e"}
            api("POST", "/v2/event_triggers", json=message)
            api("POST", f"/v2/workflows/{workflow}/members", json={"member_id": "green"})

    def _learn(self, case: AnyCase, answer: Any) -> None:
        collection = case.operation.path.split("/")[2] if case.operation.path.startswith("/v2/") else ""
        known = self._ids.get(collection)
        if known is not None and isinstance(answer.get("id"), str):
            known.append(answer["id"])
            del known[:-MOST_IDS]

    def _steer(self, case: AnyCase, chance: random.Random) -> None:
        """Name what there is."""
        path = case.operation.path
        collection = path.split("/")[2] if path.startswith("/v2/") else ""
        for place in (case.path_parameters, case.query, case.body):
            if isinstance(place, dict):
                for name in list(place):
                    found = self._fitting(collection, name, chance)
                    if found is not None and chance.random() < 0.7:
                        place[name] = found
        if path.endswith("/events"):  # of what has ended: the others would go on for ever
            ended = self.api("GET", "/v2/executions", params={"state": "in:SUCCESS,ERROR", "limit": "3"})
            rows = ended.json()["executions"]
            case.path_parameters["id"] = chance.choice([NOBODY, *(row["id"] for row in rows)])
        texts = TEXTS.get(collection)
        if texts and case.media_type == "text/plain" and chance.random() < 0.7:
            case.body = _worn(chance.choice(texts), chance)

    def _fitting(self, collection: str, name: str, chance: random.Random) -> str | None:
        choices: list[str] = []
        if name in ("id", "identifier", "marker"):
            choices += self._ids.get(collection, [])
        choices += self._ids.get(LINKED.get(name, ""), [])
        if name in NAMED:
            choices += NAMES
        return chance.choice(choices) if choices else None


def ids_of(api: Api) -> Ids:
    """The newest of what somebody has, of each kind that has ids."""
    found: Ids = {}
    for collection in ("workflows", "executions", "tasks", "action_executions", "code_sources",
                       "dynamic_actions", "cron_triggers", "event_triggers"):  # fmt: skip
        answer = api("GET", f"/v2/{collection}", params={"limit": MOST_IDS})
        found[collection] = [row["id"] for row in answer.json().get(collection, ())]
    return found


def label_of(operation: Any) -> str:
    """Method and path."""
    return f"{operation.method.upper()} {operation.path}"


def _worn(text: str, chance: random.Random) -> str:
    """Now and then with something left out, or twice."""
    if chance.random() < 0.6:
        return text
    start, end = sorted(chance.randrange(len(text)) for _ in range(2))
    cut: Callable[[], str] = chance.choice(
        [lambda: text[:start] + text[end:], lambda: text[:end] + text[start:]]
    )
    return cut()
