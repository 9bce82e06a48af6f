"""Where the parts of a YAQL expression stand, and at which of them it failed.

The parser keeps no places. But a tree names its parts in the order of the text, so that the words of the
text, gone through beside it, give each part its place.
"""

from __future__ import annotations

import collections.abc  # noqa: F401 - yaql 3.2 fails to import unless this was imported before it
import functools
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from yaql.language import exceptions, utils
from yaql.language import expressions as tree

_PUNCTUATION: Final = frozenset("()]},")
_ATTRIBUTE: Final = "_maestrale_offset"
_NOWHERE: Final = -1


class Word(NamedTuple):
    """A word of an expression that its tree has, too: a name, a value, an operator or a bracket."""

    offset: int
    value: Any


def words(lexer: Any, text: str) -> list[Word]:
    """The words of a text that can be parsed."""
    reading = lexer.clone()
    reading.input(text)
    return [Word(token.lexpos, token.value) for token in reading if token.type not in _PUNCTUATION]


def traced(node: Any, found: Sequence[Word]) -> Any:
    """A copy of a tree that notes on exceptions where they came up; the tree itself if words do not fit, or
    if it is nested too deeply to be gone through."""
    try:
        placing = _Placing(found)
        copied = placing.copy(node)
    except (_Misfit, RecursionError):
        return node
    return copied if placing.is_done else node


def offset_of(error: BaseException) -> int | None:
    """The character, from 0, of the part that raised an exception; None if nobody knows."""
    if isinstance(error, exceptions.WrappedException):
        return offset_of(error.wrapped)
    offset: int | None = getattr(error, _ATTRIBUTE, None)
    return None if offset == _NOWHERE else offset


class _Misfit(Exception):
    """The words are not those of the tree."""


class _Placing:
    """Goes through a tree and its words."""

    def __init__(self, found: Sequence[Word]) -> None:
        self._words: Iterator[Word] = iter(found)
        self._next = next(self._words, None)

    @property
    def is_done(self) -> bool:
        """Whether no word is left."""
        return self._next is None

    def copy(self, node: Any) -> Any:
        """The traced copy of a part, whose words are the next ones."""
        match node:
            case tree.Constant():
                self._take(node.value)
                return node
            case tree.Wrap():
                return tree.Wrap(self.copy(node.expr))
            case tree.MappingRuleExpression():
                source = self.copy(node.source)
                self._take()
                return tree.MappingRuleExpression(source, self.copy(node.destination))
            case tree.GetContextValue():
                return _at(node, self._take(node.path.value), node.args)
            case tree.BinaryOperator():
                left = self.copy(node.args[0])
                offset = self._take(node.operator)
                if node.operator in (".", "?."):
                    offset = self._next.offset if self._next else offset
                return _at(node, offset, (left, self.copy(node.args[1])))
            case tree.UnaryOperator() if self._next and self._next.value == node.operator:
                offset = self._take(node.operator)
                return _at(node, offset, self._copies(node.args))
            case tree.UnaryOperator():
                operand = self._copies(node.args)
                return _at(node, self._take(node.operator), operand)
            case tree.IndexExpression():
                start = self.copy(node.args[0])
                return _at(node, self._take("["), (start, *self._copies(node.args[1:])))
            case tree.ListExpression():
                return _at(node, self._take("["), self._copies(node.args))
            case tree.MapExpression():
                return _at(node, self._take("{"), self._copies(node.args))
            case tree.Function(name="#call"):
                offset = self._next.offset if self._next else _NOWHERE
                return _at(node, offset, self._copies(node.args))
            case tree.Function():
                return _at(node, self._take(node.name), self._copies(node.args))
        raise _Misfit

    def _copies(self, nodes: Sequence[Any]) -> tuple[Any, ...]:
        return tuple(node if node is utils.NO_VALUE else self.copy(node) for node in nodes)

    def _take(self, *values: Any) -> int:
        """The place of the next word, which must have this value if one is given."""
        word = self._next
        if word is None or (values and word.value != values[0]):
            raise _Misfit
        self._next = next(self._words, None)
        return word.offset


def _at(node: Any, offset: int, args: Sequence[Any]) -> Any:
    kind: Any = type(node)
    copied = object.__new__(_tracing(kind))
    copied.__dict__.update(node.__dict__, args=tuple(args), offset=offset)
    return copied


@functools.cache
def _tracing(kind: Any) -> Any:
    """A kind of nodes, evaluated in the same way, that notes its place on what is raised in it first."""

    def evaluate(self: Any, receiver: Any, context: Any, engine: Any) -> Any:
        try:
            return kind.__call__(self, receiver, context, engine)
        except Exception as error:
            cause = error.wrapped if isinstance(error, exceptions.WrappedException) else error
            if getattr(cause, _ATTRIBUTE, None) is None:
                setattr(cause, _ATTRIBUTE, self.offset)
            raise

    return type(kind.__name__, (kind,), {"__call__": evaluate})
