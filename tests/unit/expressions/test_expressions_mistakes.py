"""What authors write by mistake, what they are told, and where the mark stands."""

from __future__ import annotations

import copy
import re
import time
from typing import Any, Final

import pytest
from expressions_world import World

from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import Template, check_syntax, compile_value
from maestrale.expressions.yaql_library import Expression, YaqlText
from maestrale.model.errors import EvaluationError

DATA: Final[dict[str, Any]] = {
    "vm_id": "x",
    "n": 7,
    "none": None,
    "yes": True,
    "l": [3, 1, 2],
    "empty": [],
    "m": {"a": 1, "b": {"c": 2}},
    "vms": [{"name": "a", "ram": 1}, {"name": "b"}],
    "text": "abc",
}

YAQL = r"""
$.vm_idd                           @3  no variable 'vm_idd'; did you mean 'vm_id'?; available: empty, l, m,
                                      n, none, text, vm_id, vms, yes
$.vms[0].nam                       @10 no key 'nam'; did you mean 'name'?; available: name, ram
$.m.b.d                            @7  no key 'd'; available: c
$.l.x                              @5  Unknown function "#property#x": the value before '.x' is a number, not
                                      a map
$.n.x                              @5  Unknown function "#property#x": the value before '.x' is a number, not
                                      a map
$.none.x                           @8  Unknown function "#property#x": the value before '.x' is null, not a
                                      map; '?.x' gives null instead
$.l.nope()                         @5  unknown method 'nope'
$.n.where($ > 1)                   @5  a number has no method 'where'
$.none.where($ > 1)                @8  null has no method 'where'
$.none[0]                          @7  null has no elements to read with [ ]
$.none.len()                       @8  null has no method 'len'
$.n.len()                          @5  a number has no method 'len'
$.l[9]                             @4  the index is out of range
$.l[a]                             @4  a list is read with a number in [ ], not with a text
$.m[zz]                            @4  no key 'zz'; available: a, b
$.n[0]                             @4  a number has no elements to read with [ ]
$.text[0]                          @7  a text has no elements to read with [ ]; write value.substring(start,
                                      length)
'a' + 1                            @5  operator '+' cannot take a text and a number; str(value) makes a text
                                      of a number
$.text + $.n                       @8  operator '+' cannot take a text and a number; str(value) makes a text
                                      of a number
$.l + 1                            @5  operator '+' cannot take a list and a number
$.n < a                            @5  operator '<' cannot take a number and a text; a bare word is a text:
                                      write $.a for the variable
-$.text                            @1  operator '-' cannot take a text
not_a_function(1)                  @1  unknown function 'not_a_function'
jsn_parse('x')                     @1  unknown function 'jsn_parse'; did you mean 'json_parse'?
$.l.length()                       @5  unknown method 'length'; did you mean 'len'?
str(1, 2)                          @1  function 'str' cannot be called with 2 arguments; write str(value)
$.text.toUpper(1)                  @8  method 'toUpper' cannot be called with 1 argument; write
                                      value.toUpper()
$.text.replace(a)                  @8  method 'replace' cannot take a text; write value.replace(old, new,
                                      [count]) or value.replace(regexp, repl, [count]) or
                                      value.replace(replacements, [count])
$.text.upper()                     @8  unknown method 'upper'; did you mean 'toUpper'?
$.l.select()                       @5  method 'select' cannot be called without arguments; write
                                      value.select(selector)
$.l.orderBy(nope($))               @13 unknown function 'nope'
$.vms.select($.ram)                @16 no key 'ram'; available: name
int(abc)                           @1  int(): the text is no whole number
$.m.get()                          @5  method 'get' cannot be called without arguments; write value.get(key,
                                      [default])
$.m.a.b                            @7  Unknown function "#property#b": the value before '.b' is a number, not
                                      a map
$.empty.first()                    @9  the collection is empty
$.l.first(1, 2)                    @5  method 'first' cannot be called with 2 arguments; write
                                      value.first([default])
_.vm_id                            @3  Unknown function "#property#vm_id": the value before '.vm_id' is a
                                      text, not a map; YAQL reads variables as $.vm_id
$.a-b                              @4  operator '-' cannot take a text; a bare word is a text: write $.b for
                                      the variable
task().result.x                    @8  Unknown function "#property#result": the value before '.result' is
                                      null, not a map; '?.result' gives null instead
task(nope).result                  @12 Unknown function "#property#result": the value before '.result' is
                                      null, not a map; '?.result' gives null instead
json_parse('{')                    @1  json_parse(): Expecting property name enclosed in double quotes at
                                      line 1, column 2
json_parse($.n)                    @1  json_parse() needs a text, not a number
yaml_parse('a: [')                 @1  yaml_parse(): expected the node content, but found '<stream end>' at
                                      line 1, column 5
$.l.where($.name = 1)              @13 Unknown function "#property#name": the value before '.name' is a
                                      number, not a map
$.l.select(str($)).join(',', 1)    @20 method 'join' cannot be called with 2 arguments; write
                                      value.join(separator) or value.join(collection2, predicate, selector)
switch($.n > 1)                    @1  function 'switch' cannot take these values; write switch(...)
dict(1)                            @1  function 'dict' cannot take a number; write dict(...) or dict(items)
range('a')                         @1  function 'range' cannot take a text; write range(stop) or range(start,
                                      stop, [step])
$.l.aggregate($1 + $2 + $3)        @23 operator '+' cannot take a number and null
let(x => 1) -> $y + 1              @19 operator '+' cannot take null and a number
$.text =~ '('                      @8  the regular expression is wrong: missing ), unterminated subpattern
datetime('x')                      @1  the text is no date or time
$.m.items().nope                   @13 Unknown function "#property#nope": the value before '.nope' is a text,
                                      not a map
$.n mod 0                          @5  integer modulo by zero
$.n / 0                            @5  integer division or modulo by zero
$.text.substring(a)                @8  method 'substring' cannot take a text; write value.substring(start,
                                      [length])
env().region.x                     @14 Unknown function "#property#x": the value before '.x' is a text, not a
                                      map
execution().nope                   @13 no key 'nope'; available: id, input, name, root_execution_id
format('{}', 1)                    @1  'format' exists, but not as a function: write value.format()
concat('a', 1)                     @1  function 'concat' cannot take a text and a number; write concat(...)
$.vms[ram > 1]                     @11 operator '>' cannot take a text and a number; a bare word is a text:
                                      write $.ram for the variable
$.vms[$.ram > 1]                   @9  no variable 'ram'; available: empty, l, m, n, none, text, vm_id, vms,
                                      yes
$.vms.where(ram > 1)               @17 operator '>' cannot take a text and a number; a bare word is a text:
                                      write $.ram for the variable
$.vms.select({name => $.nam})      @25 no key 'nam'; did you mean 'name'?; available: name, ram
$.vms.where($.ram > 1 and $.nam = 2) @15 no key 'ram'; available: name
$.vms.nam                          @7  no key 'nam'; did you mean 'name'?; available: name, ram
$.l.x                              @5  Unknown function "#property#x": the value before '.x' is a number, not
                                      a map
uuid(1)                            @1  uuid(): too many positional arguments
"""

