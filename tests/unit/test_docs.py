"""The documentation is complete, and what it points at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
INDEX = (DOCS / "README.md").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)\s#]+)(?:#[^)]*)?\)")
TEXTS = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *(ROOT / "examples").glob("*.md")])


def test_the_index_names_every_text_once_and_decisions_in_their_order() -> None:
    linked = [link for link in LINK.findall(INDEX) if not link.startswith("..")]
    texts = [file.name for file in DOCS.glob("*.md") if file.name != "README.md"]
    decisions = sorted(f"decisions/{file.name}" for file in (DOCS / "decisions").glob("*.md"))
    assert sorted(link for link in linked if "/" not in link) == sorted(texts)
    assert [link for link in linked if "/" in link] == decisions


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: str(text.relative_to(ROOT)))
def test_links_lead_somewhere(text: Path) -> None:
    for link in LINK.findall(text.read_text(encoding="utf-8")):
        if "://" not in link and not link.startswith("mailto:"):
            assert (text.parent / link).exists(), link
