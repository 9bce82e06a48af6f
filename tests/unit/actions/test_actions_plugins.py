"""Packages with actions for Mistral: what is loaded, when, and what is said of those that cannot be."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from maestrale.actions.base import ActionContext
from maestrale.actions.plugins import Host, PluginFailure, PluginRules
from maestrale.actions.registry import Registry

SOURCE = """
class Act:
    'An act.'
    def __init__(self, x=1): self.x = x
    def run(self, context): return self.x
class Generator:
    base_action_class = Act
    def create_actions():
        yield {'name': 'made.one', 'class': type('One', (Act,), {'y': 2}), 'description': '', 'arg_list': ''}
        yield {'name': 'made.half'}
class Descriptor:
    def __init__(self, name): self.name = name
    description, namespace, project_id, scope, action_class_name = 'Provided.', None, None, None, None
    params_spec = 'a'
    def check_parameters(self, given): assert given == {'a': 1}
    def instantiate(self, given, context): return Act(given['a'])
    def post_process_result(self, result): return result
class Provider:
    def __init__(self, name): self.name = name
    def find(self, name, namespace=None):
        if name == 'prov.bad': raise OSError('no catalogue')
        return Descriptor(name) if name == 'prov.act' else None
    def find_all(self): return [Descriptor('prov.act'), Descriptor('prov.denied')]
