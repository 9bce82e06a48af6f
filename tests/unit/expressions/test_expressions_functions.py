from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http import HTTPStatus
from typing import Any

import pytest
from expressions_world import Need, World, failure_of, scope, value_of

from maestrale.expressions import template
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret


class Share(float):
    """A number of somebody's own."""


def both(call: str) -> tuple[str, str]:
    """The same call in both languages."""
    return f"<% {call} %>", f"{{{{ {call} }}}}"


@pytest.mark.parametrize(
    ("call", "result"),
    [
        ("task('t1').result.ip[0]", "10.0.0.1"),
        ("task('t1').state", "SUCCESS"),
        ("task('nothing')", None),
        ("task()", None),
        ("tasks()", [{"name": "t1", "state": "SUCCESS", "result": {"ip": ["10.0.0.1"]}}]),
        ("execution().input.a", 1),
        ("executions()[0].id", "e1"),
        ("env().region", "north"),
        ("global('g')", [1, 2]),
        ("global('nothing')", None),
        ("uuid()", "11111111-2222-4333-8444-555555555555"),
        ("""json_parse('{"a": [1, true, null]}')""", {"a": [1, True, None]}),
        ("json_dump([1, 'x'])", '[\n    1,\n    "x"\n]'),
        ("json_dump('é')", '"\\u00e9"'),
        ("yaml_parse('a: [1, yes, 2027-01-02, 1.5]')", {"a": [1, True, "2027-01-02", 1.5]}),
        ("yaml_parse('{on: 1, 2: x}')", {"true": 1, "2": "x"}),
        ("yaml_parse('[&x 1, *x, @y]')", ["&x 1", "*x", "@y"]),
        ("yaml_parse('')", None),
        ("yaml_dump([1, 'x'])", "- 1\n- x\n"),
    ],
)
def test_functions_mean_the_same_in_both_languages(call: str, result: Any) -> None:
    for text in both(call):
        assert value_of(text, world=World()) == result


@pytest.mark.covers("expr.fn.task")
def test_the_current_task() -> None:
    world = World()
    world.current = "t1"
    for text in both("task().name"):
        assert value_of(text, world=world) == "t1"
    assert value_of("<% task(t1).name %>", world=world) == "t1"


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("<% tasks('e1', true, ERROR, true) %>", ("tasks", "e1", True, "ERROR", True)),
        ("<% tasks(workflow_execution_id => 'e1', flat => true) %>", ("tasks", "e1", False, None, True)),
        ("<% tasks(workflowExecutionId => 'e1') %>", ("tasks", "e1", False, None, False)),
        ("<% tasks(, false, ERROR) %>", ("tasks", None, False, "ERROR", False)),
        ("{{ tasks('e1', recursive=true) }}", ("tasks", "e1", True, None, False)),
        ("<% executions(state => ERROR) %>", ("executions", None, None, "ERROR", None, None)),
        (
            "{{ executions('e1', 'r', 'ERROR', from_time='2027-01-01', to_time='2028-01-01') }}",
            ("executions", "e1", "r", "ERROR", "2027-01-01", "2028-01-01"),
        ),
        ("<% executions(id => x, rootExecutionId => r) %>", ("executions", "x", "r", None, None, None)),
    ],
)
def test_arguments(text: str, question: tuple[Any, ...]) -> None:
    world = World()
    value_of(text, world=world)
    assert world.asked == [question]


@pytest.mark.parametrize(
    ("call", "cause"),
    [
        ("global()", "global(): missing a required argument: 'name'"),
        ("task('a', 'b')", "task(): too many positional arguments"),
        ("tasks(null, true)", "tasks(): 'recursive' needs a workflow execution id"),
        (
            "json_parse('{')",
            "json_parse(): Expecting property name enclosed in double quotes at line 1, column 2",
        ),
        ("json_parse(5)", "json_parse() needs a text, not a number"),
        (
            "yaml_parse('a: [')",
            "yaml_parse(): expected the node content, but found '<stream end>' at line 1, column 5",
        ),
        (
            "yaml_parse('a: \x07')",
            "yaml_parse(): unacceptable character #x0007: special characters are not allowed",
        ),
        ("yaml_parse(null)", "yaml_parse() needs a text, not null"),
    ],
)
def test_wrong_calls_are_told_in_words(call: str, cause: str) -> None:
    assert f"error={cause}]" in failure_of(f"<% {call} %>", world=World())
    assert f"error={cause}]" in failure_of(f"{{{{ {call.replace('null', 'none')} }}}}", world=World())


