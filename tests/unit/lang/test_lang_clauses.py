"""On-clauses, publish and with-items."""

from __future__ import annotations

import pytest
from lang_texts import errors, parse, warnings, workflow

from maestrale.lang.spec import ClauseSpec, ItemsSpec, PublishSpec, TransitionSpec


def clause(text: str) -> ClauseSpec:
    return (
        workflow(f"tasks:\n  t:\n    on-success: {text}\n  b: {{action: x}}\n  c: {{action: x}}\n")
        .tasks["t"]
        .clauses["on-success"]
    )


def clause_errors(text: str) -> list[str]:
    return errors(f"tasks:\n  t:\n    on-success: {text}\n  b: {{action: x}}\n  c: {{action: x}}\n")


AT = ("tasks", "t", "on-success")


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("b", [TransitionSpec("b", path=AT)]),
        ("{b: <% $.x > 1 %>}", [TransitionSpec("b", "<% $.x > 1 %>", path=(*AT, "b"))]),
        (
            '[b, {c: "{{ _.ok }}"}, fail]',
            [
                TransitionSpec("b", path=(*AT, 0)),
                TransitionSpec("c", "{{ _.ok }}", path=(*AT, 1, "c")),
                TransitionSpec("fail", is_command=True, path=(*AT, 2)),
            ],
        ),
        (
            "[b, {b: <% true %>}]",
            [TransitionSpec("b", path=(*AT, 0)), TransitionSpec("b", "<% true %>", path=(*AT, 1, "b"))],
        ),
        ("{next: b}", [TransitionSpec("b", path=(*AT, "next"))]),
        ("{next: {b: <% 1 %>}}", [TransitionSpec("b", "<% 1 %>", path=(*AT, "next", "b"))]),
        ("{next: [b, t]}", [TransitionSpec(n, path=(*AT, "next", i)) for i, n in enumerate("bt")]),
        (
            'fail msg="x <% $.y %>"',
            [TransitionSpec("fail", is_command=True, parameters={"msg": "x <% $.y %>"}, path=AT)],
        ),
        ('fail(msg="x y")', [TransitionSpec("fail", is_command=True, parameters={"msg": "x y"}, path=AT)]),
        (
            'pause(msg="hold")',
            [TransitionSpec("pause", is_command=True, parameters={"msg": "hold"}, path=AT)],
        ),
        ("succeed(msg=1)", [TransitionSpec("succeed", is_command=True, parameters={"msg": 1}, path=AT)]),
        (
            '{fail msg="x": <% $.bad %>}',
            [
                TransitionSpec(
                    "fail",
                    "<% $.bad %>",
                    is_command=True,
                    parameters={"msg": "x"},
                    path=(*AT, 'fail msg="x"'),
                )
            ],
        ),
    ],
)
def test_shapes_of_a_clause(text: str, steps: list[TransitionSpec]) -> None:
    assert clause(text) == ClauseSpec(tuple(steps))


