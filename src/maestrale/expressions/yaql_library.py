"""YAQL by the official library: its parser, its functions, its evaluator, over our views of the data.

What `yaql_compile` can compile is evaluated without the library's evaluator, to the same result.
"""

from __future__ import annotations

import collections.abc  # noqa: F401 - yaql 3.2 fails to import unless this was imported before it
import datetime
import math
import re
import threading
from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeVar

import yaql
from yaql.language import exceptions, specs, utils, yaqltypes
from yaql.standard_library import date_time

from maestrale.expressions.fallbacks import NotCompiled, count_fallback
from maestrale.expressions.functions import Functions
from maestrale.expressions.guards import count
from maestrale.expressions.hints import yaql_hint
from maestrale.expressions.options import YAQL, Options
from maestrale.expressions.problems import UNPARSABLE, GrammarError, cause_in_words
from maestrale.expressions.results import to_json, to_text
from maestrale.expressions.scanner import Span, yaql_spans
from maestrale.expressions.surroundings import Passthrough, Scope
from maestrale.expressions.views import CONTEXT_VARIABLES, CURRENT, Evaluation, TupleView
from maestrale.expressions.yaql_causes import cause_of, missing_name_of
from maestrale.expressions.yaql_closures import Closure, Names
from maestrale.expressions.yaql_compile import Compiler, path_of
from maestrale.expressions.yaql_limits import Context, install
from maestrale.expressions.yaql_places import offset_of, traced, words
from maestrale.model.errors import Place
from maestrale.model.values import Json

_EPOCH: Final = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_F = TypeVar("_F", bound=Callable[..., Any])
_POSITION: Final = re.compile(r" at position \d+.*", re.DOTALL)
_NO_NAMES: Final[Names] = {}


class Expression(NamedTuple):
    """One `<% %>`: what stands between the delimiters and what the parser and the compiler made of it.

    `traced` is for the official evaluator, and knows where its parts stand.
    """

    text: str
    traced: Any
    compiled: Closure | None
    path: tuple[str, ...] | None = None
    """The keys, if it is nothing but `$.a.b`."""


class YaqlText:
    """A text with YAQL expressions, parsed."""

    def __init__(self, library: YaqlLibrary, parts: list[str | Expression]) -> None:
        self._library = library
        self._parts = parts
        first = parts[0]
        self._only = first if len(parts) == 1 and isinstance(first, Expression) else None

    @property
    def whole(self) -> str | None:
        """The expression if the text is exactly one."""
        return None if self._only is None else self._only.text

    @property
    def path(self) -> tuple[str, ...] | None:
        """The keys, if the text is exactly one expression, compiled, and that is nothing but `$.a.b`."""
        return None if self._only is None or self._only.compiled is None else self._only.path

    def evaluation(self, scope: Scope, options: Options) -> Evaluation:
        """A fresh evaluation for this language."""
        return Evaluation(scope, TupleView, options)

    def evaluate(self, evaluation: Evaluation) -> Json:
        """The value of the one expression, or the text with every expression replaced."""
        if self._only is not None:
            return self._value(self._only, evaluation, to_json)
        texts: dict[str, str] = {}
        for part in self._parts:
            if isinstance(part, Expression) and part.text not in texts:
                texts[part.text] = self._value(part, evaluation, to_text)
        return "".join(part if isinstance(part, str) else texts[part.text] for part in self._parts)

    def explain(self, error: BaseException) -> str:
        """The cause of a failed evaluation in words."""
        return self._library.explain(error)

    def place(self, error: BaseException, expression: str) -> Place | None:
        """Where in an expression it failed."""
        offset = offset_of(error)
        if offset is None:  # it came up when the result was gone through
            offset = self._library.offset_of_name(error, expression)
        return None if offset is None else Place.at(expression, offset)

    def _value(
        self, expression: Expression, evaluation: Evaluation, convert: Callable[[Any, Evaluation], Any]
    ) -> Any:
        evaluation.expression = expression.text
        if expression.compiled is not None:
            touched_secret = evaluation.touched_secret
            try:
                return convert(expression.compiled(_NO_NAMES, evaluation.root), evaluation)
            except (Passthrough, MemoryError):
                raise
            except Exception as reason:
                if evaluation.need is not None or evaluation.is_stopped:
                    raise
                count_fallback("run", reason)
            evaluation.begin_again(touched_secret)
        return convert(self._library.evaluate(expression.traced, evaluation), evaluation)


