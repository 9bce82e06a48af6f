"""Workflow and task keys: what is accepted, what it means, and what is refused."""

from __future__ import annotations

import pytest
from lang_texts import errors, parse, task, warnings, workflow

from maestrale.lang.parse import describe
from maestrale.lang.spec import (
    ClauseSpec,
    InputParameter,
    PoliciesSpec,
    Position,
    RetrySpec,
    TransitionSpec,
)


def test_every_key_of_a_workflow() -> None:
    spec = workflow(
        """
type: direct
description: does it
tags: [a, b]
input: [x, {y: 2}, {z: null}, {e: <% $.raw %>}]
vars: {v: <% $.x %>}
output: {o: <% $.v %>}
output-on-error: {e: {{"{{ _.v }}"}}}
tasks: {t: {description: d}}
""".replace('{{"{{ _.v }}"}}', '"{{ _.v }}"')
    )
    assert (spec.type, spec.description, spec.tags) == ("direct", "does it", ("a", "b"))
    assert spec.input == (
        InputParameter("x"),
        InputParameter("y", required=False, default=2),
        InputParameter("z", required=False),
        InputParameter("e", required=False, default="<% $.raw %>"),
    )
    assert spec.vars == {"v": "<% $.x %>"}
    assert spec.output == {"o": "<% $.v %>"}
    assert spec.output_on_error == {"e": "{{ _.v }}"}
    assert spec.class_name == "DirectWorkflowSpec"
    assert spec.raw["name"] == "w"
    assert spec.raw["version"] == "2.0"
    assert spec.positions[()] == Position(3, 3)
    assert spec.positions["vars", "v"] == Position(7, 13)
    assert spec.positions["input", 1, "y"] == Position(6, 18)


def test_absent_sections_of_a_workflow() -> None:
    spec = workflow("tasks: {t: {action: std.noop}}")
    assert (spec.type, spec.description, spec.tags, spec.input, spec.vars) == ("direct", None, (), (), {})
    assert (spec.output, spec.output_on_error) == (None, None)


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("type: circular", "'circular' is not one of ['direct', 'reverse']"),
        ("type: null", "None is not one of ['direct', 'reverse']"),
        ("tags: a, b", "is not of type 'array' (write a list: [a, b])"),
        ("tags: []", "must not be empty"),
        ("tags: [a, a]", "has non-unique elements"),
        ("tags: [1]", "1 is not of type 'string' (put it into quotes)"),
        ("input: [a, a]", "has non-unique elements"),
        ("input: [{a: 1}, {a: 1}]", "has non-unique elements"),
        ("input: [12345]", "is not of type 'string'"),
        ("input: []", "must not be empty"),
        ("input: [{a: 1, b: 2}]", "exactly one key"),
        ("input: [off: null]", "the input name 'off' is no text: YAML reads it as the boolean false"),
        ("input: {a: 1}", "is not of type 'array'"),
        ("vars: {}", "must not be empty"),
        ("vars: null", "is not of type 'object' (the key has no value"),
        ("vars: {1: x}", "the variable name '1' is no text"),
        ("vars: {x: '<% 1 + %>'}", "Can not parse YAQL expression [expression=1 +"),
        ("output: text", "is not of type 'object'"),
        ("output: [a]", "is not of type 'object'"),
        ("output: {}", "must not be empty"),
        ("output: null", "is not of type 'object'"),
        ("output: {a: ['{{ x | }}']}", None),
        ("output: {a: '{{ x | }}'}", "Can not parse"),
        ("output-on-error: []", "is not of type 'object'"),
        ("output-on-error: {a: '<% 1 + %>'}", None),
        ("task-defaults: {}", "must not be empty"),
        ("task-defaults: {publish: {a: 1}}", "('publish' was unexpected)"),
        ("task-defaults: {timeout: -1}", "-1 is less than the minimum of 0"),
        ("task-defaults: {on-error: ghost}", "Task 'ghost' not found."),
        ("description: 5", None),
        ("name: other", None),
    ],
)
def test_workflow_sections(section: str, words: str | None) -> None:
    found = errors(f"{section}\ntasks: {{t: {{action: std.noop}}}}\n")
    if words is None:
        assert found == []
    else:
        assert len(found) == 1
        assert words in found[0]
        assert found[0].startswith("line 3, column ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("description: nothing", "'tasks' is a required property"),
        ("tasks: {}", "must not be empty"),
        ("tasks: null", "is not of type 'object'"),
        ("tasks: {t: {}}", "task 't': {} is too short"),
        ("tasks: {t: null}", "task 't': None is not of type 'object'"),
        ("tasks: {t: text}", "'text' is not of type 'object'"),
        ("tasks: {on: {action: x}}", "the task name 'on' is no text: YAML reads it as the boolean true"),
        ("tasks: {42: {action: x}}", "the task name '42' is no text: YAML reads it as the number 42"),
        ("tasks: {version: {action: x}}", "cannot be named 'version'"),
        ("tasks: {'': {action: x}}", "must not be empty"),
    ],
)
def test_tasks_section(body: str, words: str) -> None:
    (found,) = errors(body)
    assert words in found


