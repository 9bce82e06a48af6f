"""Documents: versions, names, what is stored, and how problems are told."""

from __future__ import annotations

import time
from pathlib import Path as FilePath

import pytest
import yaml as pyyaml

from maestrale.expressions.template import SyntaxProblem, check_syntax
from maestrale.lang.parse import (
    Parsed,
    ParsedWorkbook,
    describe,
    describe_all,
    load_action,
    load_workflow,
    parse_actions,
    parse_workbook,
    parse_workflows,
    raise_for,
)
from maestrale.lang.spec import ActionSpec, Position, Problem, WorkflowSpec
from maestrale.model.errors import InvalidDefinition

EXAMPLES = FilePath(__file__).parents[3] / "examples"

Result = Parsed[WorkflowSpec] | Parsed[ActionSpec] | ParsedWorkbook


def errors(parsed: Result) -> list[str]:
    return [describe(problem) for problem in parsed.errors]


def warnings(parsed: Result) -> list[str]:
    return [describe(problem) for problem in parsed.problems if not problem.is_error]


def test_the_first_workflow_that_people_meet() -> None:
    text = (EXAMPLES / "hello_world_blog.yaml").read_bytes().decode()
    parsed = parse_workflows(text)
    assert parsed.errors == []
    (spec,) = parsed.specs
    task = spec.tasks["say_hello"]
    assert (spec.name, task.action, task.inline) == (
        "hello_world",
        "std.echo",
        {"output": "Hello Workflow!"},
    )
    assert task.publish == {"output": "<% task(say_hello).result %>"}
    (warning,) = parsed.problems
    assert (warning.line, warning.column, warning.text) == (6, 53, "”")
    assert parsed.texts == {"hello_world": text}


@pytest.mark.covers("dsl.workflow.single")
def test_one_workflow_keeps_its_bytes() -> None:
    text = "# note\nversion:   '2.0'   # two\nw: {tasks: {t: {action: std.noop}}}\n"
    assert parse_workflows(text).texts == {"w": text}


@pytest.mark.covers("dsl.workflow.multi")
def test_several_workflows_are_stored_as_slices() -> None:
    text = """
version: '2.0'
b:  # comment
  tasks:
    z: {action: std.noop, on-success: [a]}
    a: {publish: {word: žluť ✓, flag: 'on', number: '1'}}
a.dotted:
  tasks: {t: {action: std.echo output=1}}
"""
    parsed = parse_workflows(text)
    assert parsed.errors == []
    assert [spec.name for spec in parsed.specs] == ["b", "a.dotted"]
    assert parsed.texts["b"] == (
        "version: '2.0'\nb:\n  tasks:\n    z:\n      action: std.noop\n      on-success:\n      - a\n"
        "    a:\n      publish:\n        word: žluť ✓\n        flag: 'on'\n        number: '1'\n"
    )
    for spec in parsed.specs:
        stored = load_workflow(parsed.texts[spec.name], spec.name)
        assert stored.raw == spec.raw
        assert stored.tasks == spec.tasks


def test_long_expressions_are_not_folded_in_slices() -> None:
    expression = "<% " + " + ".join(f"$.a{i}" for i in range(60)) + " %>"
    text = (
        f"version: '2.0'\na:\n  tasks: {{t: {{publish: {{x: '{expression}'}}}}}}\nb:\n  tasks: {{t: {{}}}}\n"
    )
    assert expression in parse_workflows(text).texts["a"]