JINJA = r"""
_.vm_idd                           @3  no variable 'vm_idd'; did you mean 'vm_id'?; available: empty, l, m,
                                      n, none, text, vm_id, vms, yes
_.m.b.d                            @7  no key 'd'; available: c
_.vms[0].nam                       @10 no key 'nam'; did you mean 'name'?; available: name, ram
_.vms[9].name                      @7  no element 9: there are 2
_.l.x                              @5  a list has no 'x'
_.n.x                              @5  a number has no 'x'
_.none.x                           @8  null has no 'x'
_.nope.x                           @3  no variable 'nope'; did you mean 'none'?; available: empty, l, m, n,
                                      none, text, vm_id, vms, yes
vm_id                              @1  no variable 'vm_id'; variables of the workflow are read as '_.vm_id'
vm_idd                             @1  no variable or function 'vm_idd'; variables of the workflow are read
                                      as '_.name'
_.l.append(1)                      @5  'append' would change a variable of the workflow; expressions can only
                                      read them
'a' + 1                            @5  operator '+' cannot take a text and a number; texts are joined with ~
_.n + _.text                       @5  operator '+' cannot take a number and a text; texts are joined with ~
_.l + 1                            @5  operator '+' cannot take a list and a number
_.text - 1                         @8  operator '-' cannot take a text and a number
-_.text                            @1  operator '-' cannot take a text
_.n | length                       @7  a number has no length
_.none | length                    @10 null has no length
_.none | join(',')                 @10 null is no list to go through
_.l | first(1)                     @7  filter 'first' is given 1 argument too many
_.l | join(1, 2, 3, 4)             @7  filter 'join' is given 2 arguments too many
_.text | upper(1)                  @10 filter 'upper' is given 1 argument too many
_.text | int + 'x'                 @14 operator '+' cannot take a number and a text; texts are joined with ~
_.text | replace('a')              @10 filter 'replace' needs the argument 'new'
_.empty | first                    @-  the collection is empty
_.l[9]                             @5  no element 9: there are 3
_.n[0]                             @5  a number has no '0'
_.n()                              @-  a number is no function to call
_.vms | map(attribute='nam') | list @23 no key 'nam'; did you mean 'name'?; available: name, ram
_.vms | selectattr('ram', '>', 0) | list @20 no key 'ram'; available: name
_.vms | sort(attribute='ram')      @24 no key 'ram'; available: name
_.vms | sort                       @9  operator '<' cannot take a map and a map
{a: 1}                             @2  no variable or function 'a'; variables of the workflow are read as
                                      '_.name'
_.a-b                              @3  no variable 'a'; available: empty, l, m, n, none, text, vm_id, vms,
                                      yes
json_parse('{')                    @1  json_parse(): Expecting property name enclosed in double quotes at
                                      line 1, column 2
json_parse(_.n)                    @1  json_parse() needs a text, not a number
task('nope').result                @14 null has no 'result'
task().result.x                    @8  null has no 'result'
env().nope                         @7  no key 'nope'; available: region
execution().nope                   @13 no key 'nope'; available: id, input, name, root_execution_id
_.n / 0                            @5  division by zero
range('a')                         @-  a text is no whole number
_.n in _.n                         @5  a number cannot be searched with 'in'
_.l.items()                        @5  a list has no 'items'
_.m.items                          @-  the result holds a function, which is no data; call it with ()
"%d" % 'x'                         @-  a text does not fit its place in the format
"{} {}".format(1)                  @-  the index is out of range
str(_.n)                           @1  no variable or function 'str'; write value | string
int(_.text)                        @1  no variable or function 'int'; write value | int
_.text.upper                       @-  the result holds a function, which is no data; call it with ()
_.text.toUpper()                   @8  a text has no 'toUpper'
_.text | round                     @10 a text cannot be rounded
(_.n + 1) ~ (_.vms | sum)          @22 operator '+' cannot take a number and a map
_.m.a ~ _.n.a                      @-  a number has no 'a'
_.vms | sum                        @9  operator '+' cannot take a number and a map
_.vms | groupby('nam')             @17 no key 'nam'; did you mean 'name'?; available: name
_.text | batch                     @10 filter 'batch' needs the argument 'linecount'
_.text is divisibleby              @11 test 'divisibleby' needs the argument 'num'
_.n | abs(1)                       @7  function 'abs' is given 1 argument too many
_.n.__class__                      @5  access to attribute '__class__' of 'int' object is unsafe.
"""

