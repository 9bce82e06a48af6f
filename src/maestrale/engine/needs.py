"""What a decision must know of the rest of the world: asked by raising, answered by the runtime.

The runtime reads the answer from committed data and takes the decision again from the start with all
answers so far. Answers are part of the decision record.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from maestrale.engine.execution import Places
from maestrale.lang.spec import InputParameter
from maestrale.model.actions import DYNAMIC, PROVIDED, ActionFacts, Parameter, Signature
from maestrale.model.values import Json


class Question(msgspec.Struct, frozen=True, tag_field="need"):
    """One thing to find out; equal questions have equal answers within one decision."""


class FindWorkflow(Question, frozen=True, tag="find-workflow"):
    """Which definition does a sub-workflow name mean? Answer: `FoundWorkflow` as data, or None.

    `workbook` is the workbook of the asking workflow (its members are looked up first), or empty.
    """

    name: str
    namespace: str
    project_id: str
    workbook: str = ""


class FindAction(Question, frozen=True, tag="find-action"):
    """What does an action name mean that may belong to an ad-hoc action? Answer: `FoundAction` as data.

    None if there is no such action. `workbook` as in `FindWorkflow`.
    """

    name: str
    namespace: str
    project_id: str
    workbook: str = ""


class FindTasks(Question, frozen=True, tag="find-tasks"):
    """Answer to `tasks(...)` about another execution: a list of maps."""

    execution_id: str | None
    recursive: bool
    state: str | None
    flat: bool
    project_id: str


class FindExecutions(Question, frozen=True, tag="find-executions"):
    """Answer to `executions(...)`: a list of maps."""

    execution_id: str | None
    root_execution_id: str | None
    state: str | None
    from_time: str | None
    to_time: str | None
    project_id: str


class EvaluateExpression(Question, frozen=True, tag="evaluate-expression"):
    """What is the value of a text that takes long? Answer: an `Outcome` as data.

    `key` tells the data that it is about from other data; the data themselves go with the `Need` alone.
    """

    text: str
    key: str


AnyQuestion = FindWorkflow | FindAction | FindTasks | FindExecutions | EvaluateExpression


class FoundWorkflow(msgspec.Struct, frozen=True):
    """A definition that can be started as a child."""

    workflow_id: str
    definition_hash: str
    name: str
    namespace: str
    class_name: str
    workbook: str
    input: tuple[InputParameter, ...]


class AdHocLayer(msgspec.Struct, frozen=True, omit_defaults=True):
    """One ad-hoc action of a chain. `output` is None where the result stays as it is."""

    name: str
    input: tuple[InputParameter, ...] = ()
    base_input: dict[str, Json] = {}
    inline: dict[str, Json] = {}
    output: Json = None
    places: Places = {}


class DynamicAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """A class of a code source that tasks can run. `signature` is None where the text does not tell it."""

    id: str
    class_name: str
    signature: Signature | None = None


class ProvidedAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """An action that a provider of an installed package describes, as it was when it was asked for."""

    name: str
    provider: str
    namespace: str
    class_name: str
    signature: Signature


class FoundAction(msgspec.Struct, frozen=True, omit_defaults=True):
    """What an action name means: the real action `name`, below `layers` of ad-hoc actions, outermost first.

    `problem`: why the chain of layers leads to no real action, if it does not. `dynamic`, `provided`: the
    real action, if it is one of those.
    """

    name: str
    layers: tuple[AdHocLayer, ...] = ()
    problem: str = ""
    dynamic: DynamicAction | None = None
    provided: ProvidedAction | None = None

    def facts(self, known: Callable[[str], ActionFacts | None]) -> ActionFacts | None:
        """The facts about the real action; `known` gives those about actions of the registry."""
        if self.dynamic is not None:
            signature = self.dynamic.signature or Signature(takes_any=True)
            return self._facts(signature, self.dynamic.class_name, DYNAMIC + self.dynamic.id)
        if self.provided is not None:
            key = f"{PROVIDED}{self.provided.provider}:{self.provided.namespace}:{self.name}"
            return self._facts(self.provided.signature, self.provided.class_name, key)
        return known(self.name)

    def _facts(self, signature: Signature, class_name: str, key: str) -> ActionFacts:
        return ActionFacts(
            name=self.name,
            parameters=(
                *(Parameter(name) for name in signature.required),
                *(Parameter(name, None) for name in signature.optional),
            ),
            takes_any=signature.takes_any,
            waits_outside=signature.waits_outside,
            class_name=class_name,
            key=key,
        )


Answers = dict[AnyQuestion, Json]
