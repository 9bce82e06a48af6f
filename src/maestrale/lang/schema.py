"""The JSON Schema (draft 2020-12) of definition texts, for editors: shapes, words to choose from, and help.

It accepts every text that the parser accepts, and refuses what the parser refuses as far as a schema can
tell; names that do not exist, joins and the syntax of expressions are left to the parser.
"""

from __future__ import annotations

from typing import Any, Final, Literal

Kind = Literal["workflow", "workbook", "action"]
Schema = dict[str, Any]

# What editors read as `\w` knows no letters beyond ASCII, so characters are excluded instead of listed.
_NO_WORD: Final = r"\x00-,./:-@\[-^`{-\x7f"
_WORD: Final = rf"[^{_NO_WORD}]"
_EXPRESSION: Final = r"(?:<%[\s\S]*%>|\{\{[\s\S]*\}\})"
_QUOTES: Final = "[“”„‟«»‘’‚‛‹›\"'\\s]*"
_UUID: Final = r"^-*\{*(?:[uU][rR][nN]:)?(?:[uU][uU][iI][dD]:)?\{*(?:-*[0-9a-fA-F]){32}-*\}*-*$"
_COMMAND_START: Final = rf"(?:[^\x00-\-/:-@\[-^`{{-\x7f]|{_EXPRESSION}|\{{%[\s\S]*%\}})"

_DEFINITIONS: Final = "#/$defs/"
_NOT_REVERSE: Final = "Only in workflows of type direct."


def schema(kind: Kind) -> Schema:
    """The schema of a text of workflows, of a workbook, or of a text of ad-hoc actions."""
    body = {"workflow": _workflows, "workbook": _workbook, "action": _actions}[kind]()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **body,
        "$defs": _used(body, _definitions()),
    }


def _used(body: Schema, definitions: Schema) -> Schema:
    """The definitions that `body` refers to, directly or by others."""
    found: set[str] = set()
    waiting: list[Any] = [body]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            name = part["$ref"].removeprefix(_DEFINITIONS) if "$ref" in part else None
            if name is not None and name not in found:
                found.add(name)
                waiting.append(definitions[name])
        if isinstance(part, dict | list):
            waiting.extend(part.values() if isinstance(part, dict) else part)
    return {name: definition for name, definition in definitions.items() if name in found}


def _ref(name: str, description: str = "") -> Schema:
    reference = {"$ref": _DEFINITIONS + name}
    return {"description": description, **reference} if description else reference


def _workflows() -> Schema:
    return {
        "title": "Workflows",
        "description": "One or more workflows by their names, after the version of the language.",
        "type": "object",
        "required": ["version"],
        "minProperties": 2,
        "properties": {"version": _version()},
        "propertyNames": {**_object_name(), "not": {"pattern": _UUID}},
        "additionalProperties": _ref("workflow"),
    }


def _actions() -> Schema:
    return {
        "title": "Ad-hoc actions",
        "description": "One or more ad-hoc actions by their names, after the version of the language.",
        "type": "object",
        "required": ["version"],
        "minProperties": 2,
        "properties": {"version": _version()},
        "propertyNames": _object_name(),
        "additionalProperties": _ref("action"),
    }


def _workbook() -> Schema:
    return {
        "title": "Workbook",
        "description": "Workflows and ad-hoc actions under one name; each is stored as `workbook.member`.",
        "type": "object",
        "required": ["version", "name"],
        "properties": {
            "version": _version_two("The version of the language."),
            "name": {
                "description": "What the names of all members begin with; without blanks.",
                "type": "string",
                **_object_name(),
            },
            "description": _ref("text", "What the workbook is for."),
            "tags": _ref("texts", "Words to find the workbook by."),
            "actions": _members("action", "Ad-hoc actions by their short names."),
            "workflows": _members("workflow", "Workflows by their short names."),
        },
        "additionalProperties": False,
    }


def _members(kind: str, description: str) -> Schema:
    names: Schema = {"pattern": rf"^{_WORD}+$"}
    if kind == "workflow":
        names["not"] = {"pattern": _UUID}
    return {
        "description": description,
        "type": "object",
        "minProperties": 1,
        "propertyNames": names,
        "properties": {"version": _version_two("Not needed here: the version of the workbook counts.")},
        "additionalProperties": _ref(kind),
    }


def _version() -> Schema:
    return {
        "description": "The version of the language: '2.0'.",
        "anyOf": [{"type": "string", "minLength": 1}, {"type": "number", "minimum": 0}],
        "default": "2.0",
        "examples": ["2.0"],
    }


def _version_two(description: str) -> Schema:
    return {
        "description": description,
        "anyOf": [{"type": "string", "pattern": rf"^{_QUOTES}2(?:\.0*)?{_QUOTES}$"}, {"const": 2}],
        "default": "2.0",
        "examples": ["2.0"],
    }