def test_actions_store_the_whole_text() -> None:
    text = """
version: '2.0'
std.my_echo:
  description: says it
  tags: [x, y]
  input: [text, {mark: '!'}]
  base: std.echo output="<% $.text %><% $.mark %>"
  output: {said: <% $ %>}
plain:
  base: std.noop
"""
    parsed = parse_actions(text)
    assert parsed.problems == []
    assert parsed.texts == {"std.my_echo": text, "plain": text}
    action, plain = parsed.specs
    assert (action.base, action.inline) == ("std.echo", {"output": "<% $.text %><% $.mark %>"})
    assert [(p.name, p.required, p.default) for p in action.input] == [
        ("text", True, None),
        ("mark", False, "!"),
    ]
    assert (action.output, action.has_output) == ({"said": "<% $ %>"}, True)
    assert (action.description, action.tags) == ("says it", ("x", "y"))
    assert action.raw["name"] == "std.my_echo"
    assert action.positions["base",] == Position(7, 9)
    assert (plain.output, plain.has_output, plain.base_input) == (None, False, {})
    assert load_action(text, "plain").base == "std.noop"


def test_action_rules() -> None:
    assert errors(parse_actions("version: '2.0'\na:\n  input: [x]\n")) == [
        "line 2, column 1: action 'a': 'base' is a required property (add `base`: the action to run)"
    ]
    assert errors(parse_actions("version: '2.0'\na: {base: std.noop, outputs: 1}\n")) == [
        "line 2, column 21: action 'a': Additional properties are not allowed ('outputs' was unexpected) "
        "(did you mean `output`?)"
    ]
    parsed = parse_actions("version: '2.0'\na: {base: std.noop, output: null, base-input: {x: 1}}\n")
    assert parsed.errors == []
    assert parsed.specs[0].has_output
    assert parsed.specs[0].base_input == {"x": 1}
    assert "does not start with a name" in errors(parse_actions("version: 2\na: {base: '=x y'}\n"))[0]
    for bad in (
        "base: ''",
        "base: null",
        "base: x, base-input: {}",
        "base: x, tags: []",
        "base: x, tags: [a, a]",
    ):
        assert parse_actions(f"version: '2.0'\na: {{{bad}}}\n").errors, bad


def test_what_surprises_in_an_action_is_a_warning() -> None:
    parsed = parse_actions("version: '2.0'\na:\n  base: std.echo output=1 to=2\n  base-input: {output: 2}\n")
    assert errors(parsed) == []
    (warning,) = warnings(parsed)
    assert warning.startswith("line 4, column 16: action 'a', base-input: the parameter 'output' also")
    assert parsed.specs[0].inline == {"output": 1, "to": 2}
    parsed = parse_actions("version: '2.0'\na: {base: x, output: {b: ['<% 1 + %>']}}\n", check_syntax)
    assert errors(parsed) == []
    (warning,) = warnings(parsed)
    assert warning.startswith("line 2, column 34: action 'a', output.b: Can not parse YAQL expression")


@pytest.mark.parametrize("version", ["'2.0'", "2.0", "2", '"2"', "‘2.0’", "“2.0”"])
def test_versions_that_mean_two(version: str) -> None:
    text = f"version: {version}\nw: {{tasks: {{t: {{action: std.noop}}}}}}\n"
    assert parse_workflows(text).errors == []
    book = f"version: {version}\nname: b\n"
    assert parse_workbook(book).errors == []


def test_typographic_quotes_around_the_version_are_named() -> None:
    parsed = parse_workflows("version: ‘2.0’\nw: {tasks: {t: {action: std.noop}}}\n")
    (warning,) = warnings(parsed)
    assert warning.startswith("line 1, column 10: version: the quotes around 2.0 are typographic")


@pytest.mark.parametrize("version", ["1.0", "'two'", "'v2.0'", "3"])
def test_other_versions_pass_with_a_warning_except_in_workbooks(version: str) -> None:
    parsed = parse_workflows(f"version: {version}\nw: {{tasks: {{t: {{action: std.noop}}}}}}\n")
    assert parsed.errors == []
    assert "is read as 2.0" in warnings(parsed)[0]
    (error,) = errors(parse_workbook(f"version: {version}\nname: b\n"))
    assert error.startswith("line 1, column 10: version: Unsupported DSL version: ")


