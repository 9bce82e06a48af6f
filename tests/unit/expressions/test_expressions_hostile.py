"""Expressions of an enemy: each ends soon, in an error that names the limit and its option."""

from __future__ import annotations

import time
from typing import Any

import msgspec
import pytest
from expressions_world import World, configured, failure_of, value_of

from maestrale.expressions import template
from maestrale.expressions.options import Options
from maestrale.expressions.regexes import worst_steps
from maestrale.expressions.surroundings import Passthrough, Scope

STEPS = "it takes more than 1000000 steps ([expressions] max_steps)"
MEMORY = "it takes too much memory: more than 67108864 bytes for a value ([expressions] memory_quota)"
BITS = "a whole number would have more than 65536 bits ([expressions] max_integer_bits)"
REGEX = "a regular expression may take too long on a text of this length ([expressions] regex_steps)"
DEEP = "the expression or its data is nested too deeply"
UNSAFE = "is unsafe"

YAQL = [
    ("pow(9, 99999999)", BITS),
    ("shiftBitsLeft(1, 100000000000)", BITS),
    ("range(100000).reduce($1 * 9, 1)", BITS),
    ("[1] * 100000000", MEMORY),
    ("100000000 * [1]", MEMORY),
    ("'a' * 1000000000", MEMORY),
    ("('a' * 1000000).replace('', 'b' * 1000000)", MEMORY),
    ("('a' * 1000000).replace(a, 'b' * 1000000)", MEMORY),
    ("('a' * 1000000).replace({a => 'b' * 1000000})", MEMORY),
    ("let('ab' * 1000000) -> range(1000).select($).len()", None),
    ("let('ab' * 1000000) -> let(t => $) -> range(100).select($t).join('')", MEMORY),
    ("regex(a).replace('a' * 100000, 'b' * 100000)", MEMORY),
    ("range(100000).select(range(100000).len()).sum()", STEPS),
    ("range(100000).select(range(100000).contains(-1)).len()", STEPS),
    ("range(100000).where(range(100000).any($ < 0)).len()", STEPS),
    ("range(100000).select(let(x => $) -> range(100000).where($ = $x).len()).sum()", STEPS),
    ("range(2000).join(range(2000), $1 = -$2, 1).len()", STEPS),
    ("range(10000000000).len()", STEPS),
    ("sequence().len()", STEPS),
    ("1.repeat().len()", STEPS),
    ("[1].cycle().len()", STEPS),
    ("generate(1, true, $ + 1).len()", STEPS),
    ("generateMany(1, [$, $]).len()", STEPS),
    ("generateMany(1, range(10000000000)).len()", STEPS),
    ("range(100000).reduce($1 + abcdefghijabcdefghijabcdefghij, '')", STEPS),
    ("range(40).aggregate([$1, $1], 0)", STEPS),
    ("range(40).aggregate({a => $1, b => $1}, 0)", STEPS),
    ("str(range(40).aggregate([$1, $1], 0))", STEPS),
    ("let(range(40).aggregate([$1, $1], 0), range(40).aggregate([$1, $1], 0)) -> $1 = $2", STEPS),
    ("let([1] * 1000) -> let([$] * 1000) -> [$] * 1000", STEPS),
    ("range(3000).select([$, range(3000).toList()]).toSet().len()", STEPS),
    ("def(f, f($)) -> f(1)", DEEP),
    ("def(f, f($ - 1) + f($ - 1)) -> f(100)", DEEP),
    ("yaml_parse('[' * 20000)", STEPS),
    ("yaml_parse('[1, ' * 200000)", STEPS),
    ("datetime('1 ' * 2000000)", STEPS),
    ("regex('(a+)+$').matches('a' * 40 + b)", REGEX),
    ("('a' * 40 + b) =~ '(a+)+$'", REGEX),
    ("('a' * 40 + b) !~ '(a+)+$'", REGEX),
    ("regex('(a|aa)+$').search('a' * 60 + b)", REGEX),
    ("regex('(a|a?)+$').searchAll('a' * 60 + b).len()", REGEX),
    ("regex('(.*)(.*)(.*)(.*)(.*)x$').replace('a' * 500, b)", REGEX),
    ("regex('(x+x+)+y').split('x' * 60)", REGEX),
    ("('x' * 60).replaceBy(regex('(x+x+)+y'), a)", REGEX),
    ("(" * 5000 + "1" + ")" * 5000, DEEP),
    ("1" + "+1" * 20000, DEEP),
    ("[" * 3000 + "]" * 3000, DEEP),
    ("'" + "x" * 100_000 + "'", "it has more than 100000 characters ([expressions] max_length)"),
]

