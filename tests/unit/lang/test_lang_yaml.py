"""YAML with positions: data, places, and what is refused."""

from __future__ import annotations

import pytest
import yaml as pyyaml

from maestrale.lang import yaml as lang_yaml
from maestrale.lang.spec import Position
from maestrale.lang.yaml import Document, load


@pytest.fixture(params=["fast", "pure"])
def _any_loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run a test with libyaml and without it."""
    if request.param == "pure":
        monkeypatch.setattr(lang_yaml, "_FastLoader", None)


pytestmark = pytest.mark.usefixtures("_any_loader")


def syntax_error(document: Document) -> tuple[int, int, str, str]:
    assert not document.is_readable
    assert document.data == {}
    (problem,) = document.problems
    assert problem.is_error
    assert problem.kind == "syntax"
    return problem.line, problem.column, problem.message, problem.hint


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "---\n", "--- ~\n", "\ufeff"])
def test_an_empty_text_is_an_empty_map(text: str) -> None:
    document = load(text)
    assert document.data == {}
    assert document.is_readable
    assert document.position(()).line >= 1


def test_scalars_follow_yaml_1_1() -> None:
    text = """
a: on
b: No
c: 1_000
d: 0o7
e: 010
f: 2.0
g: ~
h: '2.0'
i: 0x1F
j: 1:30
k: -1.5e+3
l: !!str 5
m: ! 7
n: !!int '8'
o: !!float '1.5'
p: |
  literal
