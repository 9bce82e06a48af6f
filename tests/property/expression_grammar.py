"""YAQL expressions from a grammar that knows types, so that most have a value; and data for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from maestrale.model.values import Secret

RULES: Final[dict[str, list[str]]] = {
    "any": ["{number}", "{text}", "{truth}", "{list}", "{map}", "{odd}", "{chosen}"],
    "scalar": ["{number}", "{text}", "{truth}", "null"],
    "odd": [
        "null",
        "$.z",
        "$.any",
        "$.other",
        "$",
        "$nothing",
        "$__env",
        "$.missing",
        "$.d.missing",
        "$.n.a",
    ],
    "chosen": [
        "({any} + {any})",
        "({any} - {any})",
        "({any} * {any})",
        "({any} / {any})",
        "({any} < {any})",
        "({any} >= {any})",
        "(-{any})",
        "{any}[{any}]",
        "{any}.id",
        "{any}.first(default => {scalar})",
        "coalesce({odd}, {any})",
        "switch({truth} => {any}, {truth} => {any})",
        "switch({truth} => {any}, true => {any})",
        "let({any}) -> $",
        "let({number}, {number}) -> $1 - $2",
        "let(x => {any}, y => {any}) -> [$x, $y]",
        "let(x => {map}) -> $x?.n",
        "with({any}, {any}) -> [$, $2, $3]",
        "{list}.first()",
        "{list}.first(null)",
        "{list}.last()",
        "{list}.last({any})",
        "{list}.single()",
        "{list}[{number}]",
        "{map}[{text}]",
        "{map}[{text}, {any}]",
        "{map}.get({text})",
        "{map}.get({text}, {any})",
        "{map}.get(a).get(b)",
        "{odd}?.get(a)",
        "{any}.assert($, failed)",
        "{truth}.switchCase({any}, {any})",
        "json_parse(json_dump({any}))",
        "task().result",
        "task(one).result",
        "task({text})",
        "task(name => one).published",
        "execution()",
        "execution().id",
        "global({text})",
        "{ints}.reduce($1 + $2)",
        "{ints}.reduce($1 * $2, {number})",
        "{rows}.select($.qty).aggregate($1 + $2, 0)",
    ],
    "number": [
        *["0", "1", "2", "7", "1.5", "$.n", "$.m", "$.f", "$.d.n", "$.secret.n", "$__env.n"],
        *["$.ints[0]", "$.rows[0].id", "env().n"],
        "({number} + {number})",
        "({number} - {number})",
        "({number} * {number})",
        "({number} / {number})",
        "({number} mod {number})",
        "(-{number})",
        "(+{number})",
        "({truth} and {number})",
        "({any} or {number})",
        "{ints}[{number}]",
        "{list}.len()",
        "len({list})",
        "{list}.count()",
        "{text}.len()",
        "len({map})",
        "{any}.len()",
        "int({scalar})",
        "float({scalar})",
        "abs({number})",
        "round({number})",
        "round({number}, 1)",
        "sign({number})",
        "max({number}, {number})",
        "min({number}, {number})",
        "{ints}.sum()",
        "{ints}.sum({number})",
        "{rows}.qty.sum(0)",
        "{rows}.id.max()",
        "{ints}.max()",
        "{ints}.min({number})",
        "{list}.indexOf({scalar})",
        "{list}.indexWhere({item truth})",
        "{text}.indexOf({text})",
        "selectCase({truth}, {truth})",
        "bitwiseAnd({number}, 3)",
        "datetime(2026, 1, 2).year + {number}",
        "timespan(hours => {number}).hours",
        "(datetime(2026, 1, 2) - datetime('2025-12-31')).days",
    ],
    "text": [
        *[
            "a",
            "b",
            "''",
            "'a b'",
            "$.s",
            "$.t",
            "$.d.s",
            "$.d[s]",
            "$.secret.s",
            "$.words[1]",
            "$.words[-1]",
        ],
        *["$.d?.s", "env().s", "execution().name", "task(one).state"],
        "({text} + {text})",
        "({text} or {text})",
        "({text} * {number})",
        "({number} * {text})",
        "str({any})",
        "concat({text}, {text}, a)",
        "{text}.toUpper()",
        "{text}.toLower()",
        "{text}.trim()",
        "{text}.trim({text})",
        "{text}.trimLeft()",
        "{text}.norm()",
        "{text}.replace({text}, {text})",
        "{text}.replace(a, b, 1)",
        "{text}.replace({a => b, b => 1})",
        "{text}.substring({number})",
        "{text}.substring(0, {number})",
        "{words}.join({text})",
        "{text}.join({words})",
        "', '.join({list})",
        "{words}.sum()",
        "{words}.max()",
        "json_dump({map})",
        "regex('a(.)').replace({text}, x)",
        "regex('a(.)').search({text})",
        "regex('(a).*').search({text}, $.value + $2.value)",
    ],
    "truth": [
        *["true", "false", "$.b"],
        "({number} > {number})",
        "({number} <= {number})",
        "({number} < $.z)",
        "(null >= {odd})",
        "({text} >= {text})",
        "({text} < {text})",
        "({any} = {any})",
        "({any} != {any})",
        "({number} = {number})",
        "({truth} and {truth})",
        "({truth} or {truth})",
        "(not {any})",
        "({text} in {text})",
        "({scalar} in {list})",
        "({any} in {any})",
        "bool({any})",
        "isString({any})",
        "isInteger({scalar})",
        "isNumber({scalar})",
        "isBoolean({scalar})",
        "isList({any})",
        "isDict({any})",
        "isIterable({any})",
        "isEmpty({text})",
        "{list}.contains({scalar})",
        "{map}.containsKey({text})",
        "{map}.containsValue({scalar})",
        "{list}.any()",
        "{list}.any({item truth})",
        "{list}.all()",
        "{rows}.all({row truth})",
        "any({list})",
        "{text}.startsWith({text})",
        "{text}.endsWith({text}, b)",
        "({text} =~ 'a.*')",
        "({text} !~ {text})",
        "({ints}.toSet() < set(1, 2, 3))",
        "datetime('2026-01-02') > datetime('2026-01-01')",
        "now() - timespan(days => {number}) < now()",
    ],
    "list": [
        *["{ints}", "{words}", "{rows}", "$.l", "$.rows.id", "$.rows.tags", "$.rows.zone"],
        "({list} + {list})",
        "({list} * {number})",
        "[{any}, {any}]",
        "[]",
        "list({any}, {any})",
        "{list}.where({item truth})",
        "{list}.select({item any})",
        "{list}.selectMany($)",
        "{list}.toList()",
        "{list}.distinct()",
        "{list}.reverse()",
        "{list}.flatten()",
        "{list}.skip({number})",
        "{list}.limit({number})",
        "{list}.take(2)",
        "{list}.enumerate()",
        "{list}.enumerate({number})",
        "{list}.zip({list})",
        "{list}.concat({list})",
        "{list}.append({any})",
        "{list}.slice(2)",
        "{list}.insert({number}, {any})",
        "{list}.delete(0)",
        "{list}.takeWhile({item truth})",
        "{list}.skipWhile({item truth})",
        "{list}.toSet()",
        "set({scalar}, {scalar})",
        "{list}.splitAt(1)",
        "{list}.memorize()",
        "{list}.defaultIfEmpty([1])",
        "{rows}.select({row any})",
        "{rows}.where({row truth}).select({row any})",
        "{rows}.where({row truth}).zone",
        "{rows}.tags.flatten()",
        "{rows}.orderBy({row any})",
        "{rows}.orderBy($.zone).thenByDescending($.id)",
        "{rows}.groupBy($.zone)",
        "{rows}.groupBy($.zone, {row any})",
        "{rows}.groupBy($.zone, $.id, [$[0], $[1].sum()])",
        "{rows}.distinct({row any})",
        "{rows}.join({rows}, $1.id = $2.id, [$1.zone, $2.zone])",
        "{rows}.select({row any}).where($)",
        "{rows}.select($.tags.select($ + a))",
        "{rows}.where($.tags.any($ = a)).id",
        "{rows}.select(let(row => $) -> [1, {number}].select($ + $row.id))",
        "{rows}.select(let({row any}, {outer number}) -> [$, $2])",
        "{ints}.select(let($ + 1) -> $ * 2)",
        "{rows}.join({ints}, $1.id = $2, [1, 2].select($ + $2))",
        "{rows}.selectMany($.tags.where($.len() > {outer number}))",
        "{list}.enumerate(start => {number})",
        "{list}.accumulate($1 + $2)",
        "{list}.mergeWith({list})",
        "{list}.zipLongest({list}, default => {scalar})",
        "{list}.sliceWhere({item truth})",
        "{list}.splitWhere({item truth})",
        "generate({number}, $ < 9, $ + 3)",
        "{text}.split(separator => {text})",
        "{text}.rightSplit(' ', 1)",
        "{any}.toList()",
        "{any}.keys()",
        "{map}.keys()",
        "{map}.keys().orderBy($)",
        "{map}.values()",
        "{map}.items()",
        "{map}.items().select($[0])",
        "{text}.split({text})",
        "{text}.split()",
        "{text}.toCharArray()",
        "tasks().name",
        "regex('[ab]').searchAll({text})",
        "regex(' ').split({text})",
    ],
    "ints": [
        *["$.ints", "$.d.ints", "range({number})", "range(1, {number})", "[1, {number}, 2]"],
        "({ints} + {ints})",
        "{ints}.where($ > {outer number})",
        "{ints}.select($ * 2 - {outer number})",
        "{ints}.orderBy($)",
        "{ints}.orderByDescending(-$)",
        "{rows}.id",
    ],
    "words": [
        *["$.words", "$.secrets", "[a, {text}]"],
        "({words} + {words})",
        "{words}.where($.len() > 1)",
        "{words}.select($.toUpper())",
        "{words}.orderBy($)",
        "{words}.select(str($) + a)",
    ],
    "rows": ["$.rows", "$.more.rows", "({rows} + {rows})", "{rows}.where({row truth})", "[{map}, {map}]"],
    "map": [
        *["$.d", "$.d.inner", "$.secret", "$.rows[0]", "$.rows[-1]", "$.more", "env()", "task(one)"],
        "({map} + {map})",
        "{n => {any}, s => {text}}",
        "{{scalar} => {any}}",
        "dict(n => {any}, a => {any})",
        "dict({rows}.select([$.zone, $.id]))",
        "{list}.toDict(str($))",
        "{rows}.toDict($.id, {row any})",
        "{map}.set(x, {any})",
        "{map}.set(x => {any}, n => 1)",
        "{map}.set({map})",
        "{map}.delete(n)",
        "{map}.mergeWith({map})",
        "dict({map}.items())",
    ],
    "item truth": [
        "$",
        "$ > 1",
        "$ = {outer number}",
        "$ != a",
        "isString($)",
        "isDict($) and $.n = 1",
        "$ in [1, a]",
        "not $",
    ],
    "item any": [
        "$",
        "$ + 1",
        "[$, $]",
        "{item => $}",
        "str($)",
        "$.a",
        "$.get(a)",
        "$?.n",
        "{item truth}",
        "$1",
    ],
    "row truth": [
        "$.id > 1",
        "$.zone = x",
        "$.id = {outer number}",
        "a in $.tags",
        "$.qty > $.id",
        "$.key = a",
    ],
    "row any": [
        "$",
        "$.id",
        "$.zone",
        "$.qty",
        "$.key",
        "$.id + $.qty",
        "$.get(qty, 0)",
        "$.get(tags, []).len()",
        "{id => $.id, key => $.get(key)}",
        "[$.id, $.zone]",
        "$.tags.where($ = a).len()",
        "$.tags.first()",
        "{row truth}",
    ],
    "outer number": ["0", "1", "2", "3"],
}
"""What may stand for each kind of value; `{kind}` is a value of that kind."""

NESTED: Final = re.compile(r"\{([a-z ]+)\}")
LEAVES: Final = {kind: [rule for rule in rules if not NESTED.search(rule)] for kind, rules in RULES.items()}


def _expressions(kind: str, depth: int) -> st.SearchStrategy[str]:
    leaves = LEAVES[kind] or ["$.any"]
    rules = RULES[kind] if depth else leaves
    return st.sampled_from(rules).flatmap(lambda rule: _filled(rule, depth))


def _filled(rule: str, depth: int) -> st.SearchStrategy[str]:
    kinds = NESTED.findall(rule)
    if not kinds:
        return st.just(rule)
    parts = [_expressions(kind, depth - 1) for kind in kinds]
    return st.tuples(*parts).map(_filler(rule))


def _filler(rule: str) -> Callable[[tuple[str, ...]], str]:
    def fill(parts: tuple[str, ...]) -> str:
        remaining = iter(parts)
        return NESTED.sub(lambda _: next(remaining), rule)

    return fill


EXPRESSIONS: Final = _expressions("any", 3)

ONE_OF_EACH_RULE: Final = st.tuples(
    *(_filled(rule, 1) for rules in RULES.values() for rule in rules if NESTED.search(rule))
)
"""An expression of each rule, the operands of which are as simple as can be."""

SCALARS: Final = (
    st.none()
    | st.booleans()
    | st.integers(-3, 9)
    | st.sampled_from([0.0, 1.5, -2.0, 1e300, 10**30])
    | st.sampled_from(["", "a", "b", "a b", "A", "é"])
)


def _closed(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(values, values, values, values.map(Secret))


VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(_closed(inner), max_size=3)
        | st.dictionaries(st.sampled_from(["a", "n", "s"]), _closed(inner), max_size=3)
    ),
    max_leaves=5,
)
NUMBERS: Final = st.integers(-3, 9) | st.sampled_from([1.5, 2.0, -0.5])
WORDS: Final = st.sampled_from(["", "a", "b", "ab", "a b"])
MAYBE_SECRET_WORDS: Final = _closed(WORDS)
ROWS: Final = st.lists(
    st.fixed_dictionaries(
        {"id": st.integers(0, 4), "zone": st.sampled_from(["x", "y"])},
        optional={"tags": st.lists(WORDS, max_size=2), "qty": NUMBERS | st.none(), "key": MAYBE_SECRET_WORDS},
    ),
    max_size=4,
)
MAPS: Final = st.fixed_dictionaries(
    {"n": NUMBERS, "s": MAYBE_SECRET_WORDS},
    optional={
        "ints": st.lists(st.integers(-3, 9), max_size=3),
        "inner": st.dictionaries(st.sampled_from(["a", "b", "s"]), SCALARS, max_size=3),
        "a": VALUES,
    },
)
DATA: Final = st.fixed_dictionaries(
    {
        "n": st.one_of(NUMBERS, NUMBERS, SCALARS),
        "m": NUMBERS,
        "f": st.floats(-5, 5, allow_nan=False) | st.just(0.0),
        "s": st.one_of(WORDS, MAYBE_SECRET_WORDS, SCALARS),
        "t": WORDS,
        "b": st.booleans(),
        "z": st.none(),
        "any": VALUES,
        "l": st.lists(_closed(VALUES), max_size=4),
        "ints": st.lists(st.integers(-3, 9), max_size=4),
        "words": st.lists(WORDS, max_size=4),
        "secrets": st.lists(MAYBE_SECRET_WORDS, max_size=3),
        "rows": st.one_of(ROWS, ROWS, st.lists(VALUES, max_size=3)),
        "d": st.one_of(MAPS, MAPS, VALUES),
        "secret": _closed(MAPS),
        "more": st.fixed_dictionaries({"rows": ROWS}),
    }
)
