"""The language for any text: nothing crashes, data and places agree, what is stored means the same."""

from __future__ import annotations

from typing import Any, get_args

import pytest
import yaml as pyyaml
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from maestrale.expressions.template import SyntaxProblem
from maestrale.lang import yaml as lang_yaml
from maestrale.lang.graph import build_graph, reachable
from maestrale.lang.inline import parse_command, parse_parameters
from maestrale.lang.parse import (
    describe,
    load_action,
    load_workflow,
    parse_actions,
    parse_workbook,
    parse_workflows,
)
from maestrale.lang.schema import Kind, schema
from maestrale.lang.spec import ClauseSpec, Path, TaskSpec, TransitionSpec, WorkflowSpec
from maestrale.lang.texts import dump
from maestrale.lang.yaml import load

QUIET = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

texts = st.text(st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"]), max_size=20) | st.sampled_from(
    [
        "on",
        "2.0",
        "~",
        "&a",
        "*b",
        "@c",
        "<<",
        "=",
        "a: b",
        "# x",
        "<% $.a %>",
        "{{ _.b }}",
        " x ",
        "a\nb\n",
        "'",
        '"',
    ]
)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
data = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=15,
)
maps = st.dictionaries(texts, data, min_size=1, max_size=4)


def paths_of(value: Any, path: Path = ()) -> set[Path]:
    found = {path}
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        found |= paths_of(item, (*path, key))
    return found


@QUIET
@given(data, st.sampled_from([True, False, None]), st.sampled_from([None, "'", '"', "|", ">"]))
def test_data_survives_and_every_part_of_it_has_a_place(
    value: Any, flow: bool | None, style: str | None
) -> None:
    text = pyyaml.safe_dump(value, default_flow_style=flow, default_style=style, allow_unicode=True, width=40)
    assume(pyyaml.safe_load(text) == value)
    document = load(text)
    assert document.problems == []
    if value is not None:
        assert document.data == value
        assert set(document.positions(0)[()]) == paths_of(value)
    assert document.odd_keys == {}


@QUIET
@given(data, st.booleans())
def test_fast_and_pure_loader_agree(value: Any, flow: bool) -> None:
    text = pyyaml.safe_dump(value, default_flow_style=flow, allow_unicode=True, width=40)
    fast = load(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lang_yaml, "_FastLoader", None)
        pure = load(text)
    assert pure.data == fast.data
    assert pure.positions(0) == fast.positions(0)


@QUIET
@given(texts.filter(bool), st.data(), st.sampled_from([None, "'", '"', "|", ">"]))
def test_a_place_inside_a_text_holds_what_stands_there(
    value: str, draw: st.DataObject, style: str | None
) -> None:
    text = pyyaml.safe_dump({"k": [value]}, default_style=style, allow_unicode=True, width=12)
    document = load(text)
    assume(document.data == {"k": [value]})
    offset = draw.draw(st.integers(0, len(value) - 1))
    place = document.locate(("k", 0), value, offset)
    lines = text.split("\n")
    assert 1 <= place.line <= len(lines)
    found = lines[place.line - 1][place.column - 1 : place.column]
    start = document.position(("k", 0))
    assert found == value[offset] or found in ("\\", "") or value[offset].isspace() or place == start


@QUIET
@given(st.text(max_size=200))
@example("a: &x [*x]\n? {b: 1}\n: 2\n---\n")
@example(
    "version: '2.0'\nw: {tasks: {t: {with-items: [[], {}], retry: '', join: {}, on-success: {publish: []}}}}"
)
def test_no_text_crashes_the_parser(text: str) -> None:
    for parsed in (parse_workflows(text), parse_actions(text), parse_workbook(text)):
        assert parsed.problems
        for problem in parsed.problems:
            assert problem.line >= 1
            assert problem.column >= 1
            assert describe(problem)