GRAMMAR = r"""
<% $.n = 7 ? 1 : 2 %>              @12 Lexical error: illegal character '?'; write switch(condition => value,
                                      true => other)
<% $.n == 7 %>                     @9  Parse error: unexpected '='; values are compared with a single =
<% $.n = = 7 %>                    @10 Parse error: unexpected '='; values are compared with a single =
<% $.n != 7 && $.yes %>            @13 Lexical error: illegal character '&'; write 'and'
<% $.yes || $.n %>                 @10 Lexical error: illegal character '|'; write 'or'
<% !$.yes %>                       @4  Lexical error: illegal character '!'; write 'not'
<% 1 if $.yes else 2 %>            @6  Parse error: unexpected 'if'; write switch(condition => value, true =>
                                      other)
<% $.n is null %>                  @8  Parse error: unexpected 'is'; write = null, or != null
<% $.l not in [1] %>               @8  Parse error: unexpected 'not'; write not (x in list)
<% $.l[0:2] %>                     @9  Lexical error: illegal character ':'; a part of a list is
                                      list.skip(n).limit(m)
<% [x for x in $.l] %>             @7  Parse error: unexpected 'for'; write
                                      list.where(condition).select(value)
<% {'a': 1} %>                     @8  Lexical error: illegal character ':'; write key => value
<% {a: 1} %>                       @6  Lexical error: illegal character ':'; write key => value
<% $. %>                           @6  Parse error: unexpected end of statement; something is missing at the
                                      end
<% ($.n + 1 %>                     @12 Parse error: unexpected end of statement; a '(' is not closed
<% $.l[0 %>                        @9  Parse error: unexpected end of statement; a '[' is not closed
<% 'abc %>                         @4  Lexical error: illegal character '''; a quote is not closed
<% "abc %>                         @4  Lexical error: illegal character '"'; a quote is not closed
<% $.n + %>                        @9  Parse error: unexpected end of statement; something is missing at the
                                      end
<% $.text | upper %>               @11 Lexical error: illegal character '|'; filters are Jinja's: write
                                      value.function()
<% $.text. %>                      @11 Parse error: unexpected end of statement; something is missing at the
                                      end
<% lambda x: x %>                  @11 Parse error: unexpected 'x'; write the value itself, with $ for each
                                      element
<% f"{$.n}" %>                     @5  Parse error: unexpected '{$.n}'
<% $.n ** 2 %>                     @9  Parse error: unexpected '*'; write pow(base, exponent)
<% $.n % 2 %>                      @8  Lexical error: illegal character '%'; write 'mod' for the rest of a
                                      division
<% $.n // 2 %>                     @9  Parse error: unexpected '/'; / of whole numbers is a whole number
<% '%s' % 1 %>                     @9  Lexical error: illegal character '%'; write 'mod' for the rest of a
                                      division
{{ $.n }}                          @4  unexpected char '$'; $ is YAQL's: variables are read as _.name
{{ _.n = 7 }}                      @8  expected token 'end of print statement', got '='; values are compared
                                      with ==
{{ _.n == 7 && _.yes }}            @13 unexpected char '&'; write 'and'
{{ _.n ? 1 : 2 }}                  @8  unexpected char '?'; write: value if condition else other
{{ !_.yes }}                       @4  unexpected char '!'; write 'not'
{{ (_.n + 1 }}                     @1  unexpected '}', expected ')'; a '(' is not closed
{{ _.l[0 }}                        @1  unexpected '}', expected ']'; a '[' is not closed
{{ 'abc }}                         @4  unexpected char "'"; a quote is not closed
{{ _.n + }}                        @10 unexpected 'end of print statement'
{{ _. }}                           @1  expected name or number
{{ [x for x in _.l] }}             @7  expected token ',', got 'for'; write {% for x in list %} ... {% endfor
                                      %}, or a filter: list | map(...) | list
{{ lambda x: x }}                  @1  expected token 'end of print statement', got 'x'; there are no
                                      functions to write; use filters such as map and select
{{ for x in _.l }}                 @8  expected token 'end of print statement', got 'x'; a loop is written {%
                                      for x in list %} ... {% endfor %}
{{ if _.yes }}                     @7  expected token 'end of print statement', got '_'; write: value if
                                      condition else other
{{ _.yes and }}                    @14 unexpected 'end of print statement'
{{ x y }}                          @6  expected token 'end of print statement', got 'y'
"""

