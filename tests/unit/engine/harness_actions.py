"""The actions of a world in memory: real ones, remote ones that tests complete, and ad-hoc ones."""

from __future__ import annotations

import difflib
import textwrap
from collections.abc import Mapping

import msgspec

from maestrale.actions.std import basic
from maestrale.engine.needs import FindAction
from maestrale.lang.parse import parse_actions
from maestrale.model.actions import ActionFacts, Parameter
from maestrale.model.values import Json
from maestrale.runtime.actions import resolve
from maestrale.store.lookups import FoundDefinition

FACTS: dict[str, ActionFacts] = {
    facts.name: facts
    for facts in (
        basic.noop.facts,
        basic.echo.facts,
        basic.fail.facts,
        basic.async_noop.facts,
        basic.make_dict.facts,
        ActionFacts("remote", takes_any=True),
        ActionFacts("remote.repeatable", takes_any=True, repeatable=True),
        ActionFacts("remote.outside", takes_any=True, waits_outside=True),
        ActionFacts("remote.strict", (Parameter("must"), Parameter("may", None)), class_name="x.Strict"),
    )
}


class Catalogue:
    """The actions that the engine of a world knows: a few real ones, and remote ones that tests complete."""

    def __init__(self, adhoc: Mapping[str, FoundDefinition] | None = None) -> None:
        self.adhoc = adhoc or {}

    def is_shadowed(self, name: str) -> bool:
        return name in self.adhoc

    def find(self, name: str) -> ActionFacts | None:
        return FACTS.get(name)

    def suggestions(self, name: str) -> list[str]:
        return difflib.get_close_matches(name, FACTS, n=3)


def adhoc_definitions(text: str) -> dict[str, FoundDefinition]:
    """The ad-hoc actions of a text, as they would be stored; one named `book.x` is a member of `book`."""
    if not text:
        return {}
    text = "version: '2.0'\n" + textwrap.dedent(text).lstrip("\n")
    parsed = parse_actions(text)
    assert not parsed.errors, parsed.errors
    return {
        spec.name: FoundDefinition(
            f"id-{spec.name}", spec.name, text, spec.name.rpartition(".")[0], is_own=True
        )
        for spec in parsed.specs
    }


def answer_about_action(question: FindAction, catalogue: Catalogue) -> Json:
    """What the stored ad-hoc actions say."""

    def find(name: str) -> list[FoundDefinition]:
        found = catalogue.adhoc.get(name)
        return [] if found is None else [found]

    action = resolve(question, catalogue, find)
    return None if action is None else msgspec.to_builtins(action)