KEYS = [
    "type",
    "tags",
    "input",
    "vars",
    "output",
    "task-defaults",
    "tasks",
    "action",
    "workflow",
    "publish",
    "publish-on-error",
    "with-items",
    "keep-result",
    "target",
    "retry",
    "wait-before",
    "timeout",
    "pause-before",
    "concurrency",
    "safe-rerun",
    "join",
    "on-success",
    "on-error",
    "requires",
    "next",
    "branch",
    "global",
    "count",
    "delay",
    "break-on",
    "description",
    "base",
    "base-input",
    "name",
    "version",
    "a",
    "b",
    "noop",
    "fail",
]
loose_texts = texts | st.sampled_from(
    [
        *KEYS,
        "std.echo output=1",
        'fail msg="x"',
        "i in <% $.l %>",
        "i in [1]",
        "all",
        "direct",
        "reverse",
        "count=1 delay=2",
    ]
)
loose_data = st.recursive(
    st.none() | st.booleans() | numbers | loose_texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)


@QUIET
@given(st.dictionaries(st.sampled_from(KEYS), loose_data, max_size=5), st.booleans())
def test_no_data_crashes_the_parser(body: Any, in_tasks: bool) -> None:
    body = {"tasks": {"a": body, "b": {"on-success": "a"}}} if in_tasks else body
    text = dump({"version": "2.0", "w": body})
    book = dump({"version": "2.0", "name": "b", "workflows": {"w": body}, "actions": {"w": body}})
    for parsed in (
        parse_workflows(text, lambda _: SyntaxProblem("no")),
        parse_actions(text),
        parse_workbook(book),
    ):
        for problem in parsed.problems:
            assert describe(problem)
    workflows = parse_workflows(text)
    if not workflows.errors:
        spec = workflows.specs[0]
        build_graph(spec)
        assert all(path in spec.positions for path in paths_of(body))


VALIDATORS = {kind: Draft202012Validator(schema(kind)) for kind in get_args(Kind)}


@QUIET
@given(st.dictionaries(st.sampled_from(KEYS) | texts, loose_data, max_size=4), texts, st.booleans())
def test_the_schema_for_editors_accepts_what_the_parser_does(body: Any, name: str, in_tasks: bool) -> None:
    body = {"tasks": {name: body, "b": {"action": "std.noop"}}} if in_tasks else body
    listed = {"version": "2.0", name: body}
    book = {"version": "2.0", "name": name, "workflows": {name: body}, "actions": {"a": body}}
    for kind, data, errors in (
        ("workflow", listed, parse_workflows(dump(listed)).errors),
        ("action", listed, parse_actions(dump(listed)).errors),
        ("workbook", book, parse_workbook(dump(book)).errors),
    ):
        if not errors:
            assert [error.message for error in VALIDATORS[kind].iter_errors(load(dump(data)).data)] == []


names = st.from_regex(r"[a-z][\w-]{0,8}", fullmatch=True).filter(lambda name: name != "version")
tasks = st.dictionaries(
    names,
    st.fixed_dictionaries({"publish": maps}, optional={"input": maps, "description": texts.filter(bool)}),
    min_size=1,
    max_size=3,
)
bodies = st.fixed_dictionaries({"tasks": tasks}, optional={"vars": maps, "output": maps})


@settings(QUIET, max_examples=40)
@given(st.dictionaries(names, bodies, min_size=2, max_size=3), st.sampled_from([True, False, None]))
def test_stored_slices_of_several_workflows_mean_the_same(workflows: Any, flow: bool | None) -> None:
    text = pyyaml.safe_dump(
        {"version": "2.0", **workflows}, default_flow_style=flow, allow_unicode=True, width=30
    )
    parsed = parse_workflows(text)
    assert [describe(problem) for problem in parsed.errors] == []
    for spec in parsed.specs:
        stored = load_workflow(parsed.texts[spec.name], spec.name)
        assert stored.raw == spec.raw
        assert stored.tasks == spec.tasks


