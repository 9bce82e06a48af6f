"""YAQL expressions from a grammar that knows types, so that most have a value; and data for them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st

from maestrale.model.values import Secret

RULES: Final[dict[str, list[str]]] = {
    "any": ["{number}", "{text}", "{truth}", "{list}", "{map}", "{odd}"],
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
    "number": [
        "0",
        "1",
        "2",
        "7",
        "1.5",
        "$.n",
        "$.m",
        "$.f",
        "$.d.n",
        "$.secret.n",
        "$__env.n",
        "$.ints[0]",
        "$.rows[0].id",
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
    ],
    "text": [
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
        "$.d?.s",
        "({text} + {text})",
        "({text} or {text})",
    ],
    "truth": [
        "true",
        "false",
        "$.b",
        "({number} > {number})",
        "({number} <= {number})",
        "({number} < $.z)",
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
    ],
    "list": [
        "{ints}",
        "{words}",
        "{rows}",
        "$.l",
        "$.rows.id",
        "$.rows.tags",
        "$.rows.zone",
        "({list} + {list})",
    ],
    "ints": ["$.ints", "$.d.ints", "({ints} + {ints})"],
    "words": ["$.words", "$.secrets", "({words} + {words})"],
    "rows": ["$.rows", "$.more.rows", "({rows} + {rows})"],
    "map": ["$.d", "$.d.inner", "$.secret", "$.rows[0]", "$.rows[-1]", "$.more", "({map} + {map})"],
}
"""What may stand for each kind of value; `{kind}` is a value of that kind."""

NESTED: Final = re.compile(r"\{(\w+)\}")
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
