"""What Python says of an operation that it refuses, in the words of workflow authors.

Its texts speak of classes that authors do not know, and some of them quote the value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_KINDS: Final = {
    "NoneType": "null", "bool": "a boolean", "int": "a number", "float": "a number", "str": "a text",
    "list": "a list", "tuple": "a list", "ListView": "a list", "TupleView": "a list", "dict": "a map",
    "MapView": "a map", "ScopeView": "a map", "LazyView": "a map", "FrozenDict": "a map", "set": "a set",
    "frozenset": "a set", "datetime": "a time", "timedelta": "a span of time", "range": "a range of numbers",
    "generator": "a list that is made on the way", "method": "a method", "function": "a function",
}  # fmt: skip

_CALL: Final = (
    r"(?:\w+\.)*(?:sync_)?(?P<prefix>do_|test_)?(?P<name>\w+)\(\) (?:"
    r"missing \d+ required (?:positional|keyword-only) arguments?: (?P<missing>'.+)"
    r"|got an unexpected keyword argument (?P<unexpected>'.*')"
    r"|takes (?:from \d+ to )?(?P<most>\d+|exactly one) (?:positional )?arguments? (?:but |\()(?P<given>\d+) "
    r".*)"
)

_ONE: Final = r"(?P<one>[\w.]+)"
_OTHER: Final = r"(?P<other>[\w.]+)"

_LOOKED_AT: Final = 500
"""Characters of a text: what is longer quotes a value at its end."""


def kind_of_class(name: str) -> str:
    """What kind of data the values of a class are."""
    return _KINDS.get(name.rpartition(".")[2], f"an object of type '{name}'")


def cannot_take(operator: str, one: str, other: str) -> str:
    """An operator between values of kinds that do not go together."""
    return f"operator '{operator}' cannot take {one} and {other}"


def _operands(found: re.Match[str]) -> str:
    operator = found.groupdict().get("operator") or "+"
    one, other = kind_of_class(found["one"]), kind_of_class(found["other"])
    words = cannot_take(operator.split(" ")[0], one, other)
    return f"{words}; texts are joined with ~" if operator == "+" and "a text" in (one, other) else words


def _is(words: str) -> Callable[[re.Match[str]], str]:
    """The kind of the class that the text names, and these words; only these where it names none."""
    return lambda found: f"{kind_of_class(found[1])} {words}" if found.re.groups else words


def _arguments(found: re.Match[str]) -> str:
    kind = {"do_": "filter", "test_": "test"}.get(found["prefix"] or "", "function")
    if missing := found["missing"]:
        return f"{kind} '{found['name']}' needs the argument {missing.replace(' and ', ', ')}"
    if unexpected := found["unexpected"]:
        return f"{kind} '{found['name']}' has no argument {unexpected}"
    surplus = int(found["given"]) - int(found["most"].replace("exactly one", "1"))
    plural = "" if surplus == 1 else "s"
    return f"{kind} '{found['name']}' is given {surplus} argument{plural} too many"


_CAUSES: Final[list[tuple[re.Pattern[str], Callable[[re.Match[str]], str]]]] = [
    (re.compile(pattern, re.DOTALL), words)
    for pattern, words in (
        (rf"unsupported operand type\(s\) for (?P<operator>[^:]+): '{_ONE}' and '{_OTHER}'", _operands),
        (rf"can only concatenate {_ONE} \(not \"{_OTHER}\"\) to \w+", _operands),
        (rf"'(?P<operator>[<>=]+)' not supported between instances of '{_ONE}' and '{_OTHER}'", _operands),
        (
            r"bad operand type for unary (.): '([\w.]+)'",
            lambda found: f"operator '{found[1]}' cannot take {kind_of_class(found[2])}",
        ),
        (r"object of type '([\w.]+)' has no len\(\)", _is("has no length")),
        (r"'([\w.]+)' object is not iterable", _is("is no list to go through")),
        (r"argument of type '([\w.]+)' is not .*", _is("cannot be searched with 'in'")),
        (r"'([\w.]+)' object is not callable", _is("is no function to call")),
        (r"'([\w.]+)' object is not subscriptable", _is("has no elements to read with [ ]")),
        (r"'([\w.]+)' object cannot be interpreted as an integer", _is("is no whole number")),
        (r"type ([\w.]+) doesn't define __round__ method", _is("cannot be rounded")),
        (r"unhashable type: '([\w.]+)'", _is("cannot be a key of a map or a member of a set")),
        (r"'in <string>' requires string as left operand, not ([\w.]+)", _is("cannot be searched in a text")),
        (r"sequence item \d+: expected str instance, ([\w.]+) found", _is("is no text to join")),
        (r"%. format: .* is required, not ([\w.]+)", _is("does not fit its place in the format")),
        (
            r"not (?:all|enough) arguments .*format.*",
            _is("the format needs another number of values"),
        ),
        (r"invalid literal for int\(\) with base.*", _is("int(): the text is no whole number")),
        (r"could not convert string to float:.*", _is("float(): the text is no number")),
        (r"(?:Unknown string format|String does not contain a date).*", _is("the text is no date or time")),
        (r"time data .* does not match format.*", _is("the text is no date or time in this format")),
        (r"No (?:first|last) item, sequence was empty.", _is("the collection is empty")),
        (_CALL, _arguments),
    )
]


def in_words(text: str) -> str:
    """What Python's text means, or the text itself if it is not known."""
    for pattern, words in _CAUSES:
        if found := pattern.fullmatch(text[:_LOOKED_AT]):
            return words(found)
    return text
