from __future__ import annotations

import logging
import re
import subprocess
import sys
from pathlib import Path

import pytest

from maestrale.actions.base import action
from maestrale.actions.registry import GROUP, Registry
from maestrale.actions.std import basic
from maestrale.model.errors import Conflict

STD = [
    "std.async_noop",
    "std.echo",
    "std.email",
    "std.fail",
    "std.http",
    "std.javascript",
    "std.js",
    "std.mistral_http",
    "std.noop",
    "std.sleep",
    "std.ssh",
    "std.ssh_proxied",
    "std.test_dict",
    "std.wait_ssh",
]


def plugin(folder: Path, name: str, source: str, entry_points: str) -> None:
    """What installing a distribution leaves behind."""
    (folder / f"{name}.py").write_text(source)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[{GROUP}]\n{entry_points}\n")


def names(registry: Registry) -> list[str]:
    return [known.name for known in registry]


def test_the_built_in_actions_are_an_entry_point() -> None:
    registry = Registry()
    registry.load_entry_points()
    assert set(STD) <= set(names(registry))
    assert names(registry) == sorted(names(registry))
    assert len(registry) == len(names(registry))
    assert registry.find("std.echo") is basic.echo
    assert registry.find("std.ech") is None


def test_loading_twice_changes_nothing() -> None:
    registry = Registry()
    registry.load_entry_points()
    before = names(registry)
    registry.load_entry_points()
    assert names(registry) == before


def test_plugins_offer_a_module_or_one_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from maestrale.actions.base import action\n"
        "@action('acme.one')\ndef one() -> int: return 1\n"
        "@action('acme.two')\ndef two() -> int: return 2\n"
    )
    plugin(tmp_path, "acme_all_of_it", source, "all = acme_all_of_it")
    plugin(tmp_path, "acme_part", source.replace("acme.", "part."), "two = acme_part:two")
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    registry.load_entry_points()
    assert [name for name in names(registry) if not name.startswith("std.")] == [
        "acme.one",
        "acme.two",
        "part.two",
    ]


def test_a_broken_plugin_is_left_out_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    plugin(tmp_path, "acme_broken", "import no_such_module_at_all\n", "a = acme_broken")
    plugin(tmp_path, "acme_empty", "x = 1\n", "b = acme_empty\nc = acme_empty:x")
    plugin(
        tmp_path,
        "acme_thief",
        "from maestrale.actions.base import action\n"
        "@action('std.echo')\ndef echo() -> None: ...\n"
        "@action('thief.own')\ndef own() -> None: ...\n",
        "a_first = acme_thief",
    )
    monkeypatch.syspath_prepend(tmp_path)
    registry = Registry()
    with caplog.at_level(logging.WARNING):
        registry.load_entry_points()
    assert set(names(registry)) >= {*STD, "thief.own"}
    assert registry.find("std.echo") is basic.echo
    warnings = sorted(record.getMessage() for record in caplog.records)
    assert len(warnings) == 4
    assert warnings[0].startswith(
        "Entry point maestrale.actions: a = acme_broken (acme_broken) cannot be loaded"
    )
    assert warnings[1].startswith(
        "Entry point maestrale.actions: a_first = acme_thief (acme_thief): There are two actions named"
    )
    assert "b = acme_empty (acme_empty) names neither" in warnings[2]
    assert "c = acme_empty:x (acme_empty) names neither" in warnings[3]
    assert "no_such_module_at_all" in caplog.text


def test_an_entry_point_outside_any_package_is_named_too(caplog: pytest.LogCaptureFixture) -> None:
    from importlib.metadata import EntryPoint

    from maestrale.actions.registry import _actions_of

    with caplog.at_level(logging.WARNING):
        assert _actions_of(EntryPoint("x", "no_such_module_at_all", GROUP)) == []
    assert "(unknown package) cannot be loaded" in caplog.text


@pytest.mark.parametrize(
    ("allow", "deny", "expected"),
    [
        ([], [], STD),
        ([], ["std.*http", "std.echo"], [n for n in STD if "http" not in n and n != "std.echo"]),
        (["std.?oop"], ["std.*"], ["std.noop"]),
        (["STD.*"], [], []),
    ],
)
def test_lists_decide_what_is_known(allow: list[str], deny: list[str], expected: list[str]) -> None:
    registry = Registry(allow=allow, deny=deny)
    registry.load_entry_points()
    assert [name for name in names(registry) if name.startswith("std.")] == expected
    assert all(registry.allows(name) for name in expected)


def test_two_actions_cannot_share_a_name() -> None:
    @action("std.echo")
    def other() -> None: ...

    registry = Registry()
    registry.add(basic.echo)
    registry.add(basic.echo)
    with pytest.raises(Conflict, match=r"two actions named 'std\.echo'") as caught:
        registry.add(other)
    assert "basic.echo" in str(caught.value)
    assert "other" in str(caught.value)


def test_unknown_names_get_suggestions() -> None:
    registry = Registry()
    registry.load_entry_points()
    assert registry.suggestions("std.ecko")[0] == "std.echo"
    assert registry.suggestions("qqqqqqqq") == []


def test_every_built_in_action_is_documented_with_its_parameters() -> None:
    registry = Registry(allow=["std.*"])
    registry.load_entry_points()
    assert names(registry) == STD
    text = (Path(__file__).parents[3] / "docs" / "actions.md").read_text()
    undocumented = [
        f"{known.name} {parameter.name}"
        for known in registry
        for parameter in known.facts.parameters
        if not re.search(rf"`{parameter.name}[`=]", _section(text, known.name))
    ]
    assert not undocumented


def _section(text: str, name: str) -> str:
    """What the page says about an action: below its heading, or else in its row of a table."""
    name = {"std.js": "std.javascript"}.get(name, name)
    below = re.search(rf"^##+ {re.escape(name)}$(.*?)(?=^##|\Z)", text, re.MULTILINE | re.DOTALL)
    row = re.search(rf"^\| `{re.escape(name)}` .*$", text, re.MULTILINE)
    found = below or row
    assert found is not None, f"docs/actions.md does not describe {name}"
    return found[0]


def test_loading_the_built_in_actions_does_not_load_their_libraries() -> None:
    code = (
        "import sys; from maestrale.actions.registry import Registry; r = Registry(allow=['std.*']);"
        "r.load_entry_points(); print(len(r) > 0, *sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, *modules = shown.stdout.split()
    assert loaded == "True"
    assert not {"aiohttp", "aiosmtplib", "asyncssh", "cryptography", "py_mini_racer"} & set(modules)