def _object_name() -> Schema:
    return {"pattern": "^[^ ]+$", "maxLength": 255}


def _definitions() -> Schema:
    return {
        **_shapes(),
        "workflow": _workflow(),
        "directTask": _task(_direct_keys()),
        "reverseTask": _task(
            {"requires": _ref("oneOrMoreTexts", "The tasks that must have succeeded before this one runs.")}
        ),
        "taskDefaults": {
            "type": "object",
            "minProperties": 1,
            "properties": {
                **_policies(),
                **_clauses(),
                "requires": _ref("oneOrMoreTexts", "What every task requires. Only in reverse workflows."),
            },
            "additionalProperties": False,
        },
        "action": _action(),
    }


def _shapes() -> Schema:
    """The small things that the big ones are made of."""
    return {
        "text": {"type": "string", "minLength": 1},
        "texts": {"type": "array", "minItems": 1, "uniqueItems": True, "items": _ref("text")},
        "oneOrMoreTexts": {"anyOf": [_ref("text"), _ref("texts")]},
        "map": {"type": "object", "minProperties": 1},
        "expression": {"type": "string", "pattern": rf"^{_EXPRESSION}\s*$"},
        "numberOrExpression": {"anyOf": [{"type": "integer", "minimum": 0}, _ref("expression")]},
        "flagOrExpression": {"anyOf": [{"type": "boolean"}, _ref("expression")]},
        "command": {
            "type": "string",
            "minLength": 1,
            "pattern": rf"^(?:\S+$|{_COMMAND_START})",
        },
        "input": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {
                "anyOf": [_ref("text"), {"type": "object", "minProperties": 1, "maxProperties": 1}],
            },
        },
        "items": {
            "type": "string",
            "pattern": rf"^\s*{_WORD}+\s*in\s*(?:\[[\s\S]+\]|{_EXPRESSION})",
        },
        "retry": _retry(),
        "target": {
            "description": "A task of this workflow, or a command: noop, fail, succeed, pause.",
            "type": "string",
            "pattern": r"^(?:\S+|[^\s(=]+ [^\s=]+=[\s\S]*|[^\s(=]+\([^\s=]+=[\s\S]*\)\s*)$",
            "examples": ["noop", "fail", 'fail msg="why"', "succeed", "pause"],
        },
        "guardedTarget": {
            "description": "A target, and the expression that must be true to go there.",
            "type": "object",
            "minProperties": 1,
            "maxProperties": 1,
            "propertyNames": _ref("target"),
            "additionalProperties": _ref("expression"),
        },
        "targets": {
            "anyOf": [
                _ref("target"),
                _ref("guardedTarget"),
                {
                    "type": "array",
                    "minItems": 1,
                    "uniqueItems": True,
                    "items": {"anyOf": [_ref("target"), _ref("guardedTarget")]},
                },
            ]
        },
        "clause": {
            "anyOf": [
                _ref("targets"),
                {
                    "type": "object",
                    "minProperties": 1,
                    "properties": {
                        "next": _ref("targets", "Where to go."),
                        "publish": _ref("scopes", "Variables to set on the way."),
                    },
                    "additionalProperties": False,
                },
            ]
        },
        "scopes": {
            "type": "object",
            "minProperties": 1,
            "properties": {
                "branch": _ref("map", "Variables for the tasks that follow on this way."),
                "global": _ref("map", "Variables for the whole workflow, read with `global(name)`."),
                "atomic": _ref(
                    "map",
                    "Global variables computed from their latest values, so that parallel tasks can count.",
                ),
            },
            "additionalProperties": False,
        },
    }


def _retry() -> Schema:
    block = {
        "type": "object",
        "required": ["count", "delay"],
        "properties": {
            "count": _ref("numberOrExpression", "How many further attempts follow the first."),
            "delay": _ref("numberOrExpression", "Seconds before each further attempt."),
            "break-on": _ref("expression", "Stop trying and fail as soon as this is true."),
            "continue-on": _ref("expression", "Try again even after a success while this is true."),
        },
        "additionalProperties": False,
    }
    line = {
        "type": "string",
        "pattern": r"^(?=(?:[\s\S]*[^-\w])?count=)(?=(?:[\s\S]*[^-\w])?delay=)[\s\S]*\s",
        "examples": ["count=3 delay=10"],
    }
    return {"anyOf": [block, line]}


