"""Workflows, workbooks, actions, code sources, dynamic actions: what is uploaded, or built on an upload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from maestrale.client.binding import M, operation
from maestrale.client.collections import Collection, SharedCollection
from maestrale.client.conversation import Request
from maestrale.client.paths import by_identifier, given, is_uuid, path, scope, selected
from maestrale.client.reading import many, nothing, one
from maestrale.client.results import Action, CodeSource, DynamicAction, Verdict, Workbook, Workflow


def _placed(namespace: str, is_public: bool) -> dict[str, Any]:
    return {"scope": scope(is_public)} | given(namespace=namespace)


def _validation(collection: str, text: str) -> Request[Verdict]:
    return Request("POST", path(collection, "validate"), one(Verdict), text=text, repeatable=True)


def _deletion(collection: str, identifier: str, namespace: str) -> Request[None]:
    return Request("DELETE", path(collection, identifier), nothing, given(namespace=namespace))


class Workflows(SharedCollection[M, Workflow]):
    """Workflow definitions."""

    kind = Workflow
    collection = "workflows"

    @operation
    def get(self, identifier: str, namespace: str = "", *, fields: Sequence[str] = ()) -> Request[Workflow]:
        """The workflow with this id, or this name in `namespace`."""
        query = given(namespace=namespace) | selected(fields)
        return Request("GET", path("workflows", identifier), one(Workflow), query)

    @operation
    def create(self, text: str, namespace: str = "", *, public: bool = False) -> Request[Sequence[Workflow]]:
        """Store every workflow of `text`; `Conflict` if one of them exists already."""
        return Request(
            "POST", "/workflows", many(Workflow, "workflows"), _placed(namespace, public), text=text
        )

    @operation
    def update(
        self, text: str, namespace: str = "", *, public: bool = False, identifier: str = ""
    ) -> Request[Sequence[Workflow]]:
        """Replace the workflows of `text`, or the one with the id or name `identifier`.

        What is not `public` is private from then on.
        """
        address = path("workflows", *([identifier] if identifier else []))
        return Request("PUT", address, many(Workflow, "workflows"), _placed(namespace, public), text=text)

    @operation
    def delete(self, identifier: str, namespace: str = "") -> Request[None]:
        """Remove the workflow with this id, or this name in `namespace`."""
        return _deletion("workflows", identifier, namespace)

    @operation
    def validate(self, text: str) -> Request[Verdict]:
        """What is wrong with `text`, which is not stored."""
        return _validation("workflows", text)


class Workbooks(Collection[M, Workbook]):
    """Workbooks; they go by their names only."""

    kind = Workbook
    collection = "workbooks"

    @operation
    def get(self, name: str, namespace: str = "", *, fields: Sequence[str] = ()) -> Request[Workbook]:
        """The workbook of this name."""
        query = given(namespace=namespace) | selected(fields)
        return Request("GET", path("workbooks", name), one(Workbook), query)

    @operation
    def create(self, text: str, namespace: str = "", *, public: bool = False) -> Request[Workbook]:
        """Store a workbook with its workflows and actions; `Conflict` if it exists already."""
        return Request("POST", "/workbooks", one(Workbook), _placed(namespace, public), text=text)

    @operation
    def update(self, text: str, namespace: str = "", *, public: bool = False) -> Request[Workbook]:
        """Replace a workbook with its workflows and actions."""
        return Request("PUT", "/workbooks", one(Workbook), _placed(namespace, public), text=text)

    @operation
    def delete(self, name: str, namespace: str = "") -> Request[None]:
        """Remove the workbook of this name; its workflows and actions stay."""
        return _deletion("workbooks", name, namespace)

    @operation
    def validate(self, text: str) -> Request[Verdict]:
        """What is wrong with `text`, which is not stored."""
        return _validation("workbooks", text)


class Actions(Collection[M, Action]):
    """Actions: built in, ad-hoc and dynamic ones."""

    kind = Action
    collection = "actions"

    @operation
    def get(self, identifier: str, namespace: str = "") -> Request[Action]:
        """The action with this id, or this name in `namespace`."""
        return Request("GET", path("actions", identifier), one(Action), given(namespace=namespace))

    @operation
    def create(self, text: str, namespace: str = "", *, public: bool = False) -> Request[Sequence[Action]]:
        """Store every ad-hoc action of `text`; `Conflict` if one of them exists already."""
        return Request("POST", "/actions", many(Action, "actions"), _placed(namespace, public), text=text)

    @operation
    def update(
        self, text: str, namespace: str = "", *, public: bool = False, identifier: str = ""
    ) -> Request[Sequence[Action]]:
        """Replace the ad-hoc actions of `text`, or the one with the id or name `identifier`."""
        address = path("actions", *([identifier] if identifier else []))
        return Request("PUT", address, many(Action, "actions"), _placed(namespace, public), text=text)

    @operation
    def delete(self, identifier: str, namespace: str = "") -> Request[None]:
        """Remove the ad-hoc action with this id, or this name in `namespace`."""
        return _deletion("actions", identifier, namespace)

    @operation
    def validate(self, text: str) -> Request[Verdict]:
        """What is wrong with `text`, which is not stored."""
        return _validation("actions", text)


class CodeSources(Collection[M, CodeSource]):
    """Python texts for dynamic actions."""

    kind = CodeSource
    collection = "code_sources"

    @operation
    def get(self, identifier: str, namespace: str = "", *, fields: Sequence[str] = ()) -> Request[CodeSource]:
        """The code source with this id, or this name in `namespace`."""
        query = given(namespace=namespace) | selected(fields)
        return Request("GET", path("code_sources", identifier), one(CodeSource), query)

    @operation
    def create(
        self, name: str, text: str, namespace: str = "", *, public: bool = False
    ) -> Request[CodeSource]:
        """Store `text` under `name`; `Conflict` if it exists already."""
        query = {"name": name} | _placed(namespace, public)
        return Request("POST", "/code_sources", one(CodeSource), query, text=text)

    @operation
    def update(
        self, identifier: str, text: str, namespace: str = "", *, public: bool = False
    ) -> Request[CodeSource]:
        """Store `text` as the next version of the code source with this id or name."""
        query = given(identifier=identifier, namespace=namespace, scope="public" if public else "")
        return Request("PUT", "/code_sources", one(CodeSource), query, text=text)

    @operation
    def delete(self, identifier: str, namespace: str = "") -> Request[None]:
        """Remove the code source, and the dynamic actions that are built on it."""
        return _deletion("code_sources", identifier, namespace)


class DynamicActions(Collection[M, DynamicAction]):
    """Classes of code sources that tasks can run."""

    kind = DynamicAction
    collection = "dynamic_actions"

    @operation
    def get(
        self, identifier: str, namespace: str = "", *, fields: Sequence[str] = ()
    ) -> Request[DynamicAction]:
        """The dynamic action with this id, or this name in `namespace`."""
        query = given(namespace=namespace) | selected(fields)
        return Request("GET", path("dynamic_actions", identifier), one(DynamicAction), query)

    @operation
    def create(
        self, name: str, class_name: str, code_source: str, namespace: str = "", *, public: bool = False
    ) -> Request[DynamicAction]:
        """Make a class of the code source with this id or name an action."""
        body = {"name": name, "class_name": class_name} | _placed(namespace, public)
        body |= by_identifier("code_source", code_source)
        return Request("POST", "/dynamic_actions", one(DynamicAction), body=body)

    @operation
    def update(
        self,
        identifier: str,
        class_name: str = "",
        code_source: str = "",
        namespace: str = "",
        *,
        public: bool = False,
    ) -> Request[DynamicAction]:
        """Change the dynamic action with this id or name; what is not given stays."""
        body = {"id" if is_uuid(identifier) else "name": identifier}
        body |= given(class_name=class_name, namespace=namespace, scope="public" if public else "")
        body |= by_identifier("code_source", code_source)
        return Request("PUT", "/dynamic_actions", one(DynamicAction), body=body)

    @operation
    def delete(self, identifier: str, namespace: str = "") -> Request[None]:
        """Remove the dynamic action; its code source stays."""
        return _deletion("dynamic_actions", identifier, namespace)