def test_wrong_names_of_arguments() -> None:
    assert "unexpected keyword argument 'nme'" in failure_of("<% task(nme => a) %>", world=World())


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("{{ _.text | json_parse }}", [1, 2]),
        ("{{ _.text | yaml_parse }}", [1, 2]),
        ("{{ _.data | json_dump }}", '{\n    "a": [\n        1\n    ]\n}'),
        ("{{ _.data | yaml_dump }}", "a:\n- 1\n"),
        ("<% json_dump($.data.a.select($ + 1)) %>", "[\n    2\n]"),
        ("{{ json_dump(_.data.a | map('string')) }}", '[\n    "1"\n]'),
        ("<% yaml_dump([$.data, $.data]) %>", "- a:\n  - 1\n- a:\n  - 1\n"),
        ("<% json_dump($.data) %>", '{\n    "a": [\n        1\n    ]\n}'),
    ],
)
def test_data_functions_take_data_of_any_origin(text: str, result: Any) -> None:
    assert value_of(text, text="[1, 2]", data={"a": [1]}) == result


@pytest.mark.parametrize(
    "call", ["task('a')", "tasks()", "execution()", "executions()", "env()", "global('a')", "uuid()"]
)
def test_without_surroundings_there_is_a_clear_error(call: str) -> None:
    name = call[: call.index("(")]
    for text in both(call):
        assert f"{name}() is not available here" in failure_of(text)


@pytest.mark.parametrize(
    "text",
    [
        "<% task(elsewhere) %>",
        "{{ task('elsewhere') }}",
        "x {{ task('elsewhere').state }}",
        "x <% task(elsewhere) %>",
        "<% [1, 2].select(task(elsewhere)) %>",
        "<% [1].groupBy($, $, [$[1], task(elsewhere)]) %>",
        "{{ [1] | map('int') | list and task('elsewhere') | default(1) }}",
    ],
)
def test_needs_come_through_unchanged(text: str) -> None:
    with pytest.raises(Need, match="task elsewhere"):
        value_of(text, world=World())


@contextmanager
def registered(**functions: Any) -> Iterator[None]:
    before = template._languages
    template.register_functions(functions)
    try:
        yield
    finally:
        template._languages = before


def test_added_functions_get_the_scope_and_plain_data() -> None:
    seen: list[Any] = []

    def join_all(context: Any, parts: Any, between: str = "-", *, lastOne: str = "") -> Any:  # noqa: N803
        seen.append(parts)
        return iter([context["prefix"] + between.join(parts) + lastOne])

    with registered(join_all=join_all):
        assert value_of("<% join_all($.l) %>", l=["a", "b"], prefix=">") == [">a-b"]
        assert value_of("{{ join_all(_.l | map('upper'), '+') }}", l=["a", "b"], prefix=">") == [">A+B"]
        assert value_of("<% join_all($.l, lastOne => '.') %>", l=["a"], prefix=">") == [">a."]
        assert "join_all(): missing a required argument: 'parts'" in failure_of("<% join_all() %>")
    assert seen == [["a", "b"], ["A", "B"], ["a"]]
    assert all(type(parts) is list for parts in seen)
    assert "unknown function 'join_all'" in failure_of("<% join_all([]) %>")


def test_added_functions_may_replace_ours_and_lack_a_signature() -> None:
    with registered(uuid=lambda _context: "mine", biggest=max):
        assert value_of("<% uuid() %>", world=World()) == "mine"
        assert value_of("{{ uuid() }}") == "mine"
        assert "error=" in failure_of("<% biggest(1) %>")


def test_what_added_functions_return_becomes_data() -> None:
    def answer(_context: Any) -> Any:
        return {"code": HTTPStatus.OK, "days": {date(2027, 1, 2): (1.5, b"x")}, "share": Share(0.5)}

    with registered(answer=answer, hidden=lambda _context: [Secret("x")], handle=lambda _context: object()):
        for text in both("answer()"):
            result = value_of(text)
            assert result == {"code": 200, "days": {"2027-01-02": [1.5, "x"]}, "share": 0.5}
            assert [type(result["code"]), type(result["share"])] == [int, float]
        assert value_of("<% hidden()[0] %>") == Secret("x")
        assert "an object of type 'object', which is no data" in failure_of("<% handle() %>")


def test_scope_of_added_functions_is_read_only() -> None:
    def spoil(context: Any) -> None:
        context["x"] = 1

    with registered(spoil=spoil), pytest.raises(EvaluationError, match="does not support item assignment"):
        template.evaluate("<% spoil() %>", scope(x=0))