@settings(QUIET, max_examples=40)
@given(
    st.dictionaries(names, bodies, min_size=1, max_size=3),
    st.dictionaries(names, st.fixed_dictionaries({"base": st.just("std.noop"), "output": data}), min_size=1),
    st.sampled_from([True, False, None]),
    st.integers(2, 9),
)
def test_stored_members_of_a_workbook_mean_the_same(
    workflows: Any, actions: Any, flow: bool | None, indent: int
) -> None:
    book = {"version": "2.0", "name": "book", "workflows": workflows, "actions": actions}
    text = pyyaml.safe_dump(book, default_flow_style=flow, allow_unicode=True, width=30, indent=indent)
    parsed = parse_workbook(text)
    assert [describe(problem) for problem in parsed.errors] == []
    assert parsed.spec is not None
    for spec in parsed.spec.workflows:
        assert load_workflow(parsed.workflow_texts[spec.name], spec.name).raw == spec.raw
    for action in parsed.spec.actions:
        assert load_action(parsed.action_texts[action.name], action.name).raw == action.raw


inline_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
pieces = st.sampled_from(
    [*"\"'“”„’‘«»[]{}()=,\\ ", "a=", " b=", "<%", "%>", "{{", "}}", "{%", "true", "-5", "1.5", "null", "word"]
)


@QUIET
@given(inline_texts | st.lists(pieces, max_size=25).map("".join))
def test_no_command_crashes_and_warnings_point_into_it(text: str) -> None:
    for found in (parse_command("std.echo " + text), parse_parameters(text), parse_command(text)):
        if found is not None:
            whole = "std.echo " + text if found.name == "std.echo" else text
            for warning in found.warnings:
                assert 0 <= warning.offset <= len(whole)
                assert whole.startswith(warning.text, warning.offset)


def written(value: Any) -> str:
    if isinstance(value, str):
        return f'"{value}"' if '"' not in value else f"'{value}'"
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return str(value)


plain = st.text(st.sampled_from("ab c=<%[({}])>,.“”‘’"), max_size=10)
values = plain | plain.map(lambda text: text + '"') | st.booleans() | st.none() | st.integers()


@QUIET
@given(names, st.dictionaries(names, values, max_size=4))
def test_parameters_read_as_they_were_written(name: str, parameters: dict[str, Any]) -> None:
    found = parse_command(name + "".join(f" {key}={written(value)}" for key, value in parameters.items()))
    assert found is not None
    assert found.name == name
    assert found.parameters == parameters
    assert found.warnings == ()


@st.composite
def graphs(draw: st.DrawFn) -> tuple[WorkflowSpec, dict[str, list[str]], set[str]]:
    every = [f"t{i}" for i in range(draw(st.integers(1, 9)))]
    edges = {name: draw(st.lists(st.sampled_from(every), max_size=4)) for name in every}
    joins = draw(st.sets(st.sampled_from(every)))
    specs = {
        name: TaskSpec(
            name,
            join="all" if name in joins else None,
            clauses={"on-complete": ClauseSpec(tuple(TransitionSpec(target) for target in edges[name]))},
            requires=tuple(edges[name]),
        )
        for name in every
    }
    return WorkflowSpec("w", tasks=specs), edges, joins


@QUIET
@given(graphs(), st.randoms())
def test_the_graph_against_the_plain_definition(
    drawn: tuple[WorkflowSpec, dict[str, list[str]], set[str]], order: Any
) -> None:
    spec, edges, joins = drawn
    graph = build_graph(spec)
    for name in edges:
        assert set(graph.outbound[name]) == set(edges[name])
        assert graph.inbound[name] == tuple(other for other in edges if name in edges[other])
        assert graph.required_by[name] == graph.inbound[name]
    assert graph.start_tasks == tuple(name for name in edges if not graph.inbound[name])
    asked = list(edges)
    order.shuffle(asked)
    for name in asked:
        passed = reachable(edges[name], lambda task: [] if task in joins else edges[task])
        assert graph.joins_downstream(name) == tuple(other for other in edges if other in passed & joins)
        assert graph.requirements(name) == tuple(
            other for other in edges if other in reachable((name,), edges.__getitem__)
        )
