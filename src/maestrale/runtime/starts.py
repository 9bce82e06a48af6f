"""What a wish to start a workflow means: which definition, whose environment, who is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

from maestrale.engine.events import Started
from maestrale.model.errors import BadRequest
from maestrale.model.notifications import Publisher, checked_publishers
from maestrale.model.secrets import WELL_KNOWN, SecretRules, marked_publishers
from maestrale.model.values import Json
from maestrale.store.catalogue import definition_to_start
from maestrale.store.environments import find_variables
from maestrale.store.selection import Viewer


class Wish(msgspec.Struct, frozen=True):
    """`workflow` is an id, or a name in `namespace`."""

    workflow: str
    namespace: str = ""
    input: dict[str, Json] = {}
    params: dict[str, Json] = {}
    description: str | None = None


def started_event(
    connection: Connection,
    viewer: Viewer,
    wish: Wish,
    everybody: Sequence[Publisher],
    secrets: SecretRules = WELL_KNOWN,
) -> Started:
    """The event that fulfils a wish of this viewer's project. `everybody`: who is told of all executions.
    `secrets`: what of the input and the environment is secret.

    NotFound if there is no such workflow, BadRequest for params that make no sense.
    """
    params = wish.params
    if params.get("env") is not None:
        params = {**params, "env": environment_of(connection, viewer.project_id, params["env"], secrets)}
    publishers = checked_publishers(params.get("notify"), "params.notify")
    publishers += [publisher for publisher in everybody if publisher not in publishers]
    if publishers:
        params = {**params, "notify": marked_publishers(list(publishers))}
    definition = definition_to_start(connection, viewer, wish.workflow, wish.namespace)
    return Started(
        workflow_name=definition.name,
        definition_hash=definition.text_hash,
        workflow_id=definition.id,
        workbook=definition.workbook,
        namespace=definition.namespace,
        project_id=viewer.project_id,
        input=secrets.input.marked_map(wish.input),
        params=params,
        description=wish.description,
    )


def environment_of(
    connection: Connection, project_id: str, given: Any, secrets: SecretRules = WELL_KNOWN
) -> dict[str, Json]:
    """The variables that a request means: a map, or the name of a stored environment of the project.

    BadRequest for anything else.
    """
    if given == "":
        return {}
    if isinstance(given, dict):
        return secrets.environment.marked_map(given)
    if not isinstance(given, str):
        kind = type(given).__name__
        raise BadRequest(f"Unexpected value type for environment [env={given}, type={kind}]")
    variables = find_variables(connection, project_id, given)
    if variables is None:
        raise BadRequest(
            f"Environment is not found: {given}", "`mistral environment-list` shows the stored ones"
        )
    return variables