@pytest.mark.parametrize("version", ["''", "null", "true", "[2.0]", "-1"])
def test_versions_that_are_none(version: str) -> None:
    for parsed in (
        parse_workflows(f"version: {version}\nw: {{tasks: {{t: {{action: std.noop}}}}}}\n"),
        parse_actions(f"version: {version}\na: {{base: std.noop}}\n"),
        parse_workbook(f"version: {version}\nname: b\n"),
    ):
        (error,) = errors(parsed)
        assert "is no version" in error


@pytest.mark.covers("dsl.version")
def test_a_missing_version() -> None:
    parsed = parse_workflows("w:\n  tasks: {t: {action: std.noop}}\n")
    assert errors(parsed) == [
        "line 1, column 1: 'version' is a required property (begin the text with `version: '2.0'`)"
    ]
    assert "'version' is a required property" in errors(parse_workflows(""))[0]


@pytest.mark.parametrize("text", ["[a]", "just text", "5"])
def test_the_top_level_must_be_a_map(text: str) -> None:
    for parsed in (parse_workflows(text), parse_actions(text), parse_workbook(text)):
        (error,) = errors(parsed)
        assert "is not of type 'object'" in error


def test_a_text_must_define_something() -> None:
    assert "defines no workflow" in errors(parse_workflows("version: '2.0'\n"))[0]
    assert "defines no action" in errors(parse_actions("version: '2.0'\n"))[0]


def test_stray_top_level_keys_are_taken_as_workflows() -> None:
    (error,) = errors(parse_workflows("version: '2.0'\nname: x\nw: {tasks: {t: {action: std.noop}}}\n"))
    assert error == (
        "line 2, column 7: workflow 'name': 'x' is not of type 'object' "
        "(write lines of `name: value` below the key)"
    )


def test_a_workbook_sent_as_workflows_is_recognised() -> None:
    parsed = parse_workflows("version: '2.0'\nname: x\nworkflows: {w: {tasks: {t: {action: std.noop}}}}\n")
    (error,) = errors(parsed)
    assert "this is a workbook" in error
    assert parsed.specs == ()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a b", "Name 'a b' must not contain spaces"),
        ("''", "must not be empty"),
        ("x" * 256, "256 characters long; at most 255"),
        ("123e4567-e89b-12d3-a456-426655440000", "UUID"),
        ("123E4567e89b12d3a456426655440000", "UUID"),
        ("'{123e4567-e89b-12d3-a456-426655440000}'", "UUID"),
        ("on", "YAML reads it as the boolean true"),
        ("12", "YAML reads it as the number 12"),
        ("~", "YAML reads it as null"),
    ],
)
def test_names_that_are_refused(name: str, words: str) -> None:
    (error,) = errors(parse_workflows(f"version: '2.0'\n? {name}\n: tasks: {{t: {{action: std.noop}}}}\n"))
    assert words in error
    assert error.startswith("line 2, column 3: ")


def test_actions_may_look_like_a_uuid() -> None:
    text = "version: '2.0'\n123e4567-e89b-12d3-a456-426655440000: {base: std.noop}\n"
    assert parse_actions(text).errors == []
    assert parse_actions("version: '2.0'\na b: {base: std.noop}\n").errors


WORKBOOK = """\
version: '2.0'
name: book
description: demo
tags: [x, y]

actions:
  version: 2.0
  # says it
  shout:
    input: [text]
    base: std.echo output="<% $.text.toUpper() %>"

  # next one
  plain: {base: std.noop}  # flow
workflows:
    inner:
        input: [t]
        # kept
        tasks:
            s:
                action: shout text=<% $.t %>
                publish:
                    text: |
                        a

                        b
    'main':
        description: "two
      lines"
        tasks: {a: {workflow: inner t="psst",
   on-success: [b]}, b: {action: std.noop}}

# the end
"""


