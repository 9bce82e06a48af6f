"""Limits in Jinja templates: turns of loops, calls, and the size of what operators, filters and methods make.

The sandbox keeps templates from what they must not touch; nothing in it bounds what they may do. So the
tree of a template is changed before code is made of it: loops, lists and joined texts pass through
functions of the environment. Nothing is worked out while a template is compiled.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from jinja2 import Undefined, nodes
from jinja2.runtime import markup_join
from jinja2.visitor import NodeTransformer

from maestrale.expressions.guards import (
    allow_bits,
    allow_power,
    allow_product,
    allow_replacement,
    allow_size,
    count,
    count_items,
    counted,
    handle,
    weigh,
)
from maestrale.expressions.views import CURRENT

OPERATORS: Final = frozenset({"+", "*", "**", "%"})
"""Operators whose results may be much larger than their operands."""

CALL: Final = 16
"""Steps of a call of a macro, a function or a method."""

_FILTER: Final = 3
_NODES_PER_STEP: Final = 8
_PRINTF_NUMBER: Final = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(\d+|\*)?(?:\.(\d+|\*))?")
_FORMAT_NUMBER: Final = re.compile(r":[^{}]*?(\d+)")
_NUMBER: Final = re.compile(r"\d+")

Filter = Callable[..., Any]


class Limiter(NodeTransformer):
    """Leads what multiplies work through the functions of the environment that count it."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - Jinja's name
        """A turn costs as much as there is in the body."""
        size = sum(1 for _ in _all_nodes(node.body)) // _NODES_PER_STEP + 1
        size += sum(len(data.data) for data in node.find_all(nodes.TemplateData)) // 1024
        self.generic_visit(node)
        node.iter = _call("turns", [node.iter, nodes.Const(size)], node)
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        """`a ~ b`."""
        self.generic_visit(node)
        return _call("joined", node.nodes, node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        """`a[1:]` is a copy; the sandbox does not see it made."""
        self.generic_visit(node)
        return _call("sliced", [node], node) if isinstance(node.arg, nodes.Slice) else node

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802
        """`[a, b]`."""
        return self._made(node, node.items)

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802
        """`(a, b)`."""
        return self._made(node, node.items) if node.ctx == "load" else node

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802
        """`{a: b}`."""
        return self._made(node, [pair.value for pair in node.items])

    def _made(self, node: nodes.Expr, members: Sequence[nodes.Node]) -> nodes.Node:
        self.generic_visit(node)
        is_flat = all(isinstance(member, nodes.Const) for member in members)
        return node if is_flat else _call("made", [node], node)


def _all_nodes(body: Iterable[nodes.Node]) -> Iterator[nodes.Node]:
    for node in body:
        yield node
        yield from _all_nodes(node.iter_child_nodes())


def _call(name: str, arguments: list[Any], node: nodes.Node) -> nodes.Call:
    function = nodes.EnvironmentAttribute(name)
    return nodes.Call(function, arguments, [], None, None).set_lineno(node.lineno)  # type: ignore[return-value]


def turns(items: Any, size: int) -> Any:
    """What a loop goes through; every turn costs `size` steps."""
    if isinstance(items, list) or not hasattr(items, "__len__"):
        return _turns(items, size)  # a list may grow meanwhile
    count(len(items) * size)
    return items


def _turns(items: Any, size: int) -> Iterator[Any]:
    meter = CURRENT.get().meter()
    for item in items:
        meter.spend(size)
        yield item


def joined(*parts: Any) -> Any:
    """`a ~ b`."""
    for part in parts:
        handle_text_of(part)
    allow_size(sum(len(part) for part in parts if isinstance(part, str)))
    return markup_join(parts)


def made(value: Any) -> Any:
    """A list or map that a template writes down."""
    return weigh(value)


def sliced(value: Any) -> Any:
    """A part of a text or list."""
    handle(value)
    return value


def handle_text_of(value: Any) -> None:
    """Count what printing a value costs."""
    if not isinstance(value, int | float):
        handle(value)


def allow_operation(operator: str, left: Any, right: Any) -> None:
    """Refuse an operation whose result would be too large."""
    if operator == "**":
        allow_power(left, right)
    elif operator == "*":
        allow_product(left, right)
    elif operator == "%" and isinstance(left, str):
        allow_format(left, right if isinstance(right, tuple) else (right,))
    elif operator == "+" and hasattr(left, "__len__") and hasattr(right, "__len__"):
        allow_size(len(left) + len(right))


def allow_format(text: str, values: Iterable[Any]) -> None:
    """Refuse `%` formatting into very wide columns, or with many large values."""
    size = len(text)
    if not isinstance(values, Mapping):
        values = tuple(values)
        size += sum(value for value in values if isinstance(value, int) and value > 0 and "*" in text)
    for places in _PRINTF_NUMBER.findall(text):
        size += sum(int(number) for number in places if number.isdigit())
    allow_values(size, values.values() if isinstance(values, Mapping) else values)


def allow_values(size: int, values: Iterable[Any]) -> None:
    """Refuse a text of this size with these values in it."""
    for value in values:
        handle_text_of(value)
        if hasattr(value, "__len__"):
            size += len(value)
    allow_size(size)


def _format_method(text: str, *values: Any, **named: Any) -> None:
    size = len(text) + sum(int(number) for number in _FORMAT_NUMBER.findall(text))
    given = [*values, *named.values()]
    if "{" in text.replace("{{", "") and _nests(text):
        size += sum(value for value in given if isinstance(value, int) and value > 0)
        size += sum(int(value) for value in given if isinstance(value, str) and _NUMBER.fullmatch(value))
    fields = text.count("{")
    longest = max((len(value) for value in given if hasattr(value, "__len__")), default=0)
    for value in given:
        handle_text_of(value)
    allow_size(size + fields * longest)


def _nests(text: str) -> bool:
    return re.search(r"\{[^{}]*\{", text) is not None


def _wide(text: Any, width: int = 80, *_: Any, **__: Any) -> None:
    allow_size(max(len(text), int(width)))


def expandtabs(text: str, tabsize: int = 8) -> None:
    allow_size(len(text) + text.count("\t") * max(int(tabsize), 0))


def join(separator: str, parts: Any) -> None:
    if hasattr(parts, "__len__"):
        sizes = [len(part) for part in parts if hasattr(part, "__len__")]
        allow_size(sum(sizes) + len(separator) * len(parts))


def _to_bytes(_number: int, length: int = 1, *_: Any, **__: Any) -> None:
    allow_size(length)


def _grow(items: Any, *added: Any, **named: Any) -> None:
    size = len(named) + sum(len(more) if hasattr(more, "__len__") else 1 for more in added)
    allow_size(64 * (len(items) + size))
    count(size)
    for more in (*added, *named.values()):
        handle(more)


_METHODS: Final[dict[tuple[type, str], Callable[..., None]]] = {
    (str, "format"): _format_method,
    (str, "format_map"): lambda text, values: _format_method(text, **values),
    (str, "center"): _wide,
    (str, "ljust"): _wide,
    (str, "rjust"): _wide,
    (str, "zfill"): _wide,
    (str, "expandtabs"): expandtabs,
    (str, "replace"): allow_replacement,
    (str, "join"): join,
    (str, "translate"): lambda text, table: allow_values(
        len(text) * max((len(v) for v in table.values() if isinstance(v, str)), default=1), ()
    ),
    (int, "to_bytes"): _to_bytes,
    (list, "extend"): _grow,
    (list, "append"): _grow,
    (list, "insert"): lambda items, _place, item: _grow(items, item),
    (dict, "update"): _grow,
    (dict, "setdefault"): lambda items, *pair: _grow(items, *pair[1:]),
}
"""What to look at before a method of a value is called."""


def limited_call(
    call: Callable[..., Any], function: Any, args: tuple[Any, ...], named: dict[str, Any]
) -> Any:
    """Call a function, count that, and refuse what would be or is too large."""
    count(CALL)
    owner = getattr(function, "__self__", None)
    if owner is None:
        owner = getattr(getattr(function, "__wrapped__", None), "__self__", None)
    kind = next((kind for kind in _OWNERS if isinstance(owner, kind)), None)
    if kind is not None:
        handle(owner)
        args = tuple(list(counted(each)) if isinstance(each, Iterator) else each for each in args)
        check = _METHODS.get((kind, function.__name__))
        if check is not None:
            check(owner, *args, **{key: value for key, value in named.items() if key not in _OF_JINJA})
    result = call(*args, **named)
    if isinstance(result, str):
        allow_size(len(result))
    return weigh(result)


_OWNERS: Final = (str, int, list, dict)
_OF_JINJA: Final = frozenset({"_loop_vars", "_block_vars"})
"""What Jinja hands to every call inside of loops and blocks."""


# What checks a filter has its name: Python says it when arguments do not fit.


def do_batch(value: Any, linecount: int, fill_with: Any = None) -> None:
    del value, fill_with
    allow_size(int(linecount) * 8)


def do_slice(value: Any, slices: int, fill_with: Any = None) -> None:
    del value, fill_with
    count(int(slices))


def do_indent(text: str, width: Any = 4, *_: Any, **__: Any) -> None:
    step = len(width) if isinstance(width, str) else int(width)
    allow_size(len(text) + (text.count("\n") + 1) * max(step, 0))


def do_wordwrap(
    text: str, width: int = 79, _long: bool = True, wrapstring: str | None = None, *_: Any, **__: Any
) -> None:
    lines = len(text) // max(int(width), 1) + text.count("\n") + 1
    allow_size(len(text) + lines * len(wrapstring or "\n"))
    count(len(text) // 16)


def do_tojson(value: Any, indent: int | None = None) -> None:
    handle(value)
    allow_size(64 * max(int(indent or 0), 0))


def do_round(value: Any, precision: int = 0, method: str = "common") -> None:
    del value, method
    allow_bits(abs(int(precision)) * 4)


def _printf(text: str, *values: Any, **named: Any) -> None:
    allow_format(str(text), named or values)


def do_replace(text: Any, old: Any, new: Any, number: int | None = None) -> None:
    allow_replacement(str(text), str(old), str(new), -1 if number is None else int(number))


def do_join(value: Any, d: str = "", attribute: Any = None) -> None:
    del attribute
    join(str(d), value)


def _slow_text(text: Any, *_: Any, **__: Any) -> None:
    count(len(text) // 4 if isinstance(text, str) else 0)


_FILTERS: Final[dict[str, Callable[..., None]]] = {
    "batch": do_batch,
    "center": _wide,
    "format": _printf,
    "indent": do_indent,
    "join": do_join,
    "pprint": _slow_text,
    "replace": do_replace,
    "round": do_round,
    "slice": do_slice,
    "striptags": lambda text, *_: count(str(text).count("<") * (len(str(text)) // 64 + 1)),
    "tojson": do_tojson,
    "title": _slow_text,
    "urlize": _slow_text,
    "urlencode": _slow_text,
    "wordcount": _slow_text,
    "wordwrap": do_wordwrap,
}
"""What to look at before a filter is used."""


def limited_filter(name: str, function: Filter) -> Filter:
    """A filter that counts the items it goes through, and makes nothing too large."""
    check = _FILTERS.get(name)
    first = 1 if hasattr(function, "jinja_pass_arg") else 0

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        count(_FILTER)
        if len(args) <= first or isinstance(args[first], Undefined):
            return function(*args, **kwargs)
        value = args[first]
        if isinstance(value, Iterator):
            if name in _AT_ONCE:
                value = list(counted(value))
                args = (*args[:first], value, *args[first + 1 :])
            else:
                args = (*args[:first], counted(value), *args[first + 1 :])
        elif isinstance(value, str):
            handle(value)
        elif hasattr(value, "__len__"):
            count_items(value)
            handle(value)
        if check is not None:
            check(*args[first:], **kwargs)
        result = function(*args, **kwargs)
        if isinstance(result, str):
            allow_size(len(result))
        elif isinstance(result, list | tuple | dict):
            weigh(result)
        return result

    return call


_AT_ONCE: Final = frozenset({"join"})
