"""What is read from the text of a code source."""

from __future__ import annotations

import pytest

from maestrale.actions.code_sources import read_classes
from maestrale.model.actions import Signature


@pytest.mark.parametrize(
    ("text", "input_", "signature"),
    [
        ("class A:\n def run(self): 0", "", Signature()),
        ("class A:\n def __init__(self, a, b=1, *, c, d={'x': [None]}): 0\n def run(self): 0",
         'a, b=1, c, d={"x": [null]}', Signature(("a", "c"), ("b", "d"))),
        ("class A:\n def __init__(self, a, b=f()): 0\n def run(self): 0", "a, b", Signature(("a",), ("b",))),
        ("class A:\n def __init__(self, **more): 0\n def run(self): 0", "**kwargs",
         Signature(takes_any=True)),
        ("from mistral_lib import actions\nclass A(actions.Action):\n def run(self, context): 0", "",
         Signature()),
        ("class B:\n def __init__(self, a): 0\n def run(self): 0\nclass A(B): pass", "a", Signature(("a",))),
        ("import x\nclass A(x.Base):\n def run(self): 0", "**kwargs", Signature(takes_any=True)),
        ("import x\nclass A(x.Base): pass", "**kwargs", Signature(takes_any=True)),
        ("class A:\n async def run(self): 0", "", Signature()),
        ("class A:\n def run(self): 0\n def is_sync(self):\n  'd'\n  return False", "",
         Signature(waits_outside=True)),
        ("class A:\n def run(self): 0\n def is_sync(self): return True", "", Signature()),
        ("class A:\n def run(self): 0\n def is_sync(self): return not 1", "", Signature()),
    ],
)  # fmt: skip
def test_signatures(text: str, input_: str, signature: Signature) -> None:
    found = read_classes(text)["A"]
    assert (found.input, found.signature) == (input_, signature)


def test_the_description_is_the_docstring() -> None:
    text = 'class A:\n    """One.\n\n    two\n    """\n\n    def run(self): 0'
    assert read_classes(text)["A"].description == "One.\n\ntwo"


@pytest.mark.parametrize(
    "text",
    [
        "class A: pass",
        "class A(A): pass",
        "class A(B): pass\nclass B(A): pass",
        "def f():\n class A:\n  def run(self): 0",
        "class A(object):\n x = 1",
    ],
)
def test_texts_without_actions(text: str) -> None:
    assert read_classes(text) == {}


def test_nothing_is_run() -> None:
    assert "A" in read_classes("raise SystemExit\nclass A:\n def run(self): 0")
