"""The kinds of objects that the API knows, and what can be done with each."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Final, NamedTuple, Protocol
from urllib.parse import quote

Resource = dict[str, Any]
"""One object of the API."""

Resources = list[Resource]


class Page(NamedTuple):
    """Objects in the order of the server; `more` says that others probably follow."""

    items: Resources
    more: bool


class _NotGiven:
    def __repr__(self) -> str:
        return "NOT_GIVEN"


SILENCE: Final = 45.0
"""Seconds without a word after which a stream of events has broken off; a server speaks every 15."""

NOT_GIVEN: Final = _NotGiven()
"""Stands for an output that is not sent, because None is an output like any other."""


class Connection(Protocol):
    """What the kinds need of a `Client`."""

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        text: str | None = None,
        patient: bool = False,
        beside: bool = False,
    ) -> Any:
        """Send one request, return the parsed answer."""

    def lines(self, path: str, headers: Mapping[str, str], silence: float) -> Iterator[str]:
        """The lines of a stream of events as they come."""


class Event(NamedTuple):
    """One event of an execution. `id` is for going on after it; `is_end`: nothing follows."""

    id: str
    is_end: bool
    data: dict[str, Any]


def _given(**values: Any) -> dict[str, Any]:
    """The values that are neither None nor empty."""
    return {name: value for name, value in values.items() if value not in (None, "")}


class Collection:
    """What all kinds of objects have in common.

    `path` is also the name of the list in answers; `parent` is the kind that `list(below=...)` names.
    """

    path: ClassVar[str]
    parent: ClassVar[str] = ""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(
        self,
        *,
        below: str = "",
        marker: str = "",
        limit: int | None = None,
        sort_keys: str = "",
        sort_dirs: str = "",
        fields: Iterable[str] = (),
        filters: Mapping[str, str] | None = None,
    ) -> Page:
        """Up to `limit` objects after the one with the id `marker`.

        Without a positive `limit` all of them, however many pages the server makes of it. `filters` are
        parameters of the API, `{"state": "neq:SUCCESS"}`. `below` is the id of the workflow execution whose
        tasks, or of the task whose action executions are listed.
        """
        query = dict(filters or {}) | _given(
            marker=marker, sort_keys=sort_keys, sort_dirs=sort_dirs, fields=",".join(fields)
        )
        path = f"/{self.parent}/{quote(below, safe='')}/{self.path}" if below else f"/{self.path}"
        if limit is not None and limit > 0:
            return self._page(path, query | {"limit": str(limit)})
        return Page([item for page in self._pages(path, query) for item in page.items], False)

    def _pages(self, path: str, query: dict[str, str]) -> Iterator[Page]:
        while True:
            page = self._page(path, query)
            yield page
            if not page.more or not page.items or page.items[-1]["id"] == query.get("marker"):
                return
            # Behind a proxy the `next` link may lead astray, the marker does not.
            query = query | {"marker": page.items[-1]["id"]}

    def _page(self, path: str, query: dict[str, str]) -> Page:
        answer = self._connection.request("GET", path, query=query)
        return Page(answer[self.path], "next" in answer)

    def get(self, identifier: str) -> Resource:
        """The object with this id (or name, where the API knows it by name)."""
        return self._get(identifier, {})

    def _get(self, identifier: str, query: dict[str, str]) -> Resource:
        answer: Resource = self._connection.request("GET", self._item(identifier), query=query)
        return answer

    def _item(self, identifier: str) -> str:
        return f"/{self.path}/{quote(identifier, safe='')}"


class Texts(Collection):
    """Kinds of objects that are uploaded as text."""

    def get(self, identifier: str, namespace: str = "") -> Resource:
        """The definition with this id (not of workbooks), or this name in `namespace`."""
        return self._get(identifier, _given(namespace=namespace))

    def delete(self, identifier: str, namespace: str = "") -> None:
        """Remove the definition with this id (not of workbooks), or this name in `namespace`."""
        self._connection.request("DELETE", self._item(identifier), query=_given(namespace=namespace))

    def validate(self, text: str) -> Resource:
        """`{"valid": bool, "error": text}` for `text`, which is not stored."""
        answer: Resource = self._connection.request("POST", f"/{self.path}/validate", text=text)
        return answer

    def _upload(self, method: str, path: str, text: str, namespace: str, public: bool) -> Resource:
        query = {"scope": "public" if public else "private"} | _given(namespace=namespace)
        answer: Resource = self._connection.request(method, path, query=query, text=text)
        return answer


class Definitions(Texts):
    """Kinds of which several may stand in one text."""

    def create(self, text: str, namespace: str = "", public: bool = False) -> Resources:
        """Store every definition of `text`; `ApiError` 409 if one of them exists already."""
        return self._all_of(self._upload("POST", f"/{self.path}", text, namespace, public))

    def update(self, text: str, namespace: str = "", public: bool = False, identifier: str = "") -> Resources:
        """Replace the definitions of `text`, or the one with the id or name `identifier`."""
        path = self._item(identifier) if identifier else f"/{self.path}"
        return self._all_of(self._upload("PUT", path, text, namespace, public))

    def _all_of(self, answer: Resource) -> Resources:
        # Updating one workflow by id is answered with the bare object.
        stored: Resources = answer.get(self.path, [answer])
        return stored


class Workflows(Definitions):
    """Workflow definitions."""

    path = "workflows"


class Actions(Definitions):
    """Actions: built in, ad-hoc and dynamic ones."""

    path = "actions"


class Workbooks(Texts):
    """Workbooks; they go by their names only."""

    path = "workbooks"

    def create(self, text: str, namespace: str = "", public: bool = False) -> Resource:
        """Store a workbook with its workflows and actions; `ApiError` 409 if it exists already."""
        return self._upload("POST", "/workbooks", text, namespace, public)

    def update(self, text: str, namespace: str = "", public: bool = False) -> Resource:
        """Replace a workbook with its workflows and actions."""
        return self._upload("PUT", "/workbooks", text, namespace, public)


class Environments(Collection):
    """Environments; they go by their names only."""

    path = "environments"

    def create(self, fields: Mapping[str, Any]) -> Resource:
        """Store an environment: its `name`, and as one likes `variables`, `description` and `scope`."""
        answer: Resource = self._connection.request("POST", "/environments", body=dict(fields))
        return answer

    def update(self, fields: Mapping[str, Any]) -> Resource:
        """Change the environment of that `name`. Given `variables` replace all; what is not given stays."""
        answer: Resource = self._connection.request("PUT", "/environments", body=dict(fields))
        return answer

    def delete(self, name: str) -> None:
        """Remove the environment of that name."""
        self._connection.request("DELETE", self._item(name))


class _Named(Collection):
    """Kinds that go by id or by name in a namespace, and have but one object in a request."""

    def get(self, identifier: str, namespace: str = "") -> Resource:
        """The object with this id, or this name in `namespace`."""
        return self._get(identifier, _given(namespace=namespace))

    def delete(self, identifier: str, namespace: str = "") -> None:
        """Remove the object with this id, or this name in `namespace`."""
        self._connection.request("DELETE", self._item(identifier), query=_given(namespace=namespace))


class CodeSources(_Named):
    """Python texts for dynamic actions."""

    path = "code_sources"

    def create(self, name: str, text: str, namespace: str = "", public: bool = False) -> Resource:
        """Store `text` under `name`; `ApiError` 409 if it exists already."""
        return self._upload("POST", text, name=name, namespace=namespace, scope=_scope(public))

    def update(self, identifier: str, text: str, namespace: str = "", public: bool = False) -> Resource:
        """Store `text` as the next version of the code source with this id or name."""
        scope = "public" if public else ""
        return self._upload("PUT", text, identifier=identifier, namespace=namespace, scope=scope)

    def _upload(self, method: str, text: str, **query: str) -> Resource:
        answer: Resource = self._connection.request(method, "/code_sources", query=_given(**query), text=text)
        return answer


class DynamicActions(_Named):
    """Classes of code sources that tasks can run."""

    path = "dynamic_actions"

    def create(
        self, name: str, class_name: str, code_source: str, namespace: str = "", public: bool = False
    ) -> Resource:
        """Make a class of the code source with this id or name an action."""
        body = {"name": name, "class_name": class_name, "scope": _scope(public)}
        return self._send("POST", body | _given(namespace=namespace) | _code_source(code_source))

    def update(
        self,
        identifier: str,
        class_name: str = "",
        code_source: str = "",
        namespace: str = "",
        public: bool = False,
    ) -> Resource:
        """Change the dynamic action with this id or name; what is not given stays."""
        body = {"id" if _is_uuid(identifier) else "name": identifier}
        scope = "public" if public else ""
        body |= _given(class_name=class_name, namespace=namespace, scope=scope)
        return self._send("PUT", body | _code_source(code_source))

    def _send(self, method: str, body: dict[str, Any]) -> Resource:
        answer: Resource = self._connection.request(method, "/dynamic_actions", body=body)
        return answer


class Parents(Collection):
    """Kinds that workflow executions are started by, directly and not."""

    def sub_executions(self, identifier: str, errors_only: bool = False, max_depth: int = -1) -> Resources:
        """The workflow executions below, and itself if it is one; at most `max_depth` levels (-1: all)."""
        path = f"{self._item(identifier)}/executions"
        answer: Resource = self._connection.request("GET", path, query=_tree(errors_only, max_depth))
        found: Resources = answer["executions"]
        return found


class Executions(Parents):
    """Workflow executions."""

    path = "executions"

    def create(
        self,
        workflow: str = "",
        input: Any = None,  # noqa: A002 (the API's own word)
        *,
        params: Mapping[str, Any] | None = None,
        namespace: str = "",
        description: str = "",
        source_execution_id: str = "",
        id: str = "",  # noqa: A002
    ) -> Resource:
        """Start `workflow` (an id or a name), or again what `source_execution_id` ran.

        With an `id` of one's own the call may be repeated: an existing execution is returned as it is.
        """
        body = {"description": description} | _given(
            workflow_namespace=namespace,
            source_execution_id=source_execution_id,
            id=id,
            input=input,
            params=dict(params or {}) or None,
        )
        if workflow:
            body["workflow_id" if _is_uuid(workflow) else "workflow_name"] = workflow
        answer: Resource = self._connection.request("POST", "/executions", body=body)
        return answer

    def get(self, identifier: str, wait: float = 0) -> Resource:
        """The execution with this id; with `wait` once it has ended, or after so many seconds."""
        return self._get(identifier, {"wait": f"{wait:g}"} if wait else {})

    def events(self, identifier: str, last: str = "") -> Iterator[Event]:
        """What happens in an execution, from its beginning or after the event `last`, as it happens.

        Ends after the event that is the end, or before it if the server stops; then go on with the last id.
        """
        fields: dict[str, str] = {}
        headers = {"Last-Event-ID": last} if last else {}
        for line in self._connection.lines(f"{self._item(identifier)}/events", headers, SILENCE):
            if line:
                name, _, value = line.partition(":")
                fields[name] = value.removeprefix(" ")
                continue
            if "data" in fields:
                is_end = fields.get("event") == "end"
                yield Event(fields.get("id", last), is_end, json.loads(fields["data"]))
            fields = {}

    def update(self, identifier: str, state: str = "", description: str = "", env: Any = None) -> Resource:
        """Change the state, or the description, or merge `env` into the environment."""
        body = _given(state=state, description=description)
        if env:
            body["params"] = {"env": env}
        answer: Resource = self._connection.request("PUT", self._item(identifier), body=body)
        return answer

    def delete(self, identifier: str, force: bool = False) -> None:
        """Remove the execution with everything below it; `force` an unfinished one."""
        self._connection.request("DELETE", self._item(identifier), query={"force": "true"} if force else None)

    def report(
        self,
        identifier: str,
        errors_only: bool = True,
        max_depth: int = -1,
        statistics_only: bool = False,
    ) -> Resource:
        """How many tasks are in which state, and the tree of what has run."""
        query = _tree(errors_only, max_depth) | ({"statistics_only": "true"} if statistics_only else {})
        answer: Resource = self._connection.request("GET", f"{self._item(identifier)}/report", query=query)
        return answer


class Tasks(Parents):
    """Task executions."""

    path = "tasks"
    parent = "executions"

    def rerun(self, identifier: str, reset: bool = True, env: Any = None) -> Resource:
        """Run a failed task again; without `reset` only the failed items of a with-items task."""
        body = {"id": identifier, "state": "RUNNING", "reset": reset} | _given(env=env or None)
        answer: Resource = self._connection.request("PUT", self._item(identifier), body=body)
        return answer

    def restart(self, identifier: str, env: Any = None, dry_run: bool = False) -> Resource:
        """Run a finished execution again from this task; `tasks` of the answer are what runs again.

        With `dry_run` nothing is done.
        """
        body = _given(env=env or None, dry_run=dry_run or None)
        answer: Resource = self._connection.request("POST", f"{self._item(identifier)}/restart", body=body)
        return answer


class ActionExecutions(Collection):
    """Action executions."""

    path = "action_executions"
    parent = "tasks"

    def create(
        self,
        name: str,
        input: Any = None,  # noqa: A002
        *,
        namespace: str = "",
        save_result: bool = False,
        run_sync: bool = False,
        target: str = "",
    ) -> Resource:
        """Run the action `name`.

        Its result is in the answer unless it is saved (`save_result` without `run_sync`) or comes later, from
        outside. The call takes as long as the action.
        """
        flags = {"save_result": save_result, "run_sync": run_sync}
        params = {flag: True for flag, wanted in flags.items() if wanted} | _given(target=target)
        body = {"name": name} | _given(workflow_namespace=namespace, input=input, params=params or None)
        answer: Resource = self._connection.request("POST", "/action_executions", body=body, patient=True)
        return answer

    def update(self, identifier: str, state: str = "", output: Any = NOT_GIVEN) -> Resource:
        """Change the state, or complete it with `output`."""
        body = _given(state=state)
        if output is not NOT_GIVEN:
            body["output"] = output
        answer: Resource = self._connection.request("PUT", self._item(identifier), body=body)
        return answer

    def delete(self, identifier: str) -> None:
        """Remove one that has ended and ran outside of workflows, if the operator allows it."""
        self._connection.request("DELETE", self._item(identifier))


class CronTriggers(Collection):
    """Cron triggers."""

    path = "cron_triggers"

    def create(
        self,
        name: str,
        workflow: str,
        input: Any = None,  # noqa: A002 (the API's own word)
        *,
        params: Mapping[str, Any] | None = None,
        pattern: str = "",
        first_time: str = "",
        count: int | None = None,
    ) -> Resource:
        """Start `workflow` (an id or a name) when `pattern` says, `count` times; not before `first_time`
        (`YYYY-MM-DD HH:MM` in UTC), or only then."""
        body = {"name": name, "workflow_id" if _is_uuid(workflow) else "workflow_name": workflow} | _given(
            workflow_input=input,
            workflow_params=params,
            pattern=pattern,
            first_execution_time=first_time,
            remaining_executions=count,
        )
        answer: Resource = self._connection.request("POST", "/cron_triggers", body=body)
        return answer

    def delete(self, identifier: str) -> None:
        """Remove the trigger with this id or name."""
        self._connection.request("DELETE", self._item(identifier))


class EventTriggers(Collection):
    """Event triggers."""

    path = "event_triggers"

    def create(
        self,
        name: str,
        workflow_id: str,
        exchange: str,
        topic: str,
        event: str,
        input: Any = None,  # noqa: A002
        *,
        params: Mapping[str, Any] | None = None,
    ) -> Resource:
        """Start a workflow for each message of that `event` that comes by `exchange` and `topic`."""
        body = {"workflow_id": workflow_id, "exchange": exchange, "topic": topic, "event": event} | _given(
            name=name, workflow_input=input, workflow_params=params
        )
        answer: Resource = self._connection.request("POST", "/event_triggers", body=body)
        return answer

    def update(
        self,
        identifier: str,
        name: str | None = None,
        workflow_id: str | None = None,
        input: Any = None,  # noqa: A002
        params: Mapping[str, Any] | None = None,
    ) -> Resource:
        """Change what is given; the message that is waited for stays."""
        body = _given(name=name, workflow_id=workflow_id, workflow_input=input, workflow_params=params)
        answer: Resource = self._connection.request("PUT", self._item(identifier), body=body)
        return answer

    def delete(self, identifier: str) -> None:
        """Remove the trigger with this id."""
        self._connection.request("DELETE", self._item(identifier))


class Maintenance:
    """Whether the service runs."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(self) -> Resource:
        """`{"status": "RUNNING"}`, or PAUSING or PAUSED."""
        answer: Resource = self._connection.request("GET", "/maintenance", beside=True)
        return answer

    def update(self, status: str) -> Resource:
        """Begin maintenance (PAUSED) or end it (RUNNING); the answer is the status from now on."""
        body = {"status": status}
        answer: Resource = self._connection.request("PUT", "/maintenance", body=body, beside=True)
        return answer