JINJA_EXPRESSIONS = [
    ("9 ** 99999999", BITS),
    ("1.5 | round(1000000000, 'ceil')", BITS),
    ("1.5 | round(-1000000000, 'floor')", BITS),
    ("'a' * 10 ** 9", MEMORY),
    ("10 ** 9 * 'a'", MEMORY),
    ("[1] * 100000000", MEMORY),
    ("'%1000000000d' % 1", MEMORY),
    ("'%*d' % (1000000000, 1)", MEMORY),
    ("'%.1000000000f' % 1.5", MEMORY),
    ("'%(a)1000000000d' % {'a': 1}", MEMORY),
    ("'%1000000000d' | format(1)", MEMORY),
    ("'{:1000000000}'.format(1)", MEMORY),
    ("'{:{}}'.format(1, 1000000000)", MEMORY),
    ("'{:{w}}'.format(1, w=1000000000)", MEMORY),
    ("'{0:>{1}}'.format('a', '1000000000')", MEMORY),
    ("'{a:{w}}'.format_map({'a': 1, 'w': 1000000000})", MEMORY),
    ("'a' | center(1000000000)", MEMORY),
    ("'a'.center(1000000000)", MEMORY),
    ("'a'.ljust(1000000000)", MEMORY),
    ("'a'.rjust(width=1000000000)", MEMORY),
    ("'a'.zfill(1000000000)", MEMORY),
    ("'a\\t'.expandtabs(1000000000)", MEMORY),
    ("'a' | indent(1000000000, true)", MEMORY),
    ("[1] | batch(1000000000, 0) | list", MEMORY),
    ("[1] | batch(linecount=1000000000, fill_with=0) | list", MEMORY),
    ("[1] | slice(1000000000) | list", STEPS),
    ("[1] | tojson(indent=1000000000)", MEMORY),
    ("(5).to_bytes(1000000000, 'big')", MEMORY),
    ("('a' * 1000000) | replace('a', 'b' * 1000000)", MEMORY),
    ("('a' * 1000000).replace('', 'b' * 1000000)", MEMORY),
    ("('b' * 1000000).join(range(100000) | map('string'))", MEMORY),
    ("range(100000) | map('string') | join('b' * 1000000)", MEMORY),
    ("('a ' * 500000) | wordwrap(1, true, 'b' * 100000)", MEMORY),
    ("range(100000) | map('replace', '', 'b' * 10000) | join", STEPS),
    ("('<' * 50000) | striptags", STEPS),
    ("range(100000000)", "Range too big"),
    ("lipsum(n=100000)", "no variable or function 'lipsum'"),
    ("(" * 5000 + "1" + ")" * 5000, DEEP),
    ("not " * 20000 + "1", DEEP),
    ("1" + " + 1" * 20000, DEEP),
]