def test_a_workflow_must_be_a_map() -> None:
    parsed = parse("- a")
    assert ["is not of type 'object'" in describe(p) for p in parsed.errors] == [True]


def test_inputs_declared_twice_in_different_forms() -> None:
    body = "input: [a, {a: 1}]\ntasks: {t: {action: std.noop}}"
    assert workflow(body).input == (InputParameter("a", required=False, default=1),)
    assert "declared twice" in warnings(body)[0]


def test_the_smallest_task_runs_noop() -> None:
    found = task("description: x")
    assert (found.action, found.workflow, found.type) == ("std.noop", None, "ACTION")
    assert found.raw == {"description": "x", "name": "t", "version": "2.0", "type": "direct"}
    assert found.policies == PoliciesSpec()
    assert found.keep_result is True


def test_every_key_of_a_task() -> None:
    found = task(
        "type: odd, name: odd, version: 1, description: d, tags: [a], action: 'std.echo output=1', "
        "input: {x: <% $.y %>}, publish: {p: 1}, publish-on-error: {e: 2}, publish-on-skip: {s: 3}, "
        "with-items: i in <% $.list %>, keep-result: false, target: <% $.host %>, "
        "retry: {count: 3, delay: 1}, "
        "wait-before: 1, wait-after: 2.0, timeout: <% $.t %>, pause-before: true, concurrency: 4, "
        "fail-on: <% task().result = 1 %>, safe-rerun: '{{ _.safe }}', on-success: fail"
    )
    assert (found.description, found.tags, found.action, found.inline) == (
        "d",
        ("a",),
        "std.echo",
        {"output": 1},
    )
    assert (found.input, found.publish) == ({"x": "<% $.y %>"}, {"p": 1})
    assert (found.publish_on_error, found.publish_on_skip) == ({"e": 2}, {"s": 3})
    assert [(i.variable, i.values, i.path) for i in found.with_items] == [
        ("i", "<% $.list %>", ("tasks", "t", "with-items"))
    ]
    assert (found.keep_result, found.target) == (False, "<% $.host %>")
    assert found.policies == PoliciesSpec(
        retry=RetrySpec(3, 1),
        wait_before=1,
        wait_after=2,
        timeout="<% $.t %>",
        pause_before=True,
        concurrency=4,
        fail_on="<% task().result = 1 %>",
        safe_rerun="{{ _.safe }}",
    )
    assert (found.raw["type"], found.raw["name"], found.raw["version"]) == ("direct", "t", "2.0")


