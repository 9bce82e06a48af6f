"""The front door of expressions: find them in values, check them, evaluate them.

`compile_value` turns a JSON value into a `Template` that can be evaluated any number of times, from any
thread. Texts are compiled once and remembered.
"""

from __future__ import annotations

import abc
import functools
import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from maestrale.expressions.functions import Function, Functions
from maestrale.expressions.leaving import Refused, evaluate_elsewhere
from maestrale.expressions.meter import Leaving
from maestrale.expressions.options import JINJA, YAQL, Options
from maestrale.expressions.problems import LANGUAGE_TITLES, GrammarError, evaluation_error, shortened
from maestrale.expressions.scanner import has_jinja, has_yaql
from maestrale.expressions.surroundings import Elsewhere, Passthrough, Scope
from maestrale.expressions.views import CURRENT, Evaluation, stored_at
from maestrale.model.errors import EvaluationError, Place
from maestrale.model.values import Json, Secret

if TYPE_CHECKING:  # both import their language's package, which costs a tenth of a second
    from maestrale.expressions.jinja import JinjaLibrary
    from maestrale.expressions.yaql_library import YaqlLibrary

_REMEMBERED_TEXTS: Final = 2000
_HIDDEN_CAUSE: Final = "it failed on a secret value; details are not shown because they could show the value"


class SyntaxProblem(msgspec.Struct, frozen=True):
    """What is wrong with an expression; `offset` counts characters of the text from 0."""

    message: str
    offset: int = 0


class Template(abc.ABC):
    """A value in which expressions may stand, ready to be evaluated."""

    is_constant: bool = False
    """Whether there is no expression in it, so that evaluating returns the value itself."""

    @abc.abstractmethod
    def evaluate(self, scope: Scope) -> Json:
        """The value with every expression replaced by its result.

        Raises `EvaluationError`; what the surroundings raise as `Passthrough` comes through unchanged.
        """


class _Constant(Template):
    is_constant = True

    def __init__(self, value: Json) -> None:
        self._value = value

    def evaluate(self, scope: Scope) -> Json:
        del scope
        return self._value


class _Map(Template):
    def __init__(self, members: dict[str, Template]) -> None:
        self._members = members

    def evaluate(self, scope: Scope) -> Json:
        return {key: member.evaluate(scope) for key, member in self._members.items()}


class _List(Template):
    def __init__(self, members: list[Template]) -> None:
        self._members = members

    def evaluate(self, scope: Scope) -> Json:
        return [member.evaluate(scope) for member in self._members]


class _Broken(Template):
    """A text that cannot be compiled: that is an error where it is evaluated, not before."""

    def __init__(self, error: EvaluationError) -> None:
        self._error = error

    def evaluate(self, scope: Scope) -> Json:
        del scope
        raise EvaluationError(self._error.message, self._error.hint, self._error.place)


class _CompiledText(Protocol):
    """A text in one of the languages; `whole` is the expression if it is exactly one."""

    @property
    def whole(self) -> str | None: ...

    @property
    def path(self) -> tuple[str, ...] | None: ...

    def evaluation(self, scope: Scope, options: Options) -> Evaluation: ...

    def evaluate(self, evaluation: Evaluation) -> Json: ...

    def explain(self, error: BaseException) -> str: ...

    def place(self, error: BaseException, expression: str) -> Place | None: ...


class _Text(Template):
    def __init__(self, text: str, language: str, compiled: _CompiledText, options: Options) -> None:
        self._text = text
        self._language = language
        self._compiled = compiled
        self._options = options
        self._path = compiled.path

    def evaluate(self, scope: Scope) -> Json:
        if self._path is not None and scope.root is msgspec.UNSET:
            stored = stored_at(self._path, scope.layers)
            if stored is not msgspec.UNSET:
                return stored
        elsewhere = scope.elsewhere
        if elsewhere is not None and elsewhere.texts and self._text in elsewhere.texts:
            found = self._elsewhere(elsewhere, scope, ask=False)
            if found is not msgspec.UNSET:
                return found
        evaluation = self._compiled.evaluation(scope, self._options)
        token = CURRENT.set(evaluation)
        try:
            value = self._compiled.evaluate(evaluation)
        except Passthrough:
            raise
        except Exception as error:  # noqa: BLE001 - whatever an author's expression does is its author's error
            if scope.is_killable and isinstance(error, MemoryError):
                most = self._options.memory_limit
                evaluation.meter().refuse(f"it takes more than {most} bytes of memory", "memory_limit")
            if evaluation.need is None and not evaluation.is_stopped:
                raise self._failure(evaluation, error) from (None if evaluation.touched_secret else error)
        finally:
            CURRENT.reset(token)
            evaluation.end()
        if evaluation.need is not None:
            raise evaluation.need
        meter = evaluation.used_meter
        if meter is not None and meter.stopped is not None:
            if elsewhere is not None and isinstance(meter.stopped, Leaving):
                return self._elsewhere(elsewhere, scope, ask=True)
            raise self._error(evaluation.expression, meter.stopped)
        return Secret(value) if evaluation.touched_secret else value

    def _elsewhere(self, elsewhere: Elsewhere, scope: Scope, *, ask: bool) -> Json:
        try:
            return evaluate_elsewhere(elsewhere, self._text, scope, ask=ask)
        except Refused as reason:
            raise self._error(self._compiled.whole or self._text, reason) from None

    def _error(self, expression: str, reason: Exception) -> EvaluationError:
        return evaluation_error(self._language, expression, str(reason))

    def _failure(self, evaluation: Evaluation, error: Exception) -> EvaluationError:
        cause = _HIDDEN_CAUSE if evaluation.touched_secret else self._compiled.explain(error)
        place = self._compiled.place(error, evaluation.expression)
        return evaluation_error(self._language, evaluation.expression, cause, place)