def test_workbook_members_and_their_texts() -> None:
    parsed = parse_workbook(WORKBOOK)
    assert errors(parsed) == []
    assert parsed.spec is not None
    assert (parsed.spec.name, parsed.spec.description, parsed.spec.tags) == ("book", "demo", ("x", "y"))
    assert [w.name for w in parsed.spec.workflows] == ["book.inner", "book.main"]
    assert [a.name for a in parsed.spec.actions] == ["book.shout", "book.plain"]
    assert parsed.action_texts["book.shout"] == (
        'shout:\n  input: [text]\n  base: std.echo output="<% $.text.toUpper() %>"\n'
    )
    assert parsed.action_texts["book.plain"] == "plain: {base: std.noop}\n"
    assert parsed.workflow_texts["book.inner"].startswith("inner:\n    input: [t]\n    # kept\n    tasks:\n")
    assert parsed.workflow_texts["book.main"].endswith("b: {action: std.noop}}\n")
    for spec in parsed.spec.workflows:
        stored = load_workflow(parsed.workflow_texts[spec.name], spec.name)
        assert (stored.name, stored.raw, stored.tasks) == (spec.name, spec.raw, spec.tasks)
    for action in parsed.spec.actions:
        assert load_action(parsed.action_texts[action.name], action.name).raw == action.raw


def test_positions_of_members_count_from_their_workbook_or_from_their_own_text() -> None:
    parsed = parse_workbook(WORKBOOK)
    assert parsed.spec is not None
    path = ("tasks", "s", "action")
    assert parsed.spec.workflows[0].positions[path] == Position(21, 25)
    stored = load_workflow(parsed.workflow_texts["book.inner"], "book.inner")
    assert stored.positions[path] == Position(6, 21)


@pytest.mark.parametrize(
    "text",
    [
        "{version: '2.0', name: b, workflows: {w: {tasks: {t: {action: std.noop}}}, v: {tasks: {t: {}}}}}",
        '{"version": "2.0", "name": "b", "workflows": {"w": {"tasks": {"t": {"action": "std.noop"}}}}}',
        "version: '2.0'\nname: b\nworkflows: {w: {tasks: {t: {action: std.noop}}}}\n",
        "version: '2.0'\nname: b\nworkflows:\n  ? w\n  : tasks: {t: {action: std.noop}}\n",
    ],
)
def test_members_in_flow_style_are_written_anew(text: str) -> None:
    parsed = parse_workbook(text)
    assert parsed.workflow_texts["b.w"] == "w:\n  tasks:\n    t:\n      action: std.noop\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "version: '2.0'\nworkflows: {w: {tasks: {t: {action: std.noop}}}}\n",
            "'name' is a required property",
        ),
        ("version: '2.0'\nname: b\ntriggers: {}\n", "('triggers' was unexpected)"),
        ("version: '2.0'\nname: b\nworkflows: {w: {tasks: {t: {on-success: ghost}}}}\n", "'ghost' not found"),
        ("version: '2.0'\nname: b\nworkflows: {a.b: {tasks: {t: {action: x}}}}\n", "('a.b' was unexpected)"),
        ("version: '2.0'\nname: b\nworkflows: {}\n", "must not be empty"),
        ("version: '2.0'\nname: b\nactions: null\n", "is not of type 'object'"),
        ("version: '2.0'\nname: b\nactions: {a: 5}\n", "5 is not of type 'object'"),
        ("version: '2.0'\nname: a b\n", "must not contain spaces"),
        ("version: '2.0'\nname: ''\n", "too short"),
        ("version: '2.0'\nname: 5\n", "is not of type 'string'"),
        ("version: '2.0'\nname: b\ntags: a, b\n", "is not of type 'array'"),
        ("version: '2.0'\nname: b\ndescription: ''\n", "too short"),
        (f"version: '2.0'\nname: {'b' * 200}\nactions: {{{'a' * 60}: {{base: x}}}}\n", "261 characters"),
        ("name: b\n", "'version' is a required property"),
        ("version: '2.0'\nname: b\nactions: {1: {base: x}}\n", "YAML reads it as the number 1"),
    ],
)
def test_workbook_rules(text: str, words: str) -> None:
    (error,) = errors(parse_workbook(text))
    assert words in error


