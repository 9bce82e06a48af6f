"""What checks of policy files mean, and what is said of those that mean nothing."""

from __future__ import annotations

from typing import Any

import pytest

from maestrale.services.policy import BASE, BY_DEFAULT, RULES, Policy
from maestrale.services.policy_checks import Check, PolicyError, explain, judge, parse, parse_lists, write

ADA: dict[str, Any] = {
    "project_id": "web",
    "user_id": "ada",
    "user_name": None,
    "roles": ("Member", "author"),
    "is_admin": False,
    "token": {"roles": [{"id": "r1"}, {"id": "r2"}]},
}
_NONE: dict[str, Check] = {}
TARGET = {"project_id": "web", "user_id": "eve", "role.name": "Member", "odd": None}


def passes(text: str) -> bool:
    return judge(parse(text), ADA, TARGET, {"yes": parse("@"), "no": parse("!")}.get).passes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("@", True),
        ("!", False),
        ("role:member", True),
        ("role:AUTHOR", True),
        ("role:admin", False),
        ("role:%(role.name)s", True),
        ("role:%(absent)s", False),
        ("rule:yes", True),
        ("rule:no", False),
        ("rule:absent", False),
        ("is_admin:True", False),
        ("is_admin:False", True),
        ("is_admin:false", False),
        ("project_id:%(project_id)s", True),
        ("user_id:%(user_id)s", False),
        ("user_id:ada", True),
        ("user_id:%(odd)s", False),
        ("user_name:None", False),
        ("absent:x", False),
        ("token.roles.id:r2", True),
        ("token.roles.id:r3", False),
        ("token.roles.absent:r1", False),
        ("'Member':%(role.name)s", True),
        ('"Member":%(role.name)s', True),
        ("'a:b':%(role.name)s", False),
        ("True:%(project_id)s", False),
        ("'web':web", True),
        ("not role:admin", True),
        ("NOT role:admin AND role:author", True),
        ("not not role:admin", False),
        ("not role:author or role:author", True),
        ("not (role:author or role:admin)", False),
        ("role:author or role:admin and !", True),
        ("(role:author or role:admin) and !", False),
        ("! and @ or @", True),
        ("(((@)))", True),
        ("(role:admin)or(role:author)", True),
        ("role:admin\n or   role:author", True),
    ],
)
def test_what_checks_mean(text: str, expected: bool) -> None:
    assert passes(text) is expected


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("admin", 1, "'admin' is no check"),
        (":x", 1, "':x' is no check"),
        ("role:a role:b", 8, "'role:b' is not expected here"),
        ("role:a and", 11, "a check is missing at the end"),
        ("not", 4, "a check is missing at the end"),
        ("or role:a", 1, "a check is missing before 'or'"),
        ("role:a and or role:b", 12, "a check is missing before 'or'"),
        ("(role:a", 1, "this parenthesis is not closed"),
        ("role:a)", 7, "'\\)' is not expected here"),
        ("()", 2, "a check is missing before '\\)'"),
        ("role:'a", 6, "' is not closed"),
        ("role:a or http://example.org/check", 11, "'http:' checks ask another server"),
        ("https://example.org/check", 1, "'https:' checks ask another server"),
        ("(" * 51 + "@" + ")" * 51, 51, "more than 50 parentheses"),
        ("not " * 60 + "@", 201, "more than 50 parentheses"),
    ],
)
def test_checks_that_cannot_be_read(text: str, column: int, words: str) -> None:
    with pytest.raises(PolicyError, match=words) as raised:
        parse(text)
    assert raised.value.column == column


def test_lists_of_checks() -> None:
    assert (
        write(parse_lists([["role:a", "role:b"], "role:c", ["role:d"]]))
        == "role:a and role:b or role:c or role:d"
    )
    assert write(parse_lists([])) == write(parse_lists([[]])) == "@"
    for given in (7, {"role": "a"}, [7], [["role:a", 7]], [[["role:a"]]]):
        with pytest.raises(PolicyError):
            parse_lists(given)


def test_texts_are_written_as_they_are_read() -> None:
    for text in (
        "role:a and (role:b or role:c)",
        "role:a or role:b and role:c",
        "not (role:a or 'x y':%(z)s) and not rule:b",
        "not not @",
    ):
        assert write(parse(text)) == text
    assert write(parse("((role:a and (role:b and role:c)))")) == "role:a and role:b and role:c"


def test_why() -> None:
    verdict = judge(
        parse("rule:admins or not role:author"), ADA, TARGET, {"admins": parse("is_admin:True")}.get
    )
    assert list(explain(verdict)) == [
        "no  rule:admins or not role:author",
        "    no  rule:admins",
        "        no  is_admin:True (is_admin is False, not True)",
        "    no  not role:author",
        "        yes role:author (the caller's roles: Member, author)",
    ]
    assert list(explain(judge(parse("user_id:%(absent)s"), ADA, TARGET, _NONE.get))) == [
        "no  user_id:%(absent)s (the target has no absent)"
    ]


@pytest.mark.covers("rbac.defaults")
def test_defaults() -> None:
    assert len(RULES) == 71
    assert {*BY_DEFAULT.checks} == {*RULES, *BASE}
    assert write(BY_DEFAULT.checks["workflows:create"]) == "rule:admin_or_owner"
    assert write(BY_DEFAULT.checks["workflows:publicize"]) == "rule:admin_only"
    assert write(BY_DEFAULT.checks["admin_or_owner"]) == "is_admin:True or project_id:%(project_id)s"
    assert [BY_DEFAULT.problem(name) for name in BY_DEFAULT.checks] == [None] * 73


def test_what_rules_refer_to() -> None:
    policy = Policy({name: parse(text) for name, text in {
        "a": "rule:b", "b": "role:x or rule:c", "c": "not rule:a", "d": "rule:a", "e": "rule:absent",
        "admin_or_owner": "rule:workflows:create",
    }.items()})  # fmt: skip
    found = {name: policy.problem(name) for name in policy.changed}
    circle = "it refers to itself in a circle"
    assert found == {"a": circle, "b": circle, "c": circle, "d": None, "admin_or_owner": circle,
                     "e": "it refers to a rule 'absent', which does not exist"}  # fmt: skip