q:
r: =
s: 2024-01-31
t: !!timestamp 2024-01-31
"""
    found = load(text).data
    assert [found[key] for key in "abcdef"] == [True, False, 1000, "0o7", 8, 2.0]
    assert [found[key] for key in "ghijkl"] == [None, "2.0", 31, 90, -1500.0, "5"]
    assert [found[key] for key in "mnopqr"] == ["7", 8, 1.5, "literal\n", None, "="]
    assert [found[key] for key in "st"] == ["2024-01-31", "2024-01-31"]


@pytest.mark.covers("dsl.yaml.json")
def test_json_is_yaml() -> None:
    assert load('{"a": {"b": [1, "x", null, true]}}').data == {"a": {"b": [1, "x", None, True]}}


def test_every_value_and_key_has_its_place() -> None:
    document = load("a: 1\nbb:\n  - x\n  - {c: [2]}\n")
    places = {
        path: (document.position(path), document.key_position(path))
        for path in ((), ("a",), ("bb",), ("bb", 0), ("bb", 1), ("bb", 1, "c"), ("bb", 1, "c", 0))
    }
    assert places == {
        (): (Position(1, 1), Position(1, 1)),
        ("a",): (Position(1, 4), Position(1, 1)),
        ("bb",): (Position(3, 3), Position(2, 1)),
        ("bb", 0): (Position(3, 5), Position(3, 5)),
        ("bb", 1): (Position(4, 5), Position(4, 5)),
        ("bb", 1, "c"): (Position(4, 9), Position(4, 6)),
        ("bb", 1, "c", 0): (Position(4, 10), Position(4, 10)),
    }


def test_an_absent_value_stands_where_its_surroundings_do() -> None:
    document = load("a:\n  b: 1\n")
    assert document.position(("a", "b", "c", "d")) == Position(2, 6)
    assert document.key_position(("a", "zz")) == Position(2, 3)
    assert not document.has(("a", "zz"))
    assert document.has(("a", "b"))


def test_positions_are_grouped_by_their_first_keys() -> None:
    document = load("w:\n  a: 1\nv: 2\n")
    assert document.positions(1) == {
        ("w",): {(): Position(2, 3), ("a",): Position(2, 6)},
        ("v",): {(): Position(3, 4)},
    }


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("a: &x 1\nb: *x\n", {"a": "&x 1", "b": "*x"}),
        ("a: @b\n", {"a": "@b"}),
        ("- *a\n- '*b'\n", ["*a", "*b"]),
        ("base: {a: 1}\nother:\n  <<: base\n", {"base": {"a": 1}, "other": {"<<": "base"}}),
        ("? &k key\n: 1\n", {"&k key": 1}),
        ("a: <% $.x * 2 %> & more\n", {"a": "<% $.x * 2 %> & more"}),
        ("*a : 1\n", {"*a": 1}),
    ],
)
@pytest.mark.covers("dsl.yaml.no_anchors")
def test_anchors_and_aliases_are_plain_text(text: str, data: object) -> None:
    document = load(text)
    assert document.is_readable
    assert document.data == data


def test_places_stay_right_beside_anchors() -> None:
    document = load("a: &x 1\nbb: *x\n")
    assert document.position(("bb",)) == Position(2, 5)
    assert document.key_position(("bb",)) == Position(2, 1)


def test_an_anchor_before_a_map_is_a_syntax_error() -> None:
    line, _, message, _ = syntax_error(load("t1: &x\n  action: std.noop\n"))
    assert line == 2
    assert "mapping values are not allowed" in message


@pytest.mark.covers("dsl.yaml.no_anchors")
def test_an_expansion_bomb_stays_small() -> None:
    lines = ["a0: &a0 [x, x]"]
    lines += [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    document = load("\n".join(lines))
    assert len(str(document.data)) < 10_000


def test_a_key_given_twice_is_a_warning_and_the_last_wins() -> None:
    document = load("a: {x: {deep: 1}}\nb: 2\na:\n  y: 3\n")
    assert document.data == {"a": {"y": 3}, "b": 2}
    (problem,) = document.problems
    assert not problem.is_error
    assert (problem.line, problem.column, problem.path) == (3, 1, ("a",))
    assert "'a'" in problem.message
    assert "line 1" in problem.hint
    assert not document.has(("a", "x", "deep"))
    assert document.position(("a", "y")) == Position(4, 6)
    assert load("- {a: 1, a: 2}\n").data == [{"a": 2}]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: 1\n---\nb: 2\n", (2, 1), "single document"),
        ("version: '2.0\n", (2, 1), "unexpected end of stream"),
        ("a: b: c\n", (1, 5), "mapping values are not allowed"),
        ("a\x07b: 1\n", (1, 2), "U+0007"),
        ("x: 1\nab\x00: 1\n", (2, 3), "U+0000"),
        ("a: {% if %}\n", (1, 5), "cannot start any token"),
        ("a: !!binary aGk=\n", (1, 4), "tag"),
        ("a: !thing x\n", (1, 4), "!thing"),
        ("a: !!set {x}\n", (1, 4), "tag"),
        ("a: !!python/object:os.system []\n", (1, 4), "tag"),
        ("? [a, b]\n: 1\n", (1, 3), "a key must be a text"),
        ("a: .inf\n", (1, 4), "JSON"),
        ("a: [.nan]\n", (1, 5), "JSON"),
        ("a: 0b_\n", (1, 4), "cannot be read as int"),
        ("a: !!bool maybe\n", (1, 4), "cannot be read as bool"),
        (f"a: {'9' * 5000}\n", (1, 4), "cannot be read as int"),
        ('a: "\\ud800"\n', None, "invalid Unicode"),
    ],
)
def test_what_cannot_be_read_is_named_with_its_place(
    text: str, place: tuple[int, int] | None, words: str
) -> None:
    line, column, message, _ = syntax_error(load(text))
    assert words in message
    if place is not None:
        assert (line, column) == place


def test_an_unquoted_jinja_expression_gets_the_right_advice() -> None:
    line, column, _, hint = syntax_error(load("output:\n  x: {{ _.a }}\n"))
    assert (line, column) == (2, 7)
    assert 'quotes: "{{' in hint


def test_a_syntax_error_says_where_the_open_piece_began() -> None:
    _, _, message, hint = syntax_error(load("a: 1\nb: [x\n\n\n"))
    assert "begun in line 2" in message
    assert "`[`" in hint


def test_nesting_is_limited() -> None:
    assert load("[" * 100 + "]" * 100).is_readable
    _, column, message, _ = syntax_error(load("[" * 101 + "]" * 101))
    assert column == 101
    assert "100 levels" in message
    assert not load("[" * 200_000).is_readable


@pytest.mark.parametrize(
    ("text", "data", "odd"),
    [
        ("on: 1\n", {"on": 1}, {("on",): True}),
        ("a:\n  1: x\n", {"a": {"1": "x"}}, {("a", "1"): 1}),
        ("~: x\n", {"~": "x"}, {("~",): None}),
        ("'on': 1\n", {"on": 1}, {}),
        ("!!str on: 1\n", {"on": 1}, {}),
        ("!!int '3': 1\n", {"3": 1}, {("3",): 3}),
    ],
)
def test_keys_that_are_no_text_are_kept_as_written_and_remembered(
    text: str, data: object, odd: object
) -> None:
    document = load(text)
    assert document.data == data
    assert document.odd_keys == odd


@pytest.mark.parametrize(
    ("text", "wanted", "place"),
    [
        ("a: abc X\n", "X", (1, 8)),
        ("a: 'it''s X'\n", "X", (1, 11)),
        ('a: "q \\" \\u0041\\x41 X"\n', "X", (1, 21)),
        ('a: "x\\\n  y X"\n', "X", (2, 5)),
        ("a: |\n  one\n    two X\n", "X", (3, 9)),
        ("a: >-\n  one\n  two X\n\n  three\n", "X", (3, 7)),
        ("a:\n  one\n  two X\n", "X", (3, 7)),
        ("a: >\n  one\n\n  X\n", "X", (4, 3)),
    ],
)
def test_a_place_inside_a_text_is_found_in_every_style(
    text: str, wanted: str, place: tuple[int, int]
) -> None:
    document = load(text)
    value = document.data["a"]
    assert document.locate(("a",), value, value.index(wanted)) == Position(*place)


def test_a_place_inside_a_text_falls_back_to_its_start() -> None:
    document = load("a: !!str abc\nb: 1\n")
    assert document.locate(("a",), "abc", 2) == Position(1, 4)
    assert document.locate(("b", "gone"), "xyz", 1) == Position(2, 4)
    assert document.locate(("b",), "1", 5) == Position(2, 5)


def test_fast_and_pure_loader_agree_on_a_workflow() -> None:
    text = "version: '2.0'\nw:\n  tasks:\n    t: {action: std.noop, on-success: [a, {b: <% $.x %>}]}\n"
    assert load(text).data == pyyaml.safe_load(text)


def test_odd_errors_of_the_loader_are_still_problems(monkeypatch: pytest.MonkeyPatch) -> None:
    class Failing(pyyaml.SafeLoader):
        def get_event(self) -> object:
            raise pyyaml.YAMLError("out of order")

    monkeypatch.setattr(lang_yaml, "_FastLoader", Failing)
    assert syntax_error(load("a: 1")) == (1, 1, "out of order", "correct the YAML of this line")
