"""Use cases: check, authorise, act, answer. The API and the UI call these and nothing below."""

from __future__ import annotations

from typing import NamedTuple

from maestrale.services.action_executions import ActionExecutions
from maestrale.services.actions import Actions
from maestrale.services.code_sources import CodeSources
from maestrale.services.definitions import Definitions
from maestrale.services.dynamic_actions import DynamicActions
from maestrale.services.environments import Environments
from maestrale.services.evaluations import Evaluations
from maestrale.services.events import Events
from maestrale.services.executions import Executions
from maestrale.services.health import Readiness
from maestrale.services.members import Members
from maestrale.services.operations import Operations
from maestrale.services.overviews import Overviews
from maestrale.services.tasks import Tasks
from maestrale.services.triggers import CronTriggers, EventTriggers
from maestrale.services.why import Why
from maestrale.services.workbooks import Workbooks


class Services(NamedTuple):
    """All use cases of one service."""

    definitions: Definitions
    workbooks: Workbooks
    environments: Environments
    code_sources: CodeSources
    dynamic_actions: DynamicActions
    executions: Executions
    tasks: Tasks
    action_executions: ActionExecutions
    actions: Actions
    cron_triggers: CronTriggers
    event_triggers: EventTriggers
    operations: Operations
    why: Why
    evaluations: Evaluations
    members: Members
    events: Events
    readiness: Readiness
    overviews: Overviews
