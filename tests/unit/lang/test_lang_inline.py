"""Names with inline parameters."""

from __future__ import annotations

import time

import pytest

from maestrale.lang.inline import Command, expression_end, parse_call, parse_command, parse_parameters


def command(text: str) -> Command:
    found = parse_command(text)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ('url="a=b" timeout=5 verify=true a=null', {"url": "a=b", "timeout": 5, "verify": True, "a": None}),
        ("x=false y='single quoted'", {"x": False, "y": "single quoted"}),
        ("params=[1,2]", {"params": [1, 2]}),
        ('params=[1, "two", null] next=3', {"params": [1, "two", None], "next": 3}),
        ('x=[{"k":{"n":1}}]', {"x": [{"k": {"n": 1}}]}),
        ("x=[<% $.a %>, 1]", {"x": "[<% $.a %>, 1]"}),
        ("x=[NaN]", {"x": "[NaN]"}),
        ("x=[1e999]", {"x": "[1e999]"}),
        ("x=<% $.a + 's' %> y={{ _.b }}", {"x": "<% $.a + 's' %>", "y": "{{ _.b }}"}),
        ("x=<% '%>' %> y=1", {"x": "<% '%>' %>", "y": 1}),
        ('x={{ {"a": {"b": 1}} }} y=1', {"x": '{{ {"a": {"b": 1}} }}', "y": 1}),
        ("x=<% don't %> y=2", {"x": "<% don't %>", "y": 2}),
        ('x="<% $.v %> text {x}"', {"x": "<% $.v %> text {x}"}),
        ('x="42"', {"x": "42"}),
        ("x=-5", {"x": -5}),
        ("x=1.75 y=-0.5 z=1e3", {"x": 1.75, "y": -0.5, "z": 1000.0}),
        ("x=007", {"x": "007"}),
        ("x=1e999", {"x": "1e999"}),
        (r'x="say \"hi\"" y=1', {"x": 'say "hi"', "y": 1}),
        (r"x='it\'s' y=1", {"x": "it's", "y": 1}),
        (r'x="C:\dir\" y="D:\a"', {"x": "C:\\dir\\", "y": "D:\\a"}),
        (r'x="C:\dir\"', {"x": "C:\\dir\\"}),
        (r'x="a\nb \\d"', {"x": r"a\nb \\d"}),
        ("x=1, y=2", {"x": 1, "y": 2}),
        ('x="1"y="2"', {"x": "1", "y": "2"}),
        ("some-key_1=1", {"some-key_1": 1}),
        ("x='' y=\"\"", {"x": "", "y": ""}),
        ('x="two\nlines"', {"x": "two\nlines"}),
    ],
)
def test_values(text: str, parameters: object) -> None:
    found = command("std.echo " + text)
    assert found.name == "std.echo"
    assert found.parameters == parameters
    assert repr(found.parameters) == repr(parameters)
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "parameters", "piece", "words"),
    [
        ("x=abc", {"x": "abc"}, "abc", "taken as a text"),
        ("url=http://h/p?a=1 y=2", {"url": "http://h/p?a=1", "y": 2}, "http://h/p?a=1", "taken as a text"),
        ("x=1.5.3", {"x": "1.5.3"}, "1.5.3", "taken as a text"),
        ("url=http://<% $.h %>/p", {"url": "http://<% $.h %>/p"}, "http://<% $.h %>/p", "taken as a text"),
        ("x=True", {"x": "True"}, "True", "taken as a text"),
        ("x=[abc", {"x": "[abc"}, "[abc", "taken as a text"),
        ("x={%a", {"x": "{%a"}, "{%a", "taken as a text"),
        (
            "x={% if _.a %}b{% endif %}",
            {"x": "{% if _.a %}b{% endif %}"},
            "{% if _.a %}b{% endif %}",
            "taken",
        ),
        ("x=1 x=2", {"x": 2}, "x", "given twice"),
        ("x= y=1", {"y": 1}, "x", "no value"),
        ("y=1 x=", {"y": 1}, "x", "no value"),
        ('x = "1" y=2', {"y": 2}, 'x = "1"', "is ignored"),
        ("word x=1", {"x": 1}, "word", "is ignored"),
        ("x=<% $.a %>suffix", {"x": "<% $.a %>"}, "suffix", "is ignored"),
        ("x={a: 1} y=2", {"y": 2}, "{a: 1}", "give maps in `input:`"),
        ("x={a", {}, "{a", "give maps in `input:`"),
        ('x={"a": 1} y=2', {"x": {"a": 1}, "y": 2}, '{"a": 1}', "read as JSON"),
        ('x="open y=1', {"x": "open y=1"}, '"', "not closed"),
    ],
)
def test_doubtful_values_are_read_with_a_warning(
    text: str, parameters: object, piece: str, words: str
) -> None:
    whole = "std.echo " + text
    found = command(whole)
    assert found.parameters == parameters
    (warning,) = found.warnings
    assert words in warning.message
    assert warning.text == piece
    assert whole.startswith(piece, warning.offset)