def generators(): return [Generator]
def no_generators(): raise SystemExit('never')
"""


def package(folder: Path, name: str, entry_points: str, source: str = SOURCE, requires: str = "") -> None:
    (folder / f"{name}.py").write_text(source)
    metadata = folder / f"{name}-1.0.dist-info"
    metadata.mkdir()
    more = f"Requires-Dist: {requires}\n" if requires else ""
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{more}")
    (metadata / "entry_points.txt").write_text(entry_points.replace("MODULE", name))


EVERYTHING = """
[mistral.actions]
plug.act = MODULE:Act
plug.missing = MODULE:Nothing
std.noop = MODULE:Act
[mistral.generators]
bad = MODULE:no_generators
good = MODULE:generators
[mistral.action.providers]
prov = MODULE:Provider
broken = MODULE:Nothing
"""


@pytest.fixture
def plugged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.syspath_prepend(tmp_path)
    package(tmp_path, "plugged_package", EVERYTHING)
    package(tmp_path, "mistral_itself", "[mistral.actions]\nreference.act = mistral.actions.std:NoOp\n")
    yield "plugged_package"
    sys.modules.pop("plugged_package", None)


def registry(
    rules: PluginRules | None = None,
    *,
    allow: list[str] | None = None,
    deny: list[str] | None = None,
    hosts: Mapping[str, Host] = MappingProxyType({}),
) -> Registry:
    made = Registry(allow=allow or (), deny=deny or (), hosts=hosts)
    made.load_entry_points(rules)
    return made


def test_nothing_is_imported_before_it_is_used(plugged: str) -> None:
    known = registry()
    assert plugged not in sys.modules
    assert (known.knows("plug.act"), known.find("plug.act"), known.knows("reference.act")) == (
        True, None, False,
    )  # fmt: skip
    assert known.suggestions("plug.actt") == ["plug.act"]
    assert known.plugins.discover("plug.act", "") is None
    found = known.find("plug.act")
    assert found is not None
    assert (found.input_text, found.description, found.run(ActionContext(), {"x": 3})) == (
        "x=1",
        "An act.",
        3,
    )


@pytest.mark.usefixtures("plugged")
def test_loading_makes_all_known_that_can_be(caplog: pytest.LogCaptureFixture) -> None:
    known = registry()
    with caplog.at_level(logging.WARNING):
        known.plugins.load()
        known.plugins.load()
    names = {action.name for action in known}
    assert {"plug.act", "made.one"} <= names
    assert not {"plug.missing", "made.half", "reference.act"} & names
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert len(caplog.records) == 5, said
    for words in (
        "plug.missing = plugged_package:Nothing (plugged_package) cannot be loaded: module 'plugged_package'",
        "There are two actions named 'std.noop'",
        "bad = plugged_package:no_generators (plugged_package) cannot be loaded: never",
        "cannot make its actions: 'class'",
        "broken = plugged_package:Nothing (plugged_package) cannot be loaded",
    ):
        assert words in said
    with pytest.raises(PluginFailure, match=r"The action 'plug\.missing' cannot be used"):
        known.plugins.discover("plug.missing", "")
    made = known.find("made.one")
    assert made is not None
    assert made.run(ActionContext(), {}) == 1


@pytest.mark.usefixtures("plugged")
def test_a_provider_is_asked_each_time() -> None:
    known = registry(deny=["prov.denied"])
    found = known.plugins.discover("prov.act", "somewhere")
    assert found is not None
    assert (found.provider, found.namespace, found.input, found.takes_any) == ("prov", "", "a", False)
    assert known.find("prov.act") is None
    assert [provided.name for provided in known.plugins.provided()] == ["prov.act"]
    assert known.plugins.run_provided("prov", "prov.act", "", ActionContext(), {"a": 1}) == 1
    with pytest.raises(LookupError, match=r"the provider 'prov' has no action 'prov\.gone' here"):
        known.plugins.run_provided("prov", "prov.gone", "", ActionContext(), {})
    with pytest.raises(PluginFailure, match=r"failed when asked for 'prov\.bad': no catalogue"):
        known.plugins.discover("prov.bad", "")
    assert known.plugins.discover("prov.denied", "") is None


@pytest.mark.usefixtures("plugged")
@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (PluginRules(), {"plug.act", "made.one", "prov.act"}),
        (PluginRules(classes=False), {"made.one", "prov.act"}),
        (PluginRules(generators=False), {"plug.act", "prov.act"}),
        (PluginRules(deny_providers=("p*",)), {"plug.act", "made.one"}),
        (PluginRules(allow_providers=("other",)), {"plug.act", "made.one"}),
    ],
)
def test_rules_say_what_is_loaded(rules: PluginRules, expected: set[str]) -> None:
    known = registry(rules, deny=["std.*", "prov.denied"])
    known.plugins.load()
    names = {action.name for action in known} | {provided.name for provided in known.plugins.provided()}
    assert names & {"plug.act", "made.one", "prov.act"} == expected


def test_only_built_in_actions(plugged: str) -> None:
    known = Registry()
    known.load_entry_points(only_built_in=True)
    known.plugins.load()
    assert not known.plugins.may_have_more
    assert all(action.name.startswith("std.") for action in known)
    assert plugged not in sys.modules


def test_packages_that_lack_the_library_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == "mistral_lib"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mistral_lib", None)  # as if not installed
    points = "[mistral.actions]\nneedy.act = MODULE:Act\n"
    package(tmp_path, "needy", points, "from mistral_lib import actions\n", "mistral_lib>=2.0")
    package(tmp_path, "modest", points.replace("needy", "modest"))
    with caplog.at_level(logging.WARNING):
        known = registry()
    assert [record.getMessage() for record in caplog.records] == [
        "Packages with actions for Mistral need the package mistral-lib, which is not installed beside the"
        " service, and will not work: needy (install it with: pip install 'maestrale[mistral]')"
    ]
    with pytest.raises(PluginFailure, match=r"install it with: pip install 'maestrale\[mistral\]'"):
        known.plugins.discover("needy.act", "")
    assert known.plugins.discover("modest.act", "") is None
    assert known.find("modest.act") is not None


class Surrounding:
    """Notes what happens around actions, and adds to what they answer."""

    def __init__(self, problem: str = "") -> None:
        self.events: list[str] = []
        self._problem = problem

    def prepare(self) -> None:
        self.events.append("prepared")

    def namespace(self, _generator: Any) -> str:
        return "made"

    def problem(self, _generator: Any) -> str:
        return self._problem

    @contextmanager
    def acting(self, name: str, _context: ActionContext) -> Iterator[None]:
        self.events.append(f"before {name}")
        yield
        self.events.append(f"after {name}")

    def data(self, value: Any) -> Any:
        return [value]


def test_a_package_finds_its_surroundings(plugged: str) -> None:
    surrounding = Surrounding()
    known = registry(hosts={plugged: surrounding})
    assert not surrounding.events
    known.plugins.load()
    made, act = known.find("made.one"), known.find("plug.act")
    assert made is not None
    assert act is not None
    assert (made.run(ActionContext(), {}), act.run(ActionContext(), {})) == ([1], 1)
    assert surrounding.events == ["prepared", "prepared", "before made.one", "after made.one"]


def test_actions_whose_client_is_missing_say_so(plugged: str, caplog: pytest.LogCaptureFixture) -> None:
    known = registry(hosts={plugged: Surrounding("install the client")}, deny=["made.two"])
    with pytest.raises(PluginFailure, match=r"'made\.one' cannot be used: install the client"):
        known.plugins.discover("made.one", "")
    assert known.plugins.discover("made.two", "") is None
    assert known.plugins.discover("other.one", "") is None
    assert caplog.text.count("install the client") == 1