def _tree(errors_only: bool, max_depth: int) -> dict[str, str]:
    return {"max_depth": str(max_depth)} | ({"errors_only": "true"} if errors_only else {})


def _scope(public: bool) -> str:
    return "public" if public else "private"


def _code_source(identifier: str) -> dict[str, str]:
    if not identifier:
        return {}
    return {"code_source_id" if _is_uuid(identifier) else "code_source_name": identifier}


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False


class Members:
    """Projects with which private objects are shared; so far workflows alone can be."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def list(self, resource_id: str, resource_type: str = "workflow") -> Resources:
        """All members for the owner, for a member only itself."""
        answer = self._connection.request("GET", self._path(resource_id, resource_type))
        found: Resources = answer["members"]
        return found

    def get(self, resource_id: str, member_id: str, resource_type: str = "workflow") -> Resource:
        """One member; `member_id` is the id of its project."""
        answer: Resource = self._connection.request("GET", self._path(resource_id, resource_type, member_id))
        return answer

    def create(self, resource_id: str, member_id: str, resource_type: str = "workflow") -> Resource:
        """Share with a project; `ApiError` 409 if that was done already."""
        path = self._path(resource_id, resource_type)
        answer: Resource = self._connection.request("POST", path, body={"member_id": member_id})
        return answer

    def update(
        self, resource_id: str, member_id: str, status: str, resource_type: str = "workflow"
    ) -> Resource:
        """Answer what is shared with one's own project: "accepted", "rejected" or "pending"."""
        path = self._path(resource_id, resource_type, member_id)
        answer: Resource = self._connection.request("PUT", path, body={"status": status})
        return answer

    def delete(self, resource_id: str, member_id: str, resource_type: str = "workflow") -> None:
        """Share with that project no more."""
        self._connection.request("DELETE", self._path(resource_id, resource_type, member_id))

    @staticmethod
    def _path(resource_id: str, resource_type: str, *member_id: str) -> str:
        parts = (f"{resource_type}s", resource_id, "members", *member_id)
        return "".join(f"/{quote(part, safe='')}" for part in parts)
