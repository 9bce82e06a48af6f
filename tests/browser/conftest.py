"""Fixtures: a browser, pages in it, and a server with something to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browsing import CHROMIUM, PATIENCE, Site, site
from playwright.sync_api import sync_playwright

TEXT = """version: '2.0'
shown:
  tasks:
    check: {action: std.noop, publish: {parcel: JD0146}, on-success: [ask, other]}
    ask: {action: std.async_noop, on-success: last, on-error: mend}
    other: {action: std.async_noop, on-success: last}
    mend: {action: std.noop, on-complete: last}
    last: {join: 2, action: std.async_noop, on-error: [ask, fail]}
failing:
  tasks:
    t: {action: std.fail error_data="out of cheese"}
calling:
  tasks:
    call: {workflow: failing}
"""


def pytest_report_header() -> str:
    """Said with the first lines of a run."""
    return f"browser: {CHROMIUM or 'none, so tests/browser is left out (Debian: apt-get install chromium)'}"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser. It goes with the module: as long as it runs, no test can have an event loop of its own."""
    if CHROMIUM is None:
        pytest.skip("there is no chromium: these tests need a browser")
    with sync_playwright() as running:
        # Its own sandbox does not work for root, as in containers; it sees pages of this test only.
        launched = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Any) -> Iterator[Callable[..., Any]]:
    """Opens a new window: `opened(color_scheme="dark")`. What a browser complains of is an error."""
    complaints: list[str] = []
    contexts = []

    def open_window(**options: Any) -> Any:
        context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
        return page

    yield open_window
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that trusts everybody."""
    with site(f"sqlite:///{tmp_path_factory.mktemp('browser')}/browser.db") as found:
        found("POST", "/workflows", content=TEXT)
        yield found
