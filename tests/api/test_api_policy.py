"""What a policy file changes, what is said of one that cannot be used, and how it comes into force."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from api_service import assert_fault, serving
from callers import ALICE, BOB, CAROL, ROOT, token_file

from maestrale.api.policy_file import LOOK_AFTER, PolicyFile, PolicyFileError, read_policy
from maestrale.config import ServerSettings
from maestrale.services.access import Caller

TEXT = "version: '2.0'\nw:\n  tasks: {t: {action: std.noop}}\n"
MEMBER, ADMIN = Caller("p", "u", None, ("member",)), Caller("p", "u", None, ("admin",), True)


def policy_file(folder: Path, text: str) -> Path:
    path = folder / "policy.yaml"
    path.write_text(text)
    return path


@pytest.mark.covers("rbac.file")
def test_a_file_changes_rules(tmp_path: Path) -> None:
    file = policy_file(
        tmp_path,
        """
        "workflows:create": "role:member"
        "executions:list:all_projects": "role:member and user_id:carol"
        "executions:list": "not user_id:bob"
        "workflows:delete": "!"
    """,
    )
    auth = f"tokens:{token_file(tmp_path)}"
    with serving(f"sqlite:///{tmp_path}/p.db", ServerSettings(auth=auth, policy_file=str(file))) as api:
        alice, carol, root = (api.as_caller(token) for token in (ALICE, CAROL, ROOT))
        refused = alice("POST", "/v2/workflows", content=TEXT)
        assert_fault(refused, 403, "Operation forbidden (insufficient permissions)", "workflows:create")
        carol.define(TEXT)
        assert carol("GET", "/v2/executions?all_projects=1").status_code == 200
        assert_fault(root("GET", "/v2/executions?all_projects=1"), 403)
        assert_fault(root("DELETE", "/v2/workflows/w"), 403, "workflows:delete")
        assert [
            carol("GET", "/executions").status_code,
            api.as_caller(BOB)("GET", "/executions").status_code,
        ] == [200, 403]
        assert alice.names("workflows") == []  # whose an object is, no rule changes


def test_without_authentication_it_has_no_effect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = policy_file(tmp_path, '"workflows:create": "!"')
    with serving(f"sqlite:///{tmp_path}/p.db", ServerSettings(policy_file=str(file))) as api:
        api.define(TEXT)
    assert f"the policy file {file} has no effect" in caplog.text


def test_files_in_several_forms(tmp_path: Path) -> None:
    for text in (
        "workflows:create: role:member",
        '{"workflows:create": "role:member"}',
        '"workflows:create": [["role:member"]]',
        "workflows:create: rule:mine\nmine: rule:other\nother: role:member",
        "# a comment\n\nworkflows:create: >\n  role:member or\n  role:nobody\n",
    ):
        policy = read_policy(policy_file(tmp_path, text))
        assert policy.judge("workflows:create", MEMBER.attributes).passes, text
        assert not policy.judge("workflows:create", ADMIN.attributes).passes, text
        assert policy.judge("workflows:delete", ADMIN.attributes).passes, text
    for text in ("", "{}", "# nothing\n"):
        assert not read_policy(policy_file(tmp_path, text)).changed


def test_every_mistake_with_its_line(tmp_path: Path) -> None:
    file = policy_file(
        tmp_path,
        """# rules
workflows:create: role:member and
"workflows:get": "role:a or http://example.org/"
workflows:list:
workflows:update: {role: member}
workflows:delete:
  - [role:a, "b"]
""",
    )
    with pytest.raises(PolicyFileError) as raised:
        read_policy(file)
    assert str(raised.value).splitlines() == [
        f"The policy file {file} cannot be used:",
        "line 2, column 34: 'workflows:create': a check is missing at the end",
        "line 3, column 29: 'workflows:get': 'http:' checks ask another server for each decision, "
        "which this one does not do",
        'line 4: \'workflows:list\' has no check (write "@" to let everybody pass, "!" for nobody)',
        "line 5: 'workflows:update': a check is a text, or a list of texts",
        "line 7: 'workflows:delete': 'b' is no check (write KIND:MATCH, as in role:admin)",
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a]", "line 1: a map of rules is expected"),
        ("a: role:x\na: role:y", "line 2, column 1: "),
        ("a: 'role:x", "line 1, column"),
        ("workflows:create: rule:absent", "line 1: 'workflows:create': it refers to a rule 'absent'"),
        ("\nadmin_only: rule:admin_or_owner\nadmin_or_owner: rule:admin_only",
         "line 3: 'admin_or_owner': it refers to itself in"),
    ],
)  # fmt: skip
def test_files_that_cannot_be_used(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(PolicyFileError) as raised:
        read_policy(policy_file(tmp_path, text))
    assert words in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(PolicyFileError, match="No such file or directory"):
        read_policy(tmp_path / "none.yaml")


def test_rules_that_do_not_exist(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    read_policy(
        policy_file(tmp_path, "workflows:crate: role:a\nmine: role:b\nworkflows:get: rule:mine\nodd: '@'")
    )
    assert (
        "line 1: nothing asks for a rule 'workflows:crate' (did you mean 'workflows:create'?)" in caplog.text
    )
    assert "line 4: nothing asks for a rule 'odd'" in caplog.text
    assert "'mine'" not in caplog.text


class Clock:
    """Seconds that pass when they are told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_change_comes_into_force(tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    path = policy_file(tmp_path, "workflows:create: role:member")
    file = PolicyFile(path, clock)

    def may(caller: Caller) -> bool:
        return file.current().judge("workflows:create", caller.attributes).passes

    assert (may(MEMBER), may(ADMIN)) == (True, False)
    path.write_text("workflows:create: role:admin")
    assert may(MEMBER)
    clock.seconds += LOOK_AFTER
    assert (may(MEMBER), may(ADMIN)) == (False, True)
    assert "has changed, and is in force" in caplog.text

    path.write_text("workflows:create: role:")
    path.write_text("workflows:create: role")
    clock.seconds += LOOK_AFTER
    assert (may(MEMBER), may(ADMIN)) == (False, True)
    assert "'role' is no check" in caplog.text
    assert "stays in force" in caplog.text
    path.unlink()
    clock.seconds += LOOK_AFTER
    assert (may(MEMBER), may(ADMIN)) == (False, True)
    new = tmp_path / "new.yaml"
    new.write_text("workflows:create: '@'")
    os.replace(new, path)
    clock.seconds += LOOK_AFTER
    assert (may(MEMBER), may(ADMIN)) == (True, True)


@pytest.mark.covers("rbac.admin")
def test_the_role_of_administrators(tmp_path: Path) -> None:
    with serving(f"sqlite:///{tmp_path}/p.db", ServerSettings(auth=f"tokens:{token_file(tmp_path)}")) as api:
        bob, root = api.as_caller(BOB), api.as_caller(ROOT)
        bob.define(TEXT)
        assert root.names("workflows") == ["w"]
        assert root.names("executions", all_projects="1") == []