def test_a_task_that_runs_a_workflow() -> None:
    found = task('workflow: sub a="b" n=1')
    assert (found.workflow, found.action, found.inline, found.type) == (
        "sub",
        None,
        {"a": "b", "n": 1},
        "WORKFLOW",
    )
    assert task("workflow: <% $.name %>").workflow == "<% $.name %>"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("action: std.noop, workflow: x", "cannot have both 'action' and 'workflow'"),
        ("action: null", "is not of type 'string'"),
        ("action: ''", "too short"),
        ("action: '=a b'", "does not start with a name"),
        ("action: std.echo output=<% $.a + %>", "Can not parse YAQL expression [expression=$.a +"),
        ("workflow: 5", "5 is not of type 'string'"),
        ("onsuccess: x", "('onsuccess' was unexpected) (did you mean `on-success`?)"),
        ("requires: [a]", "`requires` belongs to workflows of `type: reverse`"),
        ("tags: x", "is not of type 'array'"),
        ("description: ''", "too short"),
        ("input: []", "is not of type 'object'"),
        ("input: {}", "must not be empty"),
        ("input: ''", "too short"),
        ("input: {1: x}", "is no text"),
        ("input: '<% 1 + %>'", "Can not parse"),
        ("publish: {}", "must not be empty"),
        ("publish: {x: '{{ _.a | }}'}", "publish.x: Can not parse"),
        ("publish: {x: '<% $.a %> and {{ _.b }}'}", "Mixing expression types"),
        ("publish-on-error: text", "is not of type 'object'"),
        ("keep-result: 'asd'", "'asd' is not of type 'boolean'"),
        ("keep-result: 'false'", "(remove the quotes)"),
        ("target: 5", "is not of type 'string'"),
        ("wait-before: 1.1", "1.1 is not of type 'integer'"),
        ("wait-before: -1", "-1 is less than the minimum of 0"),
        ("wait-before: '<% * %>'", "Can not parse"),
        ("wait-before: '{{ * }}'", "Can not parse"),
        ("timeout: '300'", "'300' is not of type 'integer' (remove the quotes)"),
        ("timeout: true", "True is not of type 'integer'"),
        ("timeout: ' <% $.x %>'", "is not of type 'integer'"),
        ("timeout: null", "None is not of type 'integer'"),
        ("pause-before: 'False'", "'False' is not of type 'boolean' (remove the quotes)"),
        ("pause-before: 1", "1 is not of type 'boolean'"),
        ("safe-rerun: '{% if x %}{% endif %}'", "is not of type 'boolean'"),
        ("join: some", "'some' is not one of ['all', 'one']"),
        ("join: '3'", "(remove the quotes)"),
        ("join: -1", "-1 is less than the minimum of 0"),
        ("join: null", "is not of type 'integer'"),
    ],
)
def test_task_keys_that_are_refused(body: str, words: str) -> None:
    (found,) = errors(f"tasks:\n  t: {{{body}}}\n")
    assert words in found
    assert found.startswith("line 4, column ")
    assert ": task 't'" in found


@pytest.mark.parametrize(
    "body",
    [
        "keep-result: '<% 1 + 2 %>'",
        "timeout: '<% a %> <% b %>'",
        'timeout: "<% a\\n %> "',
        "input: <% $.args %>",
        "publish: {x: null}",
        "publish: {x: {deep: ['<% 1 + %>']}}",
        "target: '<% 1 + %>'",
        "wait-before: 1.0",
        "timeout: 0",
    ],
)
def test_task_keys_that_are_accepted(body: str) -> None:
    assert errors(f"tasks:\n  t: {{{body}}}\n") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("publish: {x: {deep: ['<% 1 + %>']}}", "line 4, column 37: task 't', publish.x.deep: Can not parse"),
        ("target: '<% 1 + %>'", "task 't', target: Can not parse"),
        ("input: plain", "a text as input must be an expression"),
        ("action: std.echo output=word", "line 4, column 33: task 't', action: `word` is taken as a text"),
        ("publish: {__x: 1}", "starts with '__'"),
        ("concurrency: 2", "no effect without 'with-items'"),
        ("action: std.echo output=1, input: {output: 2}", "stands beside the name"),
    ],
)
def test_task_keys_that_give_a_warning(body: str, words: str) -> None:
    (found,) = warnings(f"tasks:\n  t: {{{body}}}\n")
    assert words in found


def test_inputs_and_vars_with_reserved_names() -> None:
    found = warnings("input: [__a, {__b: 1}]\nvars: {__c: 1}\ntasks: {t: {action: std.noop}}\n")
    assert [text.split("'")[3] for text in found] == ["__a", "__b", "__c"]


