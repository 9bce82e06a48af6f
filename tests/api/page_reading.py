"""Pages as a program sees them: elements with their attributes and texts."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Final

import httpx

VOID: Final = frozenset({"meta", "link", "input", "br", "hr", "img"})
HTML: Final = {"Accept": "text/html"}


class Element:
    """An element and everything in it."""

    def __init__(self, tag: str, attributes: dict[str, str]) -> None:
        self.tag = tag
        self.attributes = attributes
        self.texts: list[str] = []
        self.below: list[Element] = []

    @property
    def text(self) -> str:
        """All text in it, on one line."""
        return " ".join(" ".join(self.texts).split())


class Page(HTMLParser):
    """The elements of a page, in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(text)
        self.close()
        assert not self._open, f"never closed: {[element.tag for element in self._open]}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), f"an attribute twice in <{tag}>: {names}"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        for outer in self._open:
            outer.below.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        element = self._open.pop()
        assert element.tag == tag, f"<{element.tag}> is closed by </{tag}>"

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def all(self, tag: str, **attributes: str) -> list[Element]:
        """Elements with this tag, and with attributes that have these values."""
        return [
            element
            for element in self.elements
            if element.tag == tag
            and all(element.attributes.get(name.strip("_")) == value for name, value in attributes.items())
        ]

    def one(self, tag: str, **attributes: str) -> Element:
        """The only such element."""
        found = self.all(tag, **attributes)
        assert len(found) == 1, (tag, attributes, len(found))
        return found[0]

    def by_id(self, identifier: str) -> Element:
        """The element with this id."""
        (found,) = [element for element in self.elements if element.attributes.get("id") == identifier]
        return found


def page_of(answer: httpx.Response, status: int = 200) -> Page:
    """A page that must be well-formed and as safe as all are."""
    assert answer.status_code == status, answer.text[:300]
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "script-src 'self'" in answer.headers["content-security-policy"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "unsafe" not in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    page = Page(answer.text)
    ids = [element.attributes["id"] for element in page.elements if "id" in element.attributes]
    assert len(set(ids)) == len(ids), f"an id twice: {sorted(i for i in ids if ids.count(i) > 1)}"
    for element in page.elements:
        assert not [name for name in element.attributes if name.startswith("on") or name == "style"], (
            element.tag
        )
        assert element.tag != "style"
        if element.tag == "script":
            assert "/static/" in element.attributes["src"]
            assert not element.text
        for name in ("href", "src", "action"):
            assert element.attributes.get(name, "/")[0] in "/?#", element.attributes
    return page