TEMPLATES = [
    ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", STEPS),
    ("{% for a in range(100000) %}{% for b in range(100000) %}{{ a }}{% endfor %}{% endfor %}", STEPS),
    ("{% for a in range(1000) %}{{ range(100000) | sum }}{% endfor %}", STEPS),
    ("{% for a in range(1000) %}{{ range(100000) | map('string') | list | length }}{% endfor %}", STEPS),
    ("{% for a in range(50000) %}" + "x" * 50000 + "{% endfor %}", STEPS),
    ("{% set t = 'x' * 10000000 %}{% for a in range(50000) %}{{ t }}{% endfor %}", STEPS),
    ("{% set t = 'x' * 10000000 %}{% for a in range(50000) %}{{ t | upper | length }}{% endfor %}", STEPS),
    ("{% set t = 'x' * 10000000 %}{% for a in range(50000) %}{% set u = t.upper() %}{% endfor %}", STEPS),
    ("{% set t = 'x' * 10000000 %}{% for a in range(50000) %}{% set u = t[1:] %}{% endfor %}", STEPS),
    ("{% set n = namespace(x='ab') %}{% for a in range(99) %}{% set n.x = n.x ~ n.x %}{% endfor %}", MEMORY),
    ("{% set n = namespace(x='ab') %}{% for a in range(99) %}{% set n.x = n.x + n.x %}{% endfor %}", MEMORY),
    ("{% set n = namespace(x=9) %}{% for a in range(99) %}{% set n.x = n.x * n.x %}{% endfor %}", BITS),
    ("{% set n = namespace(x=1) %}{% for a in range(99) %}{% set n.x = [n.x, n.x] %}{% endfor %}", STEPS),
    ("{% set n = namespace(x=1) %}{% for a in range(99) %}{% set n.x = (n.x, n.x) %}{% endfor %}", STEPS),
    (
        "{% set n = namespace(x=1) %}{% for a in range(99) %}{% set n.x = {1: n.x, 2: n.x} %}{% endfor %}",
        STEPS,
    ),
    (
        "{% set n = namespace(x=1) %}{% for a in range(99) %}{% set n.x = dict(a=n.x, b=n.x) %}{% endfor %}",
        STEPS,
    ),
    ("{% set l = [1] %}{% for a in range(99) %}{% if l.extend(l) %}{% endif %}{% endfor %}", STEPS),
    ("{% set l = [1] %}{% for x in l %}{% if l.append(x) %}{% endif %}{% endfor %}", STEPS),
    ("{% macro m(n) %}{{ m(n) }}{% endmacro %}{{ m(1) }}", DEEP),
    ("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}", STEPS),
    ("{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}", DEEP),
    ("{% if 1 %}" * 3000 + "{% endif %}" * 3000, DEEP),
    ("{% include 'x' %}", "no loader"),
    ("{% import 'x' as y %}", "no loader"),
    ("{% extends 'x' %}", "no loader"),
    ("{{ '" + "x" * 100_000 + "' }}", "it has more than 100000 characters ([expressions] max_length)"),
]

ESCAPES = [
    ("''.__class__.__mro__", UNSAFE),
    ("''['__class__']", UNSAFE),
    ("'' | attr('__class__')", UNSAFE),
    ("['x'] | map(attribute='__class__') | list", UNSAFE),
    ("(1).__class__", UNSAFE),
    ("[].__class__.__base__.__subclasses__()", UNSAFE),
    ("cycler.__init__.__globals__", UNSAFE),
    ("joiner.__init__.__globals__", UNSAFE),
    ("namespace.__init__.__globals__", UNSAFE),
    ("task.__globals__", UNSAFE),
    ("self.__init__", UNSAFE),
    ("self._TemplateReference__context", UNSAFE),
    ("'{0.__class__}'.format(1)", UNSAFE),
    ("'{a.__init__}'.format_map({'a': cycler})", UNSAFE),
    ("['{0.__class__}'] | map('attr', 'format') | first | attr('__self__')", "has no '__self__'"),
    ("_.keys.__self__", UNSAFE),
    ("_.get.__func__", UNSAFE),
    ("_.__init__", "no variable '__init__'"),
    ("_ | attr('evaluation')", "no variable 'evaluation'"),
    ("_ | attr('stored')", "no variable 'stored'"),
    ("_['evaluation']", "no variable 'evaluation'"),
    ("_.l | attr('stored')", "would change a variable of the workflow"),
    ("_.l.append(1)", "would change a variable of the workflow"),
    ("environment", "no variable or function 'environment'"),
    ("context", "no variable or function 'context'"),
    ("caller", "no variable or function 'caller'"),
]

ALL = [
    *[(f"<% {text} %>", reason) for text, reason in YAQL],
    *[(f"{{{{ {text} }}}}", reason) for text, reason in JINJA_EXPRESSIONS + ESCAPES],
    *TEMPLATES,
]


@pytest.mark.parametrize(("text", "reason"), ALL, ids=[text[:60] for text, _ in ALL])
def test_it_ends_soon_and_says_why(text: str, reason: str | None) -> None:
    template.warm_up()
    begun = time.process_time()
    if reason is None:
        value_of(text, world=World(), l=[1])
    else:
        assert reason in failure_of(text, world=World(), l=[1])
    assert time.process_time() - begun < 2