def test_advanced_publish() -> None:
    found = clause("{publish: {branch: {a: 1}, global: {b: <% 2 %>}, atomic: {c: 3}}, next: [b]}")
    assert found.publish == PublishSpec({"a": 1}, {"b": "<% 2 %>"}, {"c": 3})
    assert [step.target for step in found.next] == ["b"]
    assert clause("{publish: {global: {b: 1}}}") == ClauseSpec((), PublishSpec(global_={"b": 1}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("null", "is not of type 'string'"),
        ("''", "too short"),
        ("5", "5 is not of type 'string' (put it into quotes)"),
        ("[]", "must not be empty"),
        ("{}", "must not be empty"),
        ("[b, b]", "has non-unique elements: 'b' stands twice"),
        ("[{b: <% 1 %>, c: <% 1 %>}]", "exactly one key"),
        ("[{on: <% 1 %>}]", "is no text"),
        ("ghost", "Task 'ghost' not found."),
        ("[{ghost: <% 1 %>}]", "Task 'ghost' not found."),
        ("gail", "(did you mean `fail`?)"),
        ("[{b: yes please}]", "the guard of 'b' must be an expression, not 'yes please'"),
        ("{b: yes please}", "the guard of 'b' must be an expression"),
        ("[{b: true}]", "the guard of 'b' must be an expression, not True"),
        ("{b: true}", "the guard of 'b' must be an expression, not True"),
        ("[{b: 'x <% 1 %>'}]", "must be an expression"),
        ("[{b: '{% if a %}'}]", "must be an expression"),
        ("[{b: <% 1 + %>}]", "Can not parse"),
        ("fail msg=<% 1 + %>", "Can not parse"),
        ("b c", "is no target"),
        ("a-b x=1", "is no target"),
        ("{b: <% 1 %>, c: <% 2 %>}", "('b' was unexpected) (put the targets into a list"),
        ("{next: b, nxt: c}", "('nxt' was unexpected) (did you mean `next`?)"),
        ("{next: []}", "must not be empty"),
        ("{next: {b: 'b'}}", "must be an expression"),
        ("{next: null}", "is not of type 'string'"),
        ("{publish: {}}", "Either 'branch', 'global' or 'atomic' must be specified"),
        ("{publish: {v: 1}}", "('v' was unexpected) (put variables below `branch`, `global` or `atomic`)"),
        ("{publish: {branch: {}}}", "must not be empty"),
        ("{publish: null}", "is not of type 'object'"),
        ("{publish: {branch: {v: <% 1 + %>}}}", "publish.branch.v: Can not parse"),
    ],
)
def test_clauses_that_are_refused(text: str, words: str) -> None:
    found = clause_errors(text)
    assert any(words in error for error in found), found
    assert all(error.startswith("line 5, column ") for error in found)
    assert len(found) == (2 if text in ("{b: <% 1 %>, c: <% 2 %>}", "[{on: <% 1 %>}]") else 1)


def test_a_missing_target_of_a_guard_is_placed_at_its_name() -> None:
    (found,) = clause_errors("[{ghost: <% 1 %>}]")
    assert found.startswith("line 5, column 21: task 't', on-success: ")


def test_targets_with_a_blank_in_their_name_do_not_exist() -> None:
    (found,) = errors("tasks:\n  t: {on-success: my task}\n  my task: {action: x}\n")
    assert "a task with a blank in its name cannot be a target" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("fail(code=1)", "the parameter 'code' of 'fail' is ignored"),
        ('noop msg="x"', "the parameter 'msg' of 'noop' is ignored"),
        ("b x=1", "the parameter 'x' of 'b' is ignored"),
        ("[{b x=1: <% 1 %>}]", "the parameter 'x' of 'b' is ignored"),
        ("fail msg=“why not”", "line 5, column 28: task 't', on-success: the typographic quote “"),
    ],
)
def test_useless_parameters(text: str, words: str) -> None:
    found = warnings(f"tasks:\n  t:\n    on-success: {text}\n  b: {{action: x}}\n")
    assert words in found[0]


def test_odd_task_names_are_targets() -> None:
    spec = workflow(
        "tasks:\n  t: {on-success: ['t5+task', 't6$task', 'f(x=1)']}\n  t5+task: {action: x}\n"
        "  t6$task: {action: x}\n  f(x=1): {action: x}\n"
    )
    assert [step.target for step in spec.tasks["t"].clauses["on-success"].next] == [
        "t5+task",
        "t6$task",
        "f(x=1)",
    ]
    assert "'email%' not found" in errors("tasks: {t: {on-success: ['email%']}}")[0]


def test_a_task_named_like_a_command_wins() -> None:
    body = "tasks:\n  t: {on-success: [fail, noop]}\n  fail: {action: x}\n"
    steps = workflow(body).tasks["t"].clauses["on-success"].next
    assert [step.is_command for step in steps] == [False, True]
    (found,) = warnings(body)
    assert "named like the engine command 'fail'" in found