@pytest.mark.covers("dsl.error.messages")
def test_an_unreadable_text_gives_one_syntax_problem() -> None:
    for parsed in (parse_workflows("a: ["), parse_actions("a: ["), parse_workbook("a: [")):
        (problem,) = parsed.problems
        assert problem.kind == "syntax"
        with pytest.raises(
            InvalidDefinition, match=r"^Definition could not be parsed: line \d+, column \d+: "
        ):
            raise_for(parsed.problems)


@pytest.mark.covers("dsl.error.messages")
def test_errors_are_listed_one_per_line_in_the_order_of_the_text() -> None:
    text = """\
version: '2.0'
w:
  tasks:
    a: {on-success: gost}
    ghost: {action: std.noop, retires: 1, timeout: '3'}
  type: directed
  inputs: [a]
"""
    parsed = parse_workflows(text)
    with pytest.raises(InvalidDefinition) as caught:
        raise_for(parsed.problems)
    assert caught.value.status == 400
    assert caught.value.message.splitlines() == [
        "Invalid DSL: line 4, column 21: task 'a', on-success: Task 'gost' not found. "
        "(did you mean `ghost`?)",
        "line 5, column 31: task 'ghost': Additional properties are not allowed ('retires' was unexpected) "
        "(did you mean `retry`?)",
        "line 5, column 52: task 'ghost', timeout: '3' is not of type 'integer' (remove the quotes)",
        "line 6, column 9: workflow 'w', type: 'directed' is not one of ['direct', 'reverse'] "
        "(did you mean `direct`?)",
    ]
    assert warnings(parsed) == [
        "line 7, column 3: workflow 'w': the key 'inputs' means nothing here and is ignored "
        "(did you mean `input`?)"
    ]


def test_warnings_alone_do_not_raise() -> None:
    parsed = parse_workflows("version: '2.0'\nw: {tasks: {t: {action: std.echo output=x}}}\n")
    assert parsed.problems
    raise_for(parsed.problems)


def test_endless_lists_of_errors_are_cut() -> None:
    problems = [Problem(f"p{i}") for i in range(1500)]
    lines = describe_all(problems).splitlines()
    assert len(lines) == 1001
    assert lines[-1] == "… and 500 more errors"


def test_a_key_given_twice_is_reported_beside_the_rest() -> None:
    parsed = parse_workflows("version: '2.0'\nw:\n  tasks: {t: {action: a, action: b}}\n")
    assert parsed.errors == []
    assert "stands twice" in warnings(parsed)[0]
    assert parsed.specs[0].tasks["t"].action == "b"


def test_keys_of_data_that_are_no_text_are_only_a_warning() -> None:
    text = "version: '2.0'\nw:\n  tasks: {t: {input: {body: {on: 1, 2: x}}}}\n"
    parsed = parse_workflows(text)
    assert parsed.errors == []
    assert parsed.specs[0].tasks["t"].input == {"body": {"on": 1, "2": "x"}}
    assert warnings(parsed) == [
        "line 3, column 30: the key 'on', which YAML reads as the boolean true, is taken as text "
        "(put it into quotes: 'on')",
        "line 3, column 37: the key '2', which YAML reads as the number 2, is taken as text "
        "(put it into quotes: '2')",
    ]


