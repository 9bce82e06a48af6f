"""What the classes of a code source need and say, read from its text; nothing of it is run here.

A class becomes an action by a method `run`. Its constructor's parameters are the input of the action; a
method `is_sync` that does nothing but return False makes it one that is completed from outside.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Mapping
from typing import Final

import msgspec

from maestrale.actions.base import input_text
from maestrale.model.actions import REQUIRED, Parameter, Signature
from maestrale.model.errors import BadRequest

_BARE_BASES: Final = frozenset({"object", "Action"})
"""Last parts of the names of base classes whose constructor takes nothing."""

_NOT_A_LITERAL: Final = object()

Constructor = ast.FunctionDef | ast.AsyncFunctionDef


class SourceClass(msgspec.Struct, frozen=True):
    """One class: what lists show of its input and what it is for, and what is checked before it runs."""

    input: str
    description: str
    signature: Signature


def read_classes(text: str) -> dict[str, SourceClass]:
    """The classes at the top of a code source that have, or may inherit, a method `run`; by name.

    BadRequest with line and column for a text that is no Python.
    """
    classes = {node.name: node for node in _parsed(text).body if isinstance(node, ast.ClassDef)}
    return {name: _read(node, classes) for name, node in classes.items() if _runs(node, classes)}


def _parsed(text: str) -> ast.Module:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Python finds odd about a text is the author's affair
            return ast.parse(text)
    except SyntaxError as error:
        where = f" at line {error.lineno}, column {error.offset}" if error.lineno else ""
        raise BadRequest(f"The code source is not Python: {error.msg}{where}") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise BadRequest(f"The code source cannot be read: {str(error) or 'it is nested too deep'}") from None


def _runs(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> bool:
    return _method(node, "run", classes) is not None or _has_unknown_base(node, classes)


def _read(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> SourceClass:
    constructor = _method(node, "__init__", classes)
    parameters: list[Parameter] = []
    takes_any = constructor is None and _has_unknown_base(node, classes)
    if constructor is not None:
        parameters = _parameters(constructor.args)
        takes_any = constructor.args.kwarg is not None
    required = [p.name for p in parameters if p.default is REQUIRED]
    optional = [p.name for p in parameters if p.default is not REQUIRED]
    signature = Signature(tuple(required), tuple(optional), takes_any, _waits_outside(node, classes))
    description = ast.get_docstring(node) or ""
    return SourceClass(input_text(parameters, takes_any), description, signature)


def _parameters(arguments: ast.arguments) -> list[Parameter]:
    """All but the first, which is the object itself."""
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [REQUIRED] * (len(positional) - len(arguments.defaults)) + [
        _value(d) for d in arguments.defaults
    ]
    found = [Parameter(a.arg, d) for a, d in zip(positional, defaults, strict=True)][1:]
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append(Parameter(argument.arg, REQUIRED if default is None else _value(default)))
    return found


def _value(node: ast.expr) -> object:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, RecursionError, MemoryError):
        return _NOT_A_LITERAL


def _waits_outside(node: ast.ClassDef, classes: Mapping[str, ast.ClassDef]) -> bool:
    method = _method(node, "is_sync", classes)
    if method is None:
        return False
    body = method.body[1:] if ast.get_docstring(method) is not None else method.body
    match body:
        case [ast.Return(value=ast.Constant(value=False))]:
            return True
    return False


def _method(
    node: ast.ClassDef, name: str, classes: Mapping[str, ast.ClassDef], seen: frozenset[str] = frozenset()
) -> Constructor | None:
    """A method of a class or of its bases in the same text, the nearest one."""
    for member in node.body:
        if isinstance(member, Constructor) and member.name == name:
            return member
    for base in _bases(node):
        if base in classes and base not in seen:
            found = _method(classes[base], name, classes, seen | {base})
            if found is not None:
                return found
    return None


def _has_unknown_base(
    node: ast.ClassDef, classes: Mapping[str, ast.ClassDef], seen: frozenset[str] = frozenset()
) -> bool:
    for base in _bases(node):
        if base in classes:
            if base not in seen and _has_unknown_base(classes[base], classes, seen | {base}):
                return True
        elif base.rpartition(".")[2] not in _BARE_BASES:
            return True
    return False


def _bases(node: ast.ClassDef) -> list[str]:
    return [ast.unparse(base) for base in node.bases]
