"""Environments, triggers, members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from maestrale.client.absent import NOT_GIVEN
from maestrale.client.binding import Kind, M, operation
from maestrale.client.collections import Collection, SharedCollection
from maestrale.client.conversation import Request
from maestrale.client.paths import by_identifier, given, path, selected
from maestrale.client.reading import many, nothing, one
from maestrale.client.results import CronTrigger, Environment, EventTrigger, Member


def _named(**values: Any) -> dict[str, Any]:
    """The values that are sent, None too."""
    return {name: value for name, value in values.items() if value is not NOT_GIVEN}


class Environments(Collection[M, Environment]):
    """Environments; they go by their names only."""

    kind = Environment
    collection = "environments"

    @operation
    def get(self, name: str, *, fields: Sequence[str] = ()) -> Request[Environment]:
        """The environment of this name."""
        return Request("GET", path("environments", name), one(Environment), selected(fields))

    @operation
    def create(
        self,
        /,
        name: str,
        variables: Any = NOT_GIVEN,
        *,
        description: Any = NOT_GIVEN,
        scope: Any = NOT_GIVEN,
        **more: Any,
    ) -> Request[Environment]:
        """Store an environment; `Conflict` if it exists already.

        `scope` is "private" or "public". `more`: attributes that only the server knows.
        """
        body = _named(name=name, variables=variables, description=description, scope=scope, **more)
        return Request("POST", "/environments", one(Environment), body=body)

    @operation
    def update(
        self,
        /,
        name: str,
        variables: Any = NOT_GIVEN,
        *,
        description: Any = NOT_GIVEN,
        scope: Any = NOT_GIVEN,
        **more: Any,
    ) -> Request[Environment]:
        """Change the environment of this name. Given variables replace all; what is not given stays."""
        body = _named(name=name, variables=variables, description=description, scope=scope, **more)
        return Request("PUT", "/environments", one(Environment), body=body)

    @operation
    def delete(self, name: str) -> Request[None]:
        """Remove the environment of this name."""
        return Request("DELETE", path("environments", name), nothing)


class CronTriggers(SharedCollection[M, CronTrigger]):
    """Cron triggers."""

    kind = CronTrigger
    collection = "cron_triggers"

    @operation
    def get(self, identifier: str, *, fields: Sequence[str] = ()) -> Request[CronTrigger]:
        """The trigger with this id or name."""
        return Request("GET", path("cron_triggers", identifier), one(CronTrigger), selected(fields))

    @operation
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
    ) -> Request[CronTrigger]:
        """Start `workflow` (an id or a name) when `pattern` says, `count` times; not before `first_time`
        (`YYYY-MM-DD HH:MM` in UTC), or only then."""
        body = {"name": name} | by_identifier("workflow", workflow)
        body |= given(
            workflow_input=input,
            workflow_params=params,
            pattern=pattern,
            first_execution_time=first_time,
            remaining_executions=count,
        )
        return Request("POST", "/cron_triggers", one(CronTrigger), body=body)

    @operation
    def delete(self, identifier: str) -> Request[None]:
        """Remove the trigger with this id or name."""
        return Request("DELETE", path("cron_triggers", identifier), nothing)


class EventTriggers(SharedCollection[M, EventTrigger]):
    """Event triggers."""

    kind = EventTrigger
    collection = "event_triggers"

    @operation
    def get(self, identifier: str, *, fields: Sequence[str] = ()) -> Request[EventTrigger]:
        """The trigger with this id."""
        return Request("GET", path("event_triggers", identifier), one(EventTrigger), selected(fields))

    @operation
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
    ) -> Request[EventTrigger]:
        """Start a workflow for each message of that `event` that comes by `exchange` and `topic`."""
        body = {"workflow_id": workflow_id, "exchange": exchange, "topic": topic, "event": event}
        body |= given(name=name, workflow_input=input, workflow_params=params)
        return Request("POST", "/event_triggers", one(EventTrigger), body=body)

    @operation
    def update(
        self,
        identifier: str,
        *,
        name: str | None = None,
        workflow_id: str | None = None,
        input: Any = None,  # noqa: A002
        params: Mapping[str, Any] | None = None,
    ) -> Request[EventTrigger]:
        """Change what is given; the message that is waited for stays."""
        body = given(name=name, workflow_id=workflow_id, workflow_input=input, workflow_params=params)
        return Request("PUT", path("event_triggers", identifier), one(EventTrigger), body=body)

    @operation
    def delete(self, identifier: str) -> Request[None]:
        """Remove the trigger with this id."""
        return Request("DELETE", path("event_triggers", identifier), nothing)


class Members(Kind[M]):
    """Projects with which private objects are shared; so far workflows alone can be."""

    @operation
    def list(self, resource_id: str, resource_type: str = "workflow") -> Request[Sequence[Member]]:
        """All members for the owner, for a member only itself."""
        return Request("GET", _members(resource_id, resource_type), many(Member, "members"))

    @operation
    def get(self, resource_id: str, member_id: str, resource_type: str = "workflow") -> Request[Member]:
        """One member; `member_id` is the id of its project."""
        return Request("GET", _members(resource_id, resource_type, member_id), one(Member))

    @operation
    def create(self, resource_id: str, member_id: str, resource_type: str = "workflow") -> Request[Member]:
        """Share with a project; `Conflict` if that was done already."""
        address = _members(resource_id, resource_type)
        return Request("POST", address, one(Member), body={"member_id": member_id})

    @operation
    def update(
        self, resource_id: str, member_id: str, status: str, resource_type: str = "workflow"
    ) -> Request[Member]:
        """Answer what is shared with one's own project: "accepted", "rejected" or "pending"."""
        address = _members(resource_id, resource_type, member_id)
        return Request("PUT", address, one(Member), body={"status": status})

    @operation
    def delete(self, resource_id: str, member_id: str, resource_type: str = "workflow") -> Request[None]:
        """Share with that project no more."""
        return Request("DELETE", _members(resource_id, resource_type, member_id), nothing)


def _members(resource_id: str, resource_type: str, *member_id: str) -> str:
    return path(f"{resource_type}s", resource_id, "members", *member_id)
