"""Checks of policies: what is written reads the same, any text is read or refused, and logic holds."""

from __future__ import annotations

from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from maestrale.services.policy_checks import (
    All,
    Always,
    Any_,
    Check,
    Compared,
    Not,
    PolicyError,
    RoleCheck,
    RuleCheck,
    judge,
    parse,
    write,
)

ROLES: Final = ("a", "b", "c")
CALLER: Final = {"user_id": "ada", "roles": ("a", "c")}
LEAVES: Final[st.SearchStrategy[Check]] = st.one_of(
    st.builds(Always, st.booleans()),
    st.builds(RoleCheck, st.sampled_from(ROLES)),
    st.builds(RuleCheck, st.sampled_from(("yes", "no"))),
    st.builds(
        Compared, st.sampled_from(("user_id", "'ada'", "absent")), st.sampled_from(("ada", "%(user)s"))
    ),
)


def _flat(kind: type[All] | type[Any_], checks: list[Check]) -> Check:
    return kind(tuple(part for one in checks for part in (one.checks if isinstance(one, kind) else (one,))))


CHECKS: Final[st.SearchStrategy[Check]] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.lists(inner, min_size=2, max_size=3).map(lambda checks: _flat(All, checks)),
        st.lists(inner, min_size=2, max_size=3).map(lambda checks: _flat(Any_, checks)),
    ),
    max_leaves=12,
)
RULES: Final = {"yes": parse("@"), "no": parse("!")}


def passes(check: Check) -> bool:
    return judge(check, CALLER, {"user": "ada"}, RULES.get).passes


def expected(check: Check) -> bool:
    """The same by Python's own logic."""
    match check:
        case Always(decides):
            return decides
        case RoleCheck(role):
            return role in CALLER["roles"]
        case RuleCheck(name):
            return name == "yes"
        case Compared(kind, _):
            return kind != "absent"
        case Not(inner):
            return not expected(inner)
        case All(checks):
            return all(map(expected, checks))
        case Any_(checks):
            return any(map(expected, checks))


@given(CHECKS)
def test_what_is_written_reads_the_same(check: Check) -> None:
    assert parse(write(check)) == check


@given(CHECKS)
def test_decisions_follow_logic(check: Check) -> None:
    assert passes(check) is expected(check)


@given(st.text(alphabet="()'\"%@! :.abrole\nnotandor", max_size=60) | st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        check = parse(text)
    except PolicyError as error:
        column = error.column
    else:
        passes(check)
        assert parse(write(check)) == check
        column = 1
    assert 1 <= column <= len(text) + 1
