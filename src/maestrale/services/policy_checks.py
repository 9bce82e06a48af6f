"""The language of checks in policy files, as oslo.policy has it: text -> check -> decision with its reason.

    role:admin or (project_id:%(project_id)s and not user_id:guest)

Pure: a check sees the caller's attributes, and the target's for what stands in `%(...)s`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

DEEPEST: Final = 50
"""Parentheses in each other."""

REFUSED_KINDS: Final = frozenset({"http", "https"})
_WORDS: Final = frozenset({"and", "or", "not"})
_HOLE: Final = re.compile(r"%\(([^()]*)\)s")
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>(?:'[^']*'|\"[^\"]*\"|%\([^()]*\)s|[^\s()'\"])+)|(?P<odd>\S))"
)


class PolicyError(ValueError):
    """A check that cannot be read; `column` is where, from 1."""

    def __init__(self, message: str, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


class Always(msgspec.Struct, frozen=True):
    """`@` or an empty text (everybody passes), or `!` (nobody does)."""

    passes: bool


class RuleCheck(msgspec.Struct, frozen=True):
    """`rule:NAME`: what another rule says."""

    name: str


class RoleCheck(msgspec.Struct, frozen=True):
    """`role:NAME`: the caller has a role, in capitals or not."""

    role: str


class Compared(msgspec.Struct, frozen=True):
    """`KIND:MATCH`: an attribute of the caller (or a constant, 'in quotes') is the same as a text."""

    kind: str
    match: str


class Not(msgspec.Struct, frozen=True):
    """The opposite."""

    check: Check


class All(msgspec.Struct, frozen=True):
    """`... and ...`."""

    checks: tuple[Check, ...]


class Any_(msgspec.Struct, frozen=True):  # noqa: N801 - Any is taken
    """`... or ...`."""

    checks: tuple[Check, ...]


Check: TypeAlias = Always | RuleCheck | RoleCheck | Compared | Not | All | Any_


class Verdict(NamedTuple):
    """Whether a check passes, why in a few words, and the verdicts that this one follows from."""

    passes: bool
    check: Check
    reason: str
    parts: tuple[Verdict, ...] = ()


def parse(text: str) -> Check:
    """The check that a text means. Raises `PolicyError`."""
    return _Parser(text).whole()


def parse_lists(given: Any) -> Check:
    """The same of the older form: a list of alternatives, each a check or a list that must all pass."""
    if isinstance(given, str):
        return parse(given)
    if not isinstance(given, list):
        raise PolicyError("a check is a text, or a list of texts")
    if not given:
        return Always(True)
    alternatives = []
    for entry in given:
        entries = [entry] if isinstance(entry, str) else entry
        if not isinstance(entries, list) or not all(isinstance(one, str) for one in entries):
            raise PolicyError("a list of checks holds texts, or lists of texts")
        alternatives.append(_joined(All, [parse(one) for one in entries]) if entries else Always(True))
    return _joined(Any_, alternatives)


def write(check: Check) -> str:
    """The text of a check, with no more parentheses than it needs."""
    match check:
        case Always(passes):
            return "@" if passes else "!"
        case RuleCheck(name):
            return f"rule:{name}"
        case RoleCheck(role):
            return f"role:{role}"
        case Compared(kind, match):
            return f"{kind}:{match}"
        case Not(inner):
            return f"not {_inside(inner, All, Any_)}"
        case All(checks):
            return " and ".join(_inside(one, All, Any_) for one in checks)
        case Any_(checks):
            return " or ".join(_inside(one, Any_) for one in checks)


def references(check: Check) -> Iterator[str]:
    """The names of the rules that a check refers to."""
    match check:
        case RuleCheck(name):
            yield name
        case Not(inner):
            yield from references(inner)
        case All(checks) | Any_(checks):
            for one in checks:
                yield from references(one)
        case _:
            pass


def judge(
    check: Check, caller: Mapping[str, Any], target: Mapping[str, Any], rule: Callable[[str], Check | None]
) -> Verdict:
    """Whether `caller` passes; `rule` finds other rules, which must not refer to each other in a circle."""

    def of(one: Check) -> Verdict:
        match one:
            case Always(passes):
                return Verdict(passes, one, "everybody passes" if passes else "nobody passes")
            case RuleCheck(name):
                found = rule(name)
                if found is None:
                    return Verdict(False, one, "there is no such rule")
                inner = of(found)
                return Verdict(inner.passes, one, "", (inner,))
            case RoleCheck(role):
                return _judge_role(one, role, caller, target)
            case Compared(kind, match):
                return _judge_compared(one, kind, match, caller, target)
            case Not(inner_check):
                inner = of(inner_check)
                return Verdict(not inner.passes, one, "", (inner,))
            case All(checks):
                return _until(one, checks, False, of)
            case Any_(checks):
                return _until(one, checks, True, of)

    return of(check)


def explain(verdict: Verdict, indent: str = "") -> Iterator[str]:
    """Lines for a person: each check that was looked at, whether it passes, and why."""
    reason = f" ({verdict.reason})" if verdict.reason else ""
    yield f"{indent}{'yes' if verdict.passes else 'no '} {write(verdict.check)}{reason}"
    for part in verdict.parts:
        yield from explain(part, indent + "    ")


def _until(one: Check, checks: tuple[Check, ...], end: bool, of: Callable[[Check], Verdict]) -> Verdict:
    """Look at checks in turn until one decides."""
    parts = []
    for check in checks:
        parts.append(of(check))
        if parts[-1].passes is end:
            return Verdict(end, one, "", tuple(parts))
    return Verdict(not end, one, "", tuple(parts))


def _judge_role(one: Check, role: str, caller: Mapping[str, Any], target: Mapping[str, Any]) -> Verdict:
    wanted = _filled(role, target)
    roles = [str(own) for own in caller.get("roles", ())]
    has = wanted is not None and wanted.lower() in {own.lower() for own in roles}
    return Verdict(has, one, f"the caller's roles: {', '.join(roles) or 'none'}")


def _judge_compared(
    one: Check, kind: str, match: str, caller: Mapping[str, Any], target: Mapping[str, Any]
) -> Verdict:
    wanted = _filled(match, target)
    if wanted is None:
        return Verdict(False, one, f"the target has no {_HOLE.findall(match)[0]}")
    constant = _constant(kind)
    values = [constant] if constant is not None else list(_attributes(caller, kind.split(".")))
    if not values:
        return Verdict(False, one, f"the caller has no {kind}")
    texts = [str(value) for value in values]
    is_same = wanted in texts
    return Verdict(is_same, one, f"{kind} is {', '.join(texts)}{'' if is_same else f', not {wanted}'}")


def _filled(text: str, target: Mapping[str, Any]) -> str | None:
    """A text with the target's attributes in their places, None if one is not there."""
    if any(target.get(name) is None for name in _HOLE.findall(text)):
        return None
    return _HOLE.sub(lambda hole: str(target[hole[1]]), text)