def test_deep_mistakes_of_output_on_error_are_warnings() -> None:
    (found,) = warnings("output-on-error: {a: '<% 1 + %>'}\ntasks: {t: {action: std.noop}}\n")
    assert "Can not parse" in found


def test_expressions_are_only_checked_with_a_checker() -> None:
    assert parse("tasks: {t: {publish: {x: <% 1 + %>}}}", None).problems == []


def test_the_place_of_a_mistake_inside_a_text() -> None:
    (found,) = errors("tasks:\n  t:\n    action: >-\n      std.echo\n      output=<% $.a + %>\n")
    assert found.startswith("line 7, column 24: ")


class TestRetry:
    @pytest.mark.parametrize(
        ("text", "spec"),
        [
            ("{count: 3, delay: 1}", RetrySpec(3, 1)),
            ("count=2 delay=0", RetrySpec(2, 0)),
            ("count=2 delay=0 break-on=<% $.x > 1 %>", RetrySpec(2, 0, "<% $.x > 1 %>")),
            ("count=<% $.n %> delay=1 continue-on={{ _.x }}", RetrySpec("<% $.n %>", 1, None, "{{ _.x }}")),
            (
                "{count: <% $.c %>, delay: <% 1 %>, break-on: <% false %>, continue-on: '{{ a }}'}",
                RetrySpec("<% $.c %>", "<% 1 %>", "<% false %>", "{{ a }}"),
            ),
        ],
    )
    def test_accepted(self, text: str, spec: RetrySpec) -> None:
        assert workflow(f"tasks:\n  t:\n    retry: {text}\n").tasks["t"].policies.retry == spec

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{count: '3', delay: 1}", ["retry.count: '3' is not of type 'integer'"]),
            ("{delay: 1}", ["'count' is a required property of 'retry'"]),
            ("{count: 1}", ["'delay' is a required property of 'retry'"]),
            (
                "coun=3 delay=1",
                ["'count' is a required property", "('coun' was unexpected) (did you mean `count`?)"],
            ),
            ("count=3", ["'count' is a required", "'delay' is a required"]),
            ('count="3" delay=1', ["'3' is not of type 'integer'"]),
            ("{count: 1, delay: 1, break-on: true}", ["'break-on' must be an expression, not True"]),
            ("{count: 1, delay: 1, other: 1}", ["('other' was unexpected)"]),
            ("null", ["is not of type 'object'"]),
            ("{}", ["must not be empty"]),
            ("3", ["3 is not of type 'object'"]),
        ],
    )
    def test_refused(self, text: str, words: list[str]) -> None:
        found = errors(f"tasks:\n  t:\n    retry: {text}\n")
        assert len(found) == len(words)
        for part in words:
            assert any(part in error for error in found)


