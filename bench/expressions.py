"""Compiled YAQL against the official library called in its best way, in one run.

    .venv/bin/python bench/expressions.py

The library has its expressions parsed and its context made beforehand, and gets the same views of the same
data, so that what is compared is evaluation alone. Ours is measured through `Template.evaluate`, from the
variables to the stored result.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from typing import Any, Final

from maestrale.expressions import template
from maestrale.expressions.options import Options
from maestrale.expressions.surroundings import Scope
from maestrale.expressions.template import compile_value
from maestrale.expressions.yaql_library import Expression, YaqlText

ROWS: Final = [
    {"n": number % 10, "id": number, "zone": "abc"[number % 3], "price": 1.5} for number in range(1000)
]
LAYERS: Final[list[dict[str, Any]]] = [
    {"x": 5, "a": {"b": {"c": 1}}, "y": 2, "s": "text"},
    {"l": ROWS, "hundred": ROWS[:100], "words": [f"w{number}" for number in range(100)]},
]
EXPRESSIONS: Final = (
    "$.x",
    "$.a.b.c",
    "$.x + 1",
    "$.x + $.y > 3 and $.a.b.c = 1",
    "'http://' + $.s + '/' + str($.x)",
    "task().result",
    "task(one).result.ip",
    "env().region",
    "{name => $.s, size => $.x}",
    "$.words.len()",
    "$.l.where($.n > 5).len()",
    "$.l.select($.n * $.price).sum()",
    "$.l.where($.zone = a).select({id => $.id, cost => $.n * $.price})",
    "$.hundred.orderBy($.n).id",
    "$.l.groupBy($.zone)",
    "$.l.id.max()",
    "$.words.join(', ')",
    "switch($.x > 9 => big, $.x > 3 => middle, true => small)",
)
ROUNDS: Final = 5
SECONDS_A_ROUND: Final = 0.1


class World:
    """Answers the service's functions at once."""

    def task(self, name: str | None) -> dict[str, Any]:
        """The same task for every name."""
        return {"name": name, "result": {"ip": "10.0.0.1"}}

    def env(self) -> dict[str, Any]:
        """A small environment."""
        return {"region": "north"}


def official(text: str) -> Any:
    """The template as it is evaluated without compiled closures."""
    template: Any = compile_value(text)
    whole = template._compiled
    parts = [part._replace(compiled=None) if isinstance(part, Expression) else part for part in whole._parts]
    return type(template)(text, template._language, YaqlText(whole._library, parts), template._options)


def microseconds(work: Callable[[], Any]) -> float:
    """The least time of a call among some rounds."""
    once = timeit.timeit(work, number=1)
    number = max(1, int(SECONDS_A_ROUND / max(once, 1e-7)))
    return min(timeit.repeat(work, number=number, repeat=ROUNDS)) / number * 1e6


def main() -> int:
    """Print a table; fail if a result differs."""
    template.configure(Options(max_steps=-1))  # the library takes more steps than it is allowed in a service
    scope = Scope(LAYERS, World())  # type: ignore[arg-type]
    print(f"{'expression':68} {'official µs':>12} {'compiled µs':>12} {'times':>7}")
    for expression in EXPRESSIONS:
        text = f"<% {expression} %>"
        compiled, by_the_library = compile_value(text), official(text)
        if json.dumps(compiled.evaluate(scope)) != json.dumps(by_the_library.evaluate(scope)):
            print(f"{expression}: the results differ", file=sys.stderr)
            return 1
        before = microseconds(lambda template=by_the_library: template.evaluate(scope))  # type: ignore[misc]
        after = microseconds(lambda template=compiled: template.evaluate(scope))  # type: ignore[misc]
        print(f"{expression:68} {before:12.1f} {after:12.2f} {before / after:7.0f}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