def test_a_task_named_next_can_be_guarded() -> None:
    spec = workflow("tasks:\n  t: {on-success: {next: <% $.x %>}}\n  next: {action: x}\n")
    assert [(s.target, s.guard) for s in spec.tasks["t"].clauses["on-success"].next] == [
        ("next", "<% $.x %>")
    ]


def items(text: str) -> tuple[ItemsSpec, ...]:
    return workflow(f"tasks:\n  t:\n    with-items: {text}\n").tasks["t"].with_items


ITEMS = ("tasks", "t", "with-items")


@pytest.mark.parametrize(
    ("text", "specs"),
    [
        ("i in <% $.list %>", [ItemsSpec("i", "<% $.list %>", ITEMS)]),
        ('"x in {{ _.y }}"', [ItemsSpec("x", "{{ _.y }}", ITEMS)]),
        ("""'i in [1, "two", {"k": 3}]'""", [ItemsSpec("i", [1, "two", {"k": 3}], ITEMS)]),
        (
            "['x in [1, 2, 3]', 'i in <% $.j %>']",
            [ItemsSpec("x", [1, 2, 3], (*ITEMS, 0)), ItemsSpec("i", "<% $.j %>", (*ITEMS, 1))],
        ),
        (
            "kv in <% $.d.items().orderBy($[0]) %>",
            [ItemsSpec("kv", "<% $.d.items().orderBy($[0]) %>", ITEMS)],
        ),
        ("'x in <% {a => \"%>\"} %>'", [ItemsSpec("x", '<% {a => "%>"} %>', ITEMS)]),
        ("'my-var in [[1, 2], [3]]'", [ItemsSpec("my-var", [[1, 2], [3]], ITEMS)]),
    ],
)
def test_with_items(text: str, specs: list[ItemsSpec]) -> None:
    assert items(text) == tuple(specs)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("just <% $.text %>", "Wrong format of 'with-items' property"),
        ("['x in y']", "Wrong format of 'with-items' property"),
        ("['<% $.y %>']", "Wrong format of 'with-items' property"),
        ("x in []", "Wrong format of 'with-items' property"),
        ("x in <% open", "Wrong format of 'with-items' property"),
        ("'x in [1'", "Wrong format of 'with-items' property"),
        ("''", "too short"),
        ("[]", "must not be empty"),
        ("5", "is not of type 'array'"),
        ("[5]", "is not of type 'string'"),
        ("null", "is not of type 'array'"),
        ("'x in [a, b]'", "Invalid array in 'with-items' clause"),
        ("'x in [NaN]'", "Invalid array in 'with-items' clause"),
        ("x in <% 1 + %>", "Can not parse"),
        ("['x in <% 1 + %>']", "Can not parse"),
    ],
)
def test_with_items_that_are_refused(text: str, words: str) -> None:
    (found,) = errors(f"tasks:\n  t:\n    with-items: {text}\n")
    assert words in found
    assert "with-items" in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("xin <% $.y %>", "no blank around `in`"),
        ("x in<% $.y %>", "no blank around `in`"),
        ("x in <% $.y %> and more", "'and more' after the values is ignored"),
        ("['x in [1]', 'x in [2]']", "stands twice"),
    ],
)
def test_with_items_that_give_a_warning(text: str, words: str) -> None:
    (found,) = warnings(f"tasks:\n  t:\n    with-items: {text}\n")
    assert words in found


def test_the_later_of_two_equal_variables_counts() -> None:
    assert [i.values for i in items("['x in [1]', 'x in [2]']")] == [[2]]


def test_problems_keep_their_path_and_text() -> None:
    (problem,) = parse("tasks:\n  t: {on-success: [ghost]}\n").errors
    assert problem.path == ("w", "tasks", "t", "on-success", 0)
    assert problem.text == "ghost"