class TestLoad:
    TEXT = "version: '2.0'\nw: {tasks: {t: {action: std.echo output=<% broken + %>}}}\n"

    def test_expressions_are_not_checked_again(self) -> None:
        spec = load_workflow(self.TEXT, "w")
        assert spec.tasks["t"].inline == {"output": "<% broken + %>"}
        assert spec.positions["tasks", "t", "action"] == Position(2, 25)

    def test_the_only_member_is_taken_under_any_name(self) -> None:
        assert load_workflow(self.TEXT, "book.w").name == "book.w"
        assert load_workflow(self.TEXT, "book.w").raw["name"] == "w"

    def test_the_right_one_of_several_is_taken(self) -> None:
        text = "version: '2.0'\na: {base: std.noop}\nb: {base: std.fail}\n"
        assert load_action(text, "b").base == "std.fail"
        with pytest.raises(InvalidDefinition, match="'c' does not define it"):
            load_action(text, "c")

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("a: [", "could not be parsed"),
            ("w: {tasks: {t: {on-success: ghost}}}", "'ghost' not found"),
            ("w: {tasks: {}}", "must not be empty"),
            ("[w]", "does not define it"),
            ("", "does not define it"),
        ],
    )
    def test_broken_definitions_raise(self, text: str, words: str) -> None:
        with pytest.raises(InvalidDefinition, match=words):
            load_workflow(text, "w")


def big_workflow(count: int) -> str:
    lines = ["version: '2.0'", "w:", "  input: [a, {b: 1}]", "  tasks:"]
    for index in range(count):
        lines += [
            f"    t{index}:",
            f"      action: std.echo output=<% $.a + {index} %>",
            f"      publish: {{v{index}: <% task().result %>}}",
            "      on-success: " + (f"[{{t{index + 1}: <% $.x > 1 %>}}]" if index + 1 < count else "noop"),
        ]
    return "\n".join(lines)


def test_a_workflow_of_500_tasks_parses_quickly() -> None:
    text = big_workflow(500)
    best = 1.0
    for _ in range(10):
        started = time.process_time()
        assert parse_workflows(text).errors == []
        best = min(best, time.process_time() - started)
    assert best < 0.5, "measured 0.03 s on a quiet machine"


@pytest.mark.parametrize(
    "text",
    [
        "version: '2.0'\nw:\n  tasks: {"
        + ", ".join(f"t{i}: {{on-success: u{i}}}" for i in range(3000))
        + "}",
        "version: '2.0'\nw: {" + ", ".join(f"k{i}: 1" for i in range(20_000)) + "}",
        "version: '2.0'\n" + "\n".join(f"w{i}: {{tasks: {{t: {{x: 1}}}}}}" for i in range(2000)),
        "version: '2.0'\nw: {" + ", ".join("k: [1]" for i in range(20_000)) + "}",
        "version: '2.0'\nw: {tasks: {t: {action: " + "'a " + "x=y " * 50_000 + "'}}}",
        "version: '2.0'\nw: {tasks: {t: {with-items: [" + ",".join(f"i{i}" for i in range(10_000)) + "]}}}",
        "version: '2.0'\nw: {type: reverse, tasks: {t: {requires: ["
        + ",".join(f"i{i}" for i in range(10_000))
        + "]}}}",
        "version: '2.0'\nw: {tasks: {t: {publish: {x: '" + "%>" + "<%" * 100_000 + "'}}}}",
    ],
)
def test_texts_full_of_mistakes_take_seconds_at_most(text: str) -> None:
    started = time.perf_counter()
    parse_workflows(text, lambda _: SyntaxProblem("wrong"))
    assert time.perf_counter() - started < 8


def test_dumped_members_are_plain_yaml() -> None:
    text = (
        "version: 2.0\na: {tasks: {t: {publish: {x: '&a', y: '*b', z: '<<', w: =}}}}\nb: {tasks: {t: {}}}\n"
    )
    stored = parse_workflows(text).texts["a"]
    assert pyyaml.safe_load(stored)["a"]["tasks"]["t"]["publish"] == {
        "x": "&a",
        "y": "*b",
        "z": "<<",
        "w": "=",
    }
