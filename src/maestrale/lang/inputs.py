"""What an `input` section asks for, held against what is given."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from maestrale.lang.spec import InputParameter, WorkflowSpec
from maestrale.model.actions import invalid_input


def missing_names(parameters: Sequence[InputParameter], given: Collection[str]) -> list[str]:
    """The required parameters that are not given, in the order of the section."""
    return [parameter.name for parameter in parameters if parameter.required and parameter.name not in given]


def unknown_names(parameters: Sequence[InputParameter], given: Collection[str]) -> list[str]:
    """What is given but stands not in the section."""
    declared = {parameter.name for parameter in parameters}
    return [name for name in given if name not in declared]


def check_input(spec: WorkflowSpec, given: Collection[str]) -> None:
    """Raise `InvalidInput` unless a workflow can be started with input of these names."""
    missing, unexpected = missing_names(spec.input, given), unknown_names(spec.input, given)
    if missing or unexpected:
        raise invalid_input(spec.name, spec.class_name, missing, unexpected)