def _workflow() -> Schema:
    names = {"minLength": 1, "maxLength": 255, "not": {"const": "version"}}

    def tasks(kind: str) -> Schema:
        return {"properties": {"tasks": {"additionalProperties": _ref(kind)}}}

    return {
        "type": "object",
        "required": ["tasks"],
        "properties": {
            "type": {
                "description": "direct: tasks say what follows; reverse: tasks say what they require.",
                "enum": ["direct", "reverse"],
                "default": "direct",
            },
            "description": {"description": "What the workflow does."},
            "tags": _ref("texts", "Words to find the workflow by."),
            "input": _ref(
                "input",
                "Names of the inputs. `name: value` gives a default, taken literally.",
            ),
            "vars": _ref("map", "Variables, evaluated once when the workflow starts."),
            "output": _ref("map", "The result, evaluated when the workflow has succeeded."),
            "output-on-error": _ref("map", "The result, evaluated when the workflow has failed."),
            "task-defaults": _ref("taskDefaults", "What holds for every task that does not say otherwise."),
            "tasks": {
                "description": "The tasks by their names.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": names,
            },
            "name": {"description": "Has no effect: the key above is the name."},
            "version": {"description": "Has no effect: the version of the text counts."},
        },
        "if": {"required": ["type"], "properties": {"type": {"const": "reverse"}}},
        "then": tasks("reverseTask"),
        "else": tasks("directTask"),
    }


def _task(more: Schema) -> Schema:
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {
            "description": _ref("text", "What the task does."),
            "tags": _ref("texts", "Words to find executions of the task by."),
            "action": _ref(
                "command",
                'The action to run, with parameters beside it if you like: `std.echo output="hi"`. '
                "Without action and workflow the task runs std.noop.",
            ),
            "workflow": _ref("command", "The workflow to run, written like an action."),
            "input": {
                "description": "Parameters by name, or one expression that gives them all. "
                "A parameter beside the name of the action wins over the one here.",
                "anyOf": [_ref("map"), _ref("text")],
            },
            "publish": _ref("map", "Variables to set when the task has succeeded."),
            "publish-on-error": _ref("map", "Variables to set when the task has failed."),
            "publish-on-skip": _ref("map", "Variables to set when the task was skipped."),
            "with-items": {
                "description": "Run once for every item: `item in <% $.list %>`. Several run in step.",
                "anyOf": [
                    _ref("items"),
                    {"type": "array", "minItems": 1, "uniqueItems": True, "items": _ref("items")},
                ],
            },
            "keep-result": _ref(
                "flagOrExpression", "false: forget the result as soon as variables are published."
            ),
            "target": _ref("text", "The executor that is to run the action."),
            **_policies(),
            "name": {"description": "Has no effect: the key above is the name."},
            "version": {"description": "Has no effect: the version of the text counts."},
            "type": {"description": "Has no effect: the type of the workflow counts."},
            **more,
        },
        "additionalProperties": False,
        "not": {"required": ["action", "workflow"]},
    }


def _policies() -> Schema:
    return {
        "retry": _ref("retry", "Try again after a failure."),
        "wait-before": _ref("numberOrExpression", "Seconds to wait before the task runs."),
        "wait-after": _ref("numberOrExpression", "Seconds to wait after it, before anything follows."),
        "timeout": _ref("numberOrExpression", "Seconds after which the task fails."),
        "pause-before": _ref("flagOrExpression", "true: pause the workflow before this task."),
        "concurrency": _ref("numberOrExpression", "How many items of with-items may run at a time."),
        "fail-on": _ref("flagOrExpression", "Turns a success into a failure if it is true afterwards."),
        "safe-rerun": _ref(
            "flagOrExpression", "true: the action may run again if its executor was lost while it ran."
        ),
    }


def _clauses() -> Schema:
    return {
        "on-success": _ref("clause", f"Where to go when the task has succeeded. {_NOT_REVERSE}"),
        "on-error": _ref(
            "clause",
            f"Where to go when the task has failed; the failure then counts as handled. {_NOT_REVERSE}",
        ),
        "on-complete": _ref(
            "clause",
            f"Where to go in either case. It does not handle a failure. {_NOT_REVERSE}",
        ),
        "on-skip": _ref("clause", f"Where to go when a person has skipped the failed task. {_NOT_REVERSE}"),
    }


def _direct_keys() -> Schema:
    join = "Wait for the tasks that lead here: all of them, one, or a number of them."
    return {
        **_clauses(),
        "join": {
            "description": join,
            "anyOf": [{"enum": ["all", "one"]}, {"type": "integer", "minimum": 0}],
        },
    }


def _action() -> Schema:
    return {
        "type": "object",
        "required": ["base"],
        "properties": {
            "base": _ref("command", "The action that does the work, with parameters beside it if you like."),
            "base-input": _ref("map", "Parameters for the base, computed from the input: `<% $.name %>`."),
            "input": _ref("input", "Names of the inputs; `name: value` gives a default."),
            "output": {"description": "The result, computed from that of the base: `$` in expressions."},
            "description": _ref("text", "What the action does."),
            "tags": _ref("texts", "Words to find the action by."),
            "name": {"description": "Has no effect: the key above is the name."},
            "version": {"description": "Has no effect: the version of the text counts."},
        },
        "additionalProperties": False,
    }