class YaqlLibrary:
    """One engine with its root context. Making it takes a quarter of a second; evaluating is thread-safe."""

    def __init__(self, options: Options, functions: Functions) -> None:
        self._engine = yaql.YaqlFactory(options.keyword_operator, options.allow_delegates).create(
            {
                "yaql.limitIterators": options.limit_iterators,
                "yaql.memoryQuota": options.memory_quota,
                "yaql.iterableDicts": options.iterable_dicts,
            }
        )
        self._parser_lock = threading.Lock()
        standard = yaql.create_context(delegates=options.allow_delegates, yaqlized=False)
        install(standard)
        self._root = standard.create_child_context()
        for function in (_now, _localtz, _random, _random_between, _datetime):
            self._root.register_function(function)
        for name in functions.names:
            self._root.register_function(_yaql_function(functions.bound(name)), name=name)
        self._compiler = Compiler(self._root, self._engine, options, functions.added)

    def compile(self, text: str) -> YaqlText:
        """Parse a text that holds at least one expression; `GrammarError` says what is wrong and where."""
        parts: list[str | Expression] = []
        position = 0
        for span in yaql_spans(text):
            if span.start > position:
                parts.append(text[position : span.start])
            parts.append(self._parse(text, span))
            position = span.end
        if position < len(text):
            parts.append(text[position:])
        return YaqlText(self, parts)

    def evaluate(self, traced: Any, evaluation: Evaluation) -> Any:
        """The raw value of an expression; iterators in it are not yet run."""
        context = _EvaluationContext(self._root, evaluation)
        try:
            return traced(utils.NO_VALUE, context, self._engine)
        except exceptions.WrappedException as error:
            raise error.wrapped from None

    def explain(self, error: BaseException) -> str:
        """The cause of a failed evaluation in words."""
        return cause_of(error, self._function_names())

    def offset_of_name(self, error: BaseException, expression: str) -> int | None:
        """Where the name stands that an error is about, if it stands in one place only."""
        name = missing_name_of(error)
        with self._parser_lock:
            found = [word.offset for word in words(self._engine.lexer, expression) if word.value == name]
        return found[0] if len(found) == 1 else None

    def _parse(self, text: str, span: Span) -> Expression:
        between = text[span.start + 2 : span.end - 2]
        inner = between.strip()
        start = span.start + 2 + between.index(inner)
        try:
            with self._parser_lock:
                parsed = self._engine(inner)
                found = words(self._engine.lexer, inner)
        except exceptions.YaqlParsingException as error:
            offset = len(inner) if error.position is None else error.position
            hint = yaql_hint(inner, offset)
            cause = _POSITION.sub("", str(error)) + (f"; {hint}" if hint else "")
            raise GrammarError(YAQL, inner, cause, start + offset, start) from None
        except UNPARSABLE as error:
            raise GrammarError(YAQL, inner, cause_in_words(error), span.start, start) from None
        compiled = self._compiled(parsed)
        path = None if compiled is None else path_of(parsed.expression)
        return Expression(inner, traced(parsed.expression, found), compiled, path)

    def _compiled(self, parsed: Any) -> Closure | None:
        try:
            return self._compiler.compile(parsed)
        except NotCompiled as reason:
            count_fallback("compile", reason)
            return None

    def _function_names(self) -> set[str]:
        names: set[str] = set()
        context = self._root
        while context is not None:
            names.update(name for name in context._functions if name.isidentifier())
            context = context.parent
        return names


class _EvaluationContext(Context):
    """The variables of one evaluation: `$` and the named layers, fetched when they are read."""

    def __init__(self, parent: Any, evaluation: Evaluation) -> None:
        super().__init__(parent, evaluation)
        self._data["$1"] = evaluation.root

    def get_data(self, name: str, default: Any = None, ask_parent: bool = True) -> Any:
        if name[1:] in CONTEXT_VARIABLES:
            return self.evaluation.variable(name[1:], default)
        return super().get_data(name, default, ask_parent)


def _yaql_function(function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*[None if value is utils.NO_VALUE else value for value in args], **kwargs)

    return call


def _moment(asking: str) -> datetime.datetime:
    now = CURRENT.get().surroundings(asking).now()
    return _EPOCH + datetime.timedelta(microseconds=now)


def _yaql(name: str, **types: Any) -> Callable[[_F], _F]:
    """Declare a function for YAQL: its name and the types of its arguments."""

    def declare(function: _F) -> _F:
        specs.name(name)(function)
        for parameter, kind in types.items():
            specs.parameter(parameter, kind)(function)
        return function

    return declare


@_yaql("now", offset=datetime.timedelta)
def _now(offset: datetime.timedelta = datetime.timedelta(0)) -> datetime.datetime:
    return _moment("now").astimezone(datetime.timezone(offset))


@_yaql("localtz")
def _localtz() -> datetime.timedelta:
    """Every machine answers alike: the service's local time is UTC."""
    return datetime.timedelta(0)


@_yaql("random")
def _random() -> float:
    CURRENT.get().meter().stay()
    return CURRENT.get().surroundings("random").random()


@_yaql("random", from_=yaqltypes.Integer(), to_=yaqltypes.Integer())
def _random_between(from_: int, to_: int) -> int:
    if to_ < from_:
        raise ValueError(f"random(): there is no number from {from_} to {to_}")
    return from_ + math.floor(_random() * (to_ - from_ + 1))


@_yaql("datetime", string=yaqltypes.String(), format__=yaqltypes.String(True))
def _datetime(string: str, format__: str | None = None) -> Any:
    """The library completes a partial date with the machine's clock; this one with the evaluation's."""
    count(len(string))
    if format__:
        return date_time.datetime_from_string(string, format__)
    parse = date_time.parser.parse
    one, other = (parse(string, default=day) for day in _SAMPLE_DAYS)
    if one != other:
        today = _moment("datetime").replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
        one = parse(string, default=today)
    return one if one.tzinfo else one.replace(tzinfo=yaqltypes.DateTime.utctz)


_SAMPLE_DAYS: Final = (datetime.datetime(2000, 1, 1), datetime.datetime(2004, 3, 3))
"""Two days that differ in all parts: a text that means the same on both is complete."""