@lru_cache(1000)
def _constant(kind: str) -> Any:
    """What a literal means (`'Member'`, `True`, `7`); None for a name."""
    try:
        return ast.literal_eval(kind)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None


def _attributes(value: Any, path: list[str]) -> Iterator[Any]:
    """What is at the end of a path into maps; all of it, where lists are on the way."""
    if isinstance(value, list | tuple):
        for one in value:
            yield from _attributes(one, path)
    elif not path:
        if value is not None:
            yield value
    elif isinstance(value, Mapping) and path[0] in value:
        yield from _attributes(value[path[0]], path[1:])


def _inside(check: Check, *kinds: type) -> str:
    return f"({write(check)})" if isinstance(check, kinds) else write(check)


def _joined(kind: type[All] | type[Any_], checks: list[Check]) -> Check:
    """One check of several of the same kind, flat: that reads, and judges, the same."""
    flat = [part for one in checks for part in (one.checks if isinstance(one, kind) else (one,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


class _Parser:
    """Reads by going down: `or` binds least, then `and`, then `not`."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._next = 0
        self._depth = 0
        self._end = len(text) + 1

    def whole(self) -> Check:
        if not self._tokens:
            return Always(True)
        check = self._alternatives()
        if self._next < len(self._tokens):
            word, column = self._tokens[self._next]
            raise PolicyError(f"'{word}' is not expected here (write 'and' or 'or' between checks)", column)
        return check

    def _alternatives(self) -> Check:
        found = [self._conjunction()]
        while self._takes("or"):
            found.append(self._conjunction())
        return _joined(Any_, found)

    def _conjunction(self) -> Check:
        found = [self._single()]
        while self._takes("and"):
            found.append(self._single())
        return _joined(All, found)

    def _single(self) -> Check:
        if self._next == len(self._tokens):
            raise PolicyError("a check is missing at the end", self._end)
        word, column = self._tokens[self._next]
        self._next += 1
        if word == "(" or word.lower() == "not":
            self._depth += 1
            if self._depth > DEEPEST:
                raise PolicyError(f"more than {DEEPEST} parentheses are in each other", column)
            inner = self._alternatives() if word == "(" else Not(self._single())
            self._depth -= 1
            if word == "(" and not self._takes(")"):
                raise PolicyError("this parenthesis is not closed", column)
            return inner
        if word == ")" or word.lower() in _WORDS:
            raise PolicyError(f"a check is missing before '{word}'", column)
        return _simple(word, column)

    def _takes(self, wanted: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next][0].lower() == wanted:
            self._next += 1
            return True
        return False


def _tokens(text: str) -> Iterator[tuple[str, int]]:
    """Words and parentheses with their columns."""
    for found in _TOKEN.finditer(text):
        name = str(found.lastgroup)
        column = found.start(name) + 1
        if name == "odd":
            raise PolicyError(f"{found[name]} is not closed", column)
        yield found[name], column


def _simple(word: str, column: int) -> Check:
    if word in ("@", "!"):
        return Always(word == "@")
    kind, colon, match = word.partition(":")
    if word[0] in "'\"" and (end := word.find(word[0] + ":", 1)) > 0:  # a constant may hold a colon
        kind, colon, match = word[: end + 1], ":", word[end + 2 :]
    if not colon or not kind:
        raise PolicyError(f"'{word}' is no check (write KIND:MATCH, as in role:admin)", column)
    if kind in REFUSED_KINDS:
        raise PolicyError(
            f"'{kind}:' checks ask another server for each decision, which this one does not do", column
        )
    if kind == "rule":
        return RuleCheck(match)
    if kind == "role":
        return RoleCheck(match)
    return Compared(kind, match)