class _Asked(Passthrough):
    pass


class _Elsewhere:
    """Somebody to whom an expression may go."""

    texts = frozenset[str]()

    def evaluated(self, key: str, request: Any, *, ask: bool) -> Any:
        assert key
        assert request.text
        if not ask:
            return msgspec.UNSET
        raise _Asked


@pytest.mark.parametrize(
    "text", [text for text, reason in ALL if reason in (STEPS, REGEX)], ids=lambda t: t[:60]
)
def test_where_somebody_else_can_evaluate_it_it_leaves_at_once(text: str) -> None:
    template.warm_up()
    compiled = template.compile_value(text)
    begun = time.process_time()
    with pytest.raises(_Asked):
        compiled.evaluate(Scope([{"l": [1]}], World(), elsewhere=_Elsewhere()))
    assert time.process_time() - begun < 0.5


@pytest.mark.parametrize(
    "text",
    [
        "<% range(1000).select($ + 1).where($ > 5).len() %>",
        "<% range(300).select({id => $, tags => [a, b]}).groupBy($.id mod 10).len() %>",
        "<% regex('^([a-z]+-)*[0-9]+$').matches('a-b-12') %>",
        "<% 'host-01.example.org' =~ '^[a-z]+-\\d+\\.[a-z.]+$' %>",
        "<% regex('error: (.*)').search('x' * 5000 + 'error: y') %>",
        "<% ('x' * 100000).len() %>",
        "<% pow(2, 64) %>",
        "<% regex(a).replace('b' * 100000, 'c' * 1000).len() %>",
        "{% for a in range(1000) %}{{ loop.index }}: {{ a ~ '!' }}\n{% endfor %}",
        "{{ range(1000) | map('string') | join(', ') | length }}",
        "{{ '%05.2f' % 3.14159 }}{{ '{:>10}'.format('x') }}",
    ],
)
def test_ordinary_work_stays_here(text: str) -> None:
    template.compile_value(text).evaluate(Scope([{}], World(), elsewhere=_Elsewhere()))


def test_limits_can_be_set_and_switched_off() -> None:
    text = "<% range(2000).select($).len() %>"
    with configured(Options(max_steps=1000)):
        assert "it takes more than 1000 steps ([expressions] max_steps)" in failure_of(text)
    with configured(Options(max_steps=-1, max_integer_bits=-1, regex_steps=-1)):
        assert value_of(text) == 2000
        assert value_of("<% pow(2, 100000) > 1 %>") is True
        assert value_of("{{ 2 ** 100000 > 1 }}") is True
        assert value_of("<% 'aab' =~ '(a+)+b$' %>") is True
    with configured(Options(max_integer_bits=64)):
        assert "more than 64 bits ([expressions] max_integer_bits)" in failure_of("<% pow(2, 100) %>")
    with configured(Options(max_length=10)):
        assert "it has more than 10 characters ([expressions] max_length)" in failure_of("<% 1 + 1 + 1 %>")
        problem = template.check_syntax("<% 1 + 1 + 1 %>")
        assert problem is not None
        assert "max_length" in problem.message


@pytest.mark.parametrize(
    ("pattern", "length", "most"),
    [
        ("abc", 1000, 10_000),
        ("^abc", 1000, 2000),
        ("a.*", 1000, 10_000_000),
        (r"^\d{1,3}(\.\d{1,3}){3}$", 15, 100_000),
        ("(?i)error", 100_000, 1_000_000),
    ],
)
def test_the_worst_case_of_harmless_patterns_is_small(pattern: str, length: int, most: int) -> None:
    assert worst_steps(pattern, 0, length) <= most


@pytest.mark.parametrize(
    "pattern",
    ["(a+)+$", "(a|aa)+$", "(a|a?)+$", "(a*)*b", "^(a+)*b", "((a?){20})+b", "(?=(a+)+$)b", r"(a+)\1+$b"],
)
def test_the_worst_case_of_catastrophes_is_seen(pattern: str) -> None:
    assert worst_steps(pattern, 0, 60) > Options().regex_steps