class TestDefaults:
    def test_policies_are_inherited_one_by_one(self) -> None:
        spec = workflow("""
task-defaults:
  retry: count=3 delay=1
  timeout: 60
  wait-before: 5
  safe-rerun: true
  pause-before: true
tasks:
  a: {action: std.noop}
  b: {retry: {count: 1, delay: 0}, timeout: 0, pause-before: false, safe-rerun: false}
""")
        assert spec.tasks["a"].policies == PoliciesSpec(
            retry=RetrySpec(3, 1), timeout=60, wait_before=5, safe_rerun=True, pause_before=True
        )
        assert spec.tasks["b"].policies == PoliciesSpec(
            retry=RetrySpec(1, 0), timeout=0, wait_before=5, safe_rerun=False, pause_before=False
        )

    def test_switching_a_default_off_is_noted(self) -> None:
        found = warnings(
            "task-defaults: {timeout: 60, wait-after: 0}\ntasks: {t: {timeout: 0, wait-after: 0}}\n"
        )
        assert len(found) == 1
        assert "'timeout' of task-defaults is switched off" in found[0]

    def test_clauses_are_masked_one_by_one(self) -> None:
        spec = workflow("""
task-defaults:
  on-error: [handler, fail]
  on-success: {publish: {global: {g: 1}}, next: [{last: <% $.x %>}]}
tasks:
  plain: {action: std.noop}
  own: {on-error: noop}
  publishes: {on-success: {publish: {branch: {v: 1}}}}
  handler: {action: std.noop}
  last: {action: std.noop}
""")
        default_error = (
            TransitionSpec("handler", path=("task-defaults", "on-error", 0)),
            TransitionSpec("fail", is_command=True, path=("task-defaults", "on-error", 1)),
        )
        tasks = spec.tasks
        assert tasks["plain"].clauses["on-error"] == ClauseSpec(default_error)
        assert [s.target for s in tasks["plain"].clauses["on-success"].next] == ["last"]
        assert tasks["plain"].clauses["on-success"].publish is not None
        assert [s.target for s in tasks["own"].clauses["on-error"].next] == ["noop"]
        own = tasks["publishes"].clauses["on-success"]
        assert [s.target for s in own.next] == ["last"]
        assert own.publish is not None
        assert (own.publish.branch, own.publish.global_) == ({"v": 1}, {})
        assert tasks["handler"].clauses["on-error"] == ClauseSpec(default_error[1:])
        assert [s.target for s in tasks["last"].clauses["on-success"].next] == []
        assert spec.positions["task-defaults", "on-error", 0] == Position(4, 16)

    def test_requirements_are_added(self) -> None:
        spec = workflow("""
type: reverse
task-defaults: {requires: [first, a]}
tasks:
  first: {action: std.noop}
  a: {requires: b}
  b: {requires: [first, b]}
""")
        assert [task.requires for task in spec.tasks.values()] == [("a",), ("b", "first"), ("first", "a")]
        assert spec.class_name == "ReverseWorkflowSpec"
        assert spec.tasks["a"].raw["type"] == "reverse"

    def test_what_belongs_to_the_other_type_is_ignored(self) -> None:
        direct = "task-defaults: {requires: [t]}\ntasks: {t: {action: std.noop}}\n"
        assert workflow(direct).tasks["t"].requires == ()
        assert "'requires' is ignored in a direct workflow" in warnings(direct)[0]
        reverse = "type: reverse\ntask-defaults: {on-error: [t]}\ntasks: {t: {action: std.noop}}\n"
        assert workflow(reverse).tasks["t"].clauses == {}
        assert "'on-error' is ignored in a reverse workflow" in warnings(reverse)[0]


class TestReverse:
    @pytest.mark.parametrize(
        ("body", "words"),
        [
            ("requires: ''", "too short"),
            ("requires: []", "must not be empty"),
            ("requires: ['']", "too short"),
            ("requires: 12345", "is not of type 'array'"),
            ("requires: [ghost]", "Task 'ghost' not found."),
            ("requires: tt", "Task 'tt' not found. (did you mean `t`?)"),
            ("requires: fail", "Task 'fail' not found."),
            ("on-error: t", "('on-error' was unexpected) (`on-error` belongs to direct workflows"),
            ("join: all", "`join` belongs to direct workflows"),
        ],
    )
    def test_refused(self, body: str, words: str) -> None:
        (found,) = errors(f"type: reverse\ntasks:\n  t: {{{body}}}\n")
        assert words in found
        assert found.startswith("line 5, column ")

    def test_unknown_default_requirements_are_placed_in_the_defaults(self) -> None:
        (found,) = errors("type: reverse\ntask-defaults: {requires: [ghost]}\ntasks: {t: {action: x}}\n")
        assert found.startswith("line 4, column 29: workflow 'w', task-defaults.requires: ")
        assert "Task 'ghost' not found." in found

    def test_a_cycle_is_named_in_a_warning(self) -> None:
        body = (
            "type: reverse\ntasks:\n  x: {requires: b}\n  a: {requires: b}\n"
            "  b: {requires: [c]}\n  c: {requires: [a]}\n"
        )
        (found,) = warnings(body)
        assert "the tasks a -> b -> c -> a require each other" in found
        assert found.startswith("line 6, column 5: ")
