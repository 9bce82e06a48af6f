"""Jinja2 in a sandbox, over our views of the data."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any, Final

from jinja2 import StrictUndefined, TemplateSyntaxError, Undefined, nodes
from jinja2.filters import FILTERS
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment, modifies_known_mutable
from jinja2.utils import missing

from maestrale.expressions.functions import DATA_FUNCTIONS, Functions
from maestrale.expressions.guards import handle
from maestrale.expressions.hints import PYTHON_FUNCTIONS, jinja_hint
from maestrale.expressions.jinja_limits import (
    OPERATORS,
    Limiter,
    allow_operation,
    joined,
    limited_call,
    limited_filter,
    made,
    sliced,
    turns,
)
from maestrale.expressions.jinja_places import CHARACTER_PLACE, UNKNOWN, NamedCause, grammar_offset, place_of
from maestrale.expressions.meter import CHARACTERS_PER_STEP
from maestrale.expressions.options import JINJA, Options
from maestrale.expressions.problems import (
    UNPARSABLE,
    GrammarError,
    NotJson,
    cause_in_words,
    did_you_mean,
    kind_in_words,
    missing_name,
)
from maestrale.expressions.results import json_default, limited, to_json
from maestrale.expressions.surroundings import Scope
from maestrale.expressions.views import (
    CONTEXT_VARIABLES,
    CURRENT,
    Evaluation,
    ListView,
    MapView,
    ScopeView,
)
from maestrale.model.errors import Place
from maestrale.model.values import Json

_MAP_METHODS: Final = frozenset({"items", "keys", "values", "get", "copy"})
_TEMPLATE_FILE: Final = "<template>"
_ABSENT: Final = object()
_OWN_FUNCTIONS: Final = (turns, joined, made, sliced)


class JinjaText:
    """A text with Jinja expressions, compiled."""

    def __init__(self, environment: _Environment, text: str, whole: str | None) -> None:
        """`whole` is the expression if the text is exactly one `{{ }}`."""
        self._environment = environment
        self.whole = whole
        self.path: tuple[str, ...] | None = None
        self._shown = text if whole is None else whole.strip()
        self._names = [name for name in CONTEXT_VARIABLES if name in text]
        if whole is None:
            self._render = environment.from_string(text).render
        else:
            self._value = environment.compile_expression(self._shown, undefined_to_none=False)
        self._is_whole = whole is not None

    def evaluation(self, scope: Scope, options: Options) -> Evaluation:
        """A fresh evaluation for this language."""
        return Evaluation(scope, ListView, options)

    def evaluate(self, evaluation: Evaluation) -> Json:
        """The value of the one expression, or the rendered text."""
        evaluation.expression = self._shown
        variables: dict[str, Any] = {"_": evaluation.root}
        for name in self._names:
            value = evaluation.variable(name, _ABSENT)
            if value is not _ABSENT:
                variables[name] = value
        if self._is_whole:
            return to_json(self._value(variables), evaluation)
        return self._render(variables)

    def explain(self, error: BaseException) -> str:
        """The cause of a failed evaluation in words."""
        return cause_in_words(error)

    def place(self, error: BaseException, expression: str) -> Place | None:
        """Where in an expression it failed, as far as that is known."""
        line = None if self._is_whole else _line_of(error)  # of a whole expression no lines are kept
        return place_of(self._environment, expression, line, error)


class JinjaLibrary:
    """One environment with our functions and filters; thread-safe."""

    def __init__(self, functions: Functions) -> None:
        self._environment = _Environment(
            undefined=_Undefined,
            trim_blocks=True,
            lstrip_blocks=True,
            finalize=_printable,
            cache_size=0,
            optimized=False,
        )
        bound = {name: functions.bound(name) for name in functions.names}
        self._environment.globals.update(bound)
        del self._environment.globals["lipsum"]  # the one global that throws dice
        self._environment.filters.update({name: bound[name] for name in DATA_FUNCTIONS})
        self._environment.filters.update(random=_random_item, urlencode=_url_encoded)
        for name, function in self._environment.filters.items():
            self._environment.filters[name] = limited_filter(name, function)
        self._environment.policies["json.dumps_function"] = _json_text

    def check(self, text: str) -> None:
        """Raise `GrammarError` if the text is no template; unknown names and filters are not looked at."""
        try:
            self._environment.parse(text)
        except TemplateSyntaxError as error:
            raise self._grammar_error(text, error) from None
        except UNPARSABLE as error:
            raise GrammarError(JINJA, text, cause_in_words(error), 0) from None

    def compile(self, text: str) -> JinjaText:
        """Compile a text that holds at least one expression or block; `GrammarError` if that fails."""
        try:
            return JinjaText(self._environment, text, self._whole_expression(text))
        except TemplateSyntaxError as error:
            raise self._grammar_error(text, error) from None
        except UNPARSABLE as error:
            raise GrammarError(JINJA, text, cause_in_words(error), 0) from None

    def _grammar_error(self, text: str, error: TemplateSyntaxError) -> GrammarError:
        """At the place itself if it is known, else at the tag that the line has."""
        lines = text.split("\n")
        index = min(error.lineno, len(lines)) - 1
        starts = [start for tag in ("{{", "{%") if (start := lines[index].find(tag)) >= 0]
        tag = sum(len(line) + 1 for line in lines[:index]) + min(starts, default=0)
        offset = grammar_offset(self._environment, text, error)
        cause = (error.message or "").removesuffix(".")
        if unknown := UNKNOWN.match(cause):
            known = self._environment.filters if unknown[1] == "filter" else self._environment.tests
            hint = did_you_mean(unknown[2], known)
        else:
            cause = CHARACTER_PLACE.sub("", cause)
            found = "" if "tag" in cause else jinja_hint(text, offset)
            hint = f"; {found}" if found else ""
        place = f" (line {error.lineno})" if len(lines) > 1 else ""
        return GrammarError(JINJA, text, f"{cause}{hint}{place}", tag if offset is None else offset)

    def _whole_expression(self, text: str) -> str | None:
        """What stands between the braces if the text is one `{{ }}` and nothing else."""
        if not (text.startswith("{{") and text.endswith("}}")):
            return None
        tokens = list(self._environment.lex(text))
        ends = [index for index, (_, kind, _) in enumerate(tokens) if kind == "variable_end"]
        if ends != [len(tokens) - 1] or tokens[0][1] != "variable_begin":
            return None
        return text[len(tokens[0][2]) : -len(tokens[-1][2])]


class _Environment(SandboxedEnvironment):
    """The sandbox, knowing our views.

    Lists and maps that a template makes for itself may be changed by it, as authors are used to; data of
    the workflow may not.
    """

    intercepted_binops = OPERATORS

    turns = staticmethod(turns)
    joined = staticmethod(joined)
    made = staticmethod(made)
    sliced = staticmethod(sliced)

    def _generate(self, source: nodes.Template, *args: Any, **kwargs: Any) -> str:
        return super()._generate(Limiter().visit(source), *args, **kwargs)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        allow_operation(operator, left, right)
        return super().call_binop(context, operator, left, right)

    def call(_self, _context: Context, _function: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805
        call = functools.partial(super().call, _context, _function)
        if _function in _OWN_FUNCTIONS:
            return call(*args, **kwargs)
        return limited_call(call, _function, args, kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        if not isinstance(obj, MapView):
            return super().getattr(obj, attribute)
        if attribute in _MAP_METHODS:
            return getattr(obj, attribute)
        try:
            return obj[attribute]
        except KeyError:
            if modifies_known_mutable({}, attribute):
                return self.unsafe_undefined(obj, attribute)
            return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        if not isinstance(obj, MapView):
            return super().getitem(obj, argument)
        try:
            return obj[argument]
        except (KeyError, TypeError):
            if isinstance(argument, str) and argument in _MAP_METHODS:
                return getattr(obj, argument)
            return self.undefined(obj=obj, name=argument)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        if isinstance(obj, ListView) and (attr == "stored" or modifies_known_mutable(obj, attr)):
            return False
        return super().is_safe_attribute(obj, attr, value)

    def unsafe_undefined(self, obj: Any, attribute: str) -> Undefined:
        if not isinstance(obj, MapView | ListView):
            return super().unsafe_undefined(obj, attribute)
        return self.undefined(
            f"'{attribute}' would change a variable of the workflow; expressions can only read them",
            name=attribute,
        )


class _Undefined(StrictUndefined):
    """Something that is not there: any use of it fails and says what there is."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        return NamedCause(self._cause(), self._undefined_name)

    def _cause(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if self._undefined_hint:
            return self._undefined_hint
        if owner is missing:
            return _unknown_name(str(name))
        if isinstance(owner, MapView):
            return missing_name(name, owner.stored, isinstance(owner, ScopeView))
        if isinstance(owner, dict):
            return missing_name(name, owner, is_variable=False)
        if isinstance(owner, Sequence) and isinstance(name, int):
            return f"no element {name}: there are {len(owner)}"
        return f"{kind_in_words(owner)} has no '{name}'"


def _unknown_name(name: str) -> str:
    root = CURRENT.get().root
    if written := PYTHON_FUNCTIONS.get(name):
        return f"no variable or function '{name}'; write {written}"
    if isinstance(root, MapView) and name in root:
        return f"no variable '{name}'; variables of the workflow are read as '_.{name}'"
    return f"no variable or function '{name}'; variables of the workflow are read as '_.name'"


def _line_of(error: BaseException) -> int | None:
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == _TEMPLATE_FILE:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _printable(value: Any) -> Any:
    """What `{{ }}` in a text prints: never a memory address."""
    if type(value) is int or (type(value) is str and len(value) < CHARACTERS_PER_STEP):
        return value
    if isinstance(value, Iterator):
        return limited(value, CURRENT.get().options.limit_iterators)
    if callable(value) and not isinstance(value, Undefined):
        raise NotJson(value)
    if not isinstance(value, int | float | Undefined):
        handle(value)
    return value


def _random_item(items: Any) -> Any:
    """The `random` filter with dice that fall the same when an evaluation is repeated."""
    CURRENT.get().meter().stay()
    choices = list(items)
    if not choices:
        raise ValueError("random: there is nothing to choose from")
    return choices[math.floor(CURRENT.get().surroundings("random").random() * len(choices))]


def _url_encoded(value: Any) -> str:
    encoded: str = FILTERS["urlencode"](value.copy() if isinstance(value, MapView) else value)
    return encoded


def _json_text(value: Any, **options: Any) -> str:
    return json.dumps(value, default=json_default, **options)