class _Languages:
    """Both languages under one set of options, each made when it is first needed."""

    def __init__(self, options: Options, added: Mapping[str, Function]) -> None:
        self.options = options
        self.added = dict(added)
        self._functions = Functions(added)
        self._making = threading.RLock()
        self._yaql: YaqlLibrary | None = None
        self._jinja: JinjaLibrary | None = None
        self.compile_text = functools.lru_cache(_REMEMBERED_TEXTS)(self._compile_text)

    @property
    def yaql(self) -> YaqlLibrary:
        with self._making:
            if self._yaql is None:
                from maestrale.expressions.yaql_library import YaqlLibrary

                self._yaql = YaqlLibrary(self.options, self._functions)
            return self._yaql

    @property
    def jinja(self) -> JinjaLibrary:
        with self._making:
            if self._jinja is None:
                from maestrale.expressions.jinja import JinjaLibrary

                self._jinja = JinjaLibrary(self._functions)
            return self._jinja

    def refusal(self, language: str) -> str | None:
        """Why a language may not be used here, if it may not."""
        if language in self.options.allowed_languages:
            return None
        allowed = ", ".join(LANGUAGE_TITLES[name] for name in self.options.allowed_languages) or "none"
        return f"{LANGUAGE_TITLES[language]} expressions are switched off here; allowed: {allowed}"

    def too_long(self, text: str) -> str | None:
        """Why a text is too long to be looked into, if it is."""
        most = self.options.max_length
        if 0 <= most < len(text):
            return f"it has more than {most} characters ([expressions] max_length)"
        return None

    def _compile_text(self, text: str) -> Template:
        language = _language_of(text)
        if language is None:
            return _Constant(text)
        if refusal := self.refusal(language) or self.too_long(text):
            return _Broken(evaluation_error(language, text, refusal))
        try:
            compiled = self.jinja.compile(text) if language == JINJA else self.yaql.compile(text)
        except GrammarError as error:
            return _Broken(evaluation_error(language, error.expression, error.cause, error.place))
        return _Text(text, language, compiled, self.options)


_languages = _Languages(Options(), {})


def configure(options: Options) -> None:
    """Set the options, before anything is compiled. What they leave as it was keeps what it has compiled."""
    global _languages
    if options != _languages.options:
        _languages = _Languages(options, _languages.added)


def register_functions(functions: Mapping[str, Function]) -> None:
    """Add functions to both languages, before anything is compiled; a name of our own is replaced.

    A function gets the scope as a read-only map, then its arguments as plain data, and returns data.
    """
    global _languages
    added = {**_languages.added, **functions}
    if added != _languages.added:
        _languages = _Languages(_languages.options, added)


def configuration() -> tuple[Options, list[str]]:
    """The options in force, and the names of the functions that were added."""
    return _languages.options, sorted(_languages.added)


def warm_up() -> None:
    """Make what takes time at the first expression (a quarter of a second) now."""
    _ = _languages.yaql, _languages.jinja


def contains_expression(text: str) -> bool:
    """Whether a text holds an expression of either language."""
    return _language_of(text) is not None


def check_syntax(text: str) -> SyntaxProblem | None:
    """What is wrong with the expressions in a text, as far as that is seen without evaluating them."""
    languages = _languages
    found = [language for language, has in ((JINJA, has_jinja), (YAQL, has_yaql)) if has(text)]
    for language in found:
        if refusal := languages.refusal(language) or languages.too_long(text):
            return SyntaxProblem(f"{refusal} [expression={shortened(text)}]")
    if len(found) > 1:
        return SyntaxProblem(
            f"Mixing expression types in a single line is not allowed [expression={shortened(text)}];"
            " use either <% %> or {{ }} within one text"
        )
    try:
        for language in found:
            if language == JINJA:
                languages.jinja.check(text)
            else:
                languages.yaql.compile(text)
    except GrammarError as error:
        return SyntaxProblem(error.message, error.offset)
    return None


def compile_value(value: Json) -> Template:
    """The template of a JSON value: expressions may stand in any text of it except in keys.

    Never fails: what is wrong with an expression is an `EvaluationError` when it is evaluated.
    """
    if isinstance(value, str) and _may_hold_expression(value):
        compiled = _languages.compile_text(value)
        return _Constant(value) if compiled.is_constant else compiled
    if isinstance(value, dict):
        members = {key: compile_value(item) for key, item in value.items()}
        return _Constant(value) if _all_constant(members.values()) else _Map(members)
    if isinstance(value, list | tuple):
        items = [compile_value(item) for item in value]
        return _Constant(value) if _all_constant(items) else _List(items)
    return _Constant(value)


def evaluate(value: Json, scope: Scope) -> Json:
    """`compile_value(value).evaluate(scope)`."""
    return compile_value(value).evaluate(scope)


def _all_constant(templates: Iterable[Template]) -> bool:
    return all(template.is_constant for template in templates)


def _may_hold_expression(text: str) -> bool:
    return "<%" in text or "{{" in text or "{%" in text


def _language_of(text: str) -> str | None:
    """The language of a text. Where both occur, Jinja is used and the YAQL stays as it is."""
    if has_jinja(text):
        return JINJA
    return YAQL if has_yaql(text) else None