Row = tuple[str, int | None, str]


def table(text: str) -> list[Row]:
    """Expressions, behind @ the column from 1 (-: nobody can know it), the cause, which may go on below."""
    rows: list[Row] = []
    for line in text.strip("\n").split("\n"):
        if line.startswith("      "):
            expression, column, cause = rows.pop()
            rows.append((expression, column, f"{cause} {line.strip()}"))
            continue
        found = re.fullmatch(r"(.+?) +@(\d+|-) +(.+)", line)
        assert found, line
        rows.append((found[1], None if found[2] == "-" else int(found[2]), found[3]))
    return rows


def official(template: Any) -> Template:
    """The same template without its compiled closures."""
    whole = template._compiled
    parts = [part._replace(compiled=None) if isinstance(part, Expression) else part for part in whole._parts]
    found: Any = copy.copy(template)
    found._compiled = YaqlText(whole._library, parts)
    return found  # type: ignore[no-any-return]


def refused(template: Template, expression: str, cause: str, column: int | None, title: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        template.evaluate(Scope([DATA], World()))
    where = "" if column is None else f" (column {column} of the expression)"
    assert caught.value.message == (
        f"Can not evaluate {title} expression [expression={expression}, error={cause}]{where}"
    )
    place = caught.value.place
    assert (place and place.column) == column


@pytest.mark.parametrize(("expression", "column", "cause"), table(YAQL))
def test_mistakes_in_yaql(expression: str, column: int | None, cause: str) -> None:
    template = compile_value(f"<% {expression} %>")
    refused(template, expression, cause, column, "YAQL")
    refused(official(template), expression, cause, column, "YAQL")


@pytest.mark.parametrize(("expression", "column", "cause"), table(JINJA))
def test_mistakes_in_jinja(expression: str, column: int | None, cause: str) -> None:
    refused(compile_value(f"{{{{ {expression} }}}}"), expression, cause, column, "Jinja")


@pytest.mark.parametrize(("text", "column", "cause"), table(GRAMMAR))
def test_what_no_parser_takes(text: str, column: int, cause: str) -> None:
    problem = check_syntax(text)
    assert problem is not None
    assert problem.message.endswith(f", error={cause}]")
    assert problem.offset + 1 == column


@pytest.mark.parametrize(
    ("text", "column", "cause"),
    [
        ("{{ _.l | frist }}", 10, "No filter named 'frist'; did you mean 'first'?"),
        ("{{ _.n is nope }}", 11, "No test named 'nope'; did you mean 'none'?"),
        ("a {{ _.n }} b {{ _.n | nope }}", 24, "No filter named 'nope'"),
    ],
)
def test_names_that_jinja_looks_up_when_it_compiles(text: str, column: int, cause: str) -> None:
    refused(compile_value(text), text, cause, column, "Jinja")


@pytest.mark.parametrize("text", ["<% $.region %>", "{{ _.region }}"])
def test_a_variable_that_only_the_environment_has(text: str) -> None:
    with pytest.raises(EvaluationError) as caught:
        compile_value(text).evaluate(Scope([{"__env": {"region": "hidden"}}, {"x": 1}], World()))
    assert "no variable 'region'; the environment has it: env().region]" in caught.value.message
    assert "hidden" not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        "<% '" + r"\'" * 30_000 + " %>",
        "{{ (" + r"'\'" * 20_000 + " }}",
        "<% (" * 300 + "1 %>",
    ],
    ids=["quotes", "brackets and quotes", "brackets"],
)
def test_long_mistakes_take_no_time(text: str) -> None:
    began = time.process_time()
    check_syntax(text)
    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    "message",
    ["unsupported operand type(s) for " + ": 'a' and '" * 5000, "x" * 100_000],
    ids=["like one of Python's", "long"],
)
def test_long_messages_of_authors_take_no_time(message: str) -> None:
    began = time.process_time()
    with pytest.raises(EvaluationError) as caught:
        compile_value("<% 1.assert(false, $.m) %>").evaluate(Scope([{"m": message}], World()))
    assert time.process_time() - began < 5
    assert len(caught.value.message) < 500


def test_values_that_python_would_quote_are_not_told() -> None:
    for text in ("<% int($.t) %>", "<% float($.t) %>", "<% datetime($.t) %>"):
        with pytest.raises(EvaluationError) as caught:
            compile_value(text).evaluate(Scope([{"t": "hidden\n" * 100}], World()))
        assert "hidden" not in caught.value.message