@pytest.mark.parametrize(
    ("text", "parameters", "quotes"),
    [
        ('x="Hello Workflow!”', {"x": "Hello Workflow!"}, "”"),
        ('x="Hello Workflow!"”', {"x": "Hello Workflow!"}, "”"),
        ("x=“Hello World” y=1", {"x": "Hello World", "y": 1}, "“”"),
        ("x=”Hello” y=1", {"x": "Hello", "y": 1}, "””"),
        ("x=„Hallo Welt“", {"x": "Hallo Welt"}, "„“"),
        ("x=«Bon jour» y=‹a b›", {"x": "Bon jour", "y": "a b"}, "«»‹›"),
        ("x=‘it’s’ y=’a b’", {"x": "it’s", "y": "a b"}, "‘’’’"),
        ("x='one’ y='two'", {"x": "one", "y": "two"}, "’"),
        ('x=“He said "hi" now”', {"x": 'He said "hi" now'}, "“”"),
        ('x="one” y="two"', {"x": "one", "y": "two"}, "”"),
        ("x=“a”b", {"x": "a"}, "“”"),
        ("x=“a” b", {"x": "a"}, "“”"),
        ("x=””", {"x": ""}, "””"),
    ],
)
def test_typographic_quotes_are_quotes(text: str, parameters: object, quotes: str) -> None:
    whole = "std.echo " + text
    found = command(whole)
    assert found.parameters == parameters
    typographic = [w for w in found.warnings if "typographic" in w.message]
    assert [w.text for w in typographic] == list(quotes)
    assert all(whole[w.offset] == w.text for w in typographic)


def test_typographic_quotes_inside_straight_ones_are_text() -> None:
    found = command("a x=\"say “hi” and don’t\" y='a’b'")
    assert found.parameters == {"x": "say “hi” and don’t", "y": "a’b"}
    assert found.warnings == ()


def test_an_open_typographic_quote_takes_the_rest() -> None:
    found = command("a x=“open")
    assert found.parameters == {"x": "open"}
    assert "not closed" in found.warnings[-1].message


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("std.noop", "std.noop", {}),
        ("fail(msg=1)", "fail(msg=1)", {}),
        ("x=1", "x=1", {}),
        ("std.noop\n", "std.noop", {}),
        ("with-dash/and:more x=1", "with-dash/and:more", {"x": 1}),
        ("<% $.name %> x=1", "<% $.name %>", {"x": 1}),
        ("{{ _.name }} x=1", "{{ _.name }}", {"x": 1}),
        ("pre_<% $.a %>.post x=1", "pre_<% $.a %>.post", {"x": 1}),
        ("{% if _.a %}std.noop{% else %}std.fail{% endif %} x=1", None, {"x": 1}),
        ("std.echo(output=1, x='a b')", "std.echo", {"output": 1, "x": "a b"}),
        ("std.echo(output=word, x=b)", "std.echo", {"output": "word", "x": "b"}),
        ("a<b{c x=1", "a<b{c", {"x": 1}),
        ("<%$.a%>suffix", "<%$.a%>suffix", {}),
    ],
)
def test_names(text: str, name: str | None, parameters: object) -> None:
    found = command(text)
    assert found.name == (text.rsplit(" ", 1)[0] if name is None else name)
    assert found.parameters == parameters


def test_text_after_a_dynamic_name_is_ignored_with_a_warning() -> None:
    found = command("<% $.a %>suffix")
    assert found.name == "<% $.a %>"
    assert [w.text for w in found.warnings] == ["suffix"]


@pytest.mark.parametrize("text", [" std.noop", "=x y", "(a b)", '"quoted name"', "-a b", "{a b}"])
def test_a_command_must_start_with_a_name(text: str) -> None:
    assert parse_command(text) is None


def test_calls_and_bare_parameters() -> None:
    assert parse_call('pause(msg="hold")') == Command("pause", {"msg": "hold"})
    assert parse_parameters("count=3 delay=1 break-on=<% $.x > 1 %>").parameters == {
        "count": 3,
        "delay": 1,
        "break-on": "<% $.x > 1 %>",
    }


def test_the_number_of_warnings_is_bounded() -> None:
    assert len(command("a " + "x=y " * 1000).warnings) == 20


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("<% a %> b", 0, 7),
        ("x <% a %>", 2, 9),
        ("<% a", 0, -1),
        ("plain", 0, -1),
        ("{{ '}}' }} x", 0, 10),
        ("{{ {1: {2: 3}} }}", 0, 17),
        ("{{ ) }}", 0, 7),
        (r"<% 'a\'%>' %>", 0, 13),
        ("{{ ( }} x", 0, 7),
        ("{% if a %} x", 0, 10),
    ],
)
def test_where_an_expression_ends(text: str, start: int, end: int) -> None:
    assert expression_end(text, start) == end


@pytest.mark.parametrize(
    "piece",
    ["a=<% ", "a={{(}} ", 'a=" ', "a=“x” y ", "a=[ ", "a=[1] ", "a=<%'%> ", "ab-", "a={ ", 'a="\\" ', "a=x”"],
)
def test_long_commands_take_linear_time(piece: str) -> None:
    text = "name " + piece * (200_000 // len(piece))
    started = time.perf_counter()
    parse_command(text)
    assert time.perf_counter() - started < 5
