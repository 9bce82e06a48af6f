"""The pages in a real browser: live, with the keyboard alone, without JavaScript, and to be seen."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from browsing import PATIENCE, Site, contrast, read_png, site, spots
from callers import ALICE, token_file
from playwright.sync_api import expect

from maestrale.config import ServerSettings

Opened = Callable[..., Any]

NAME: Final = """() => {
  const it = document.activeElement;
  const label = it.labels && it.labels.length ? it.labels[0].innerText : "";
  const name = it.getAttribute("aria-label") || label || it.innerText || "";
  return [it.tagName.toLowerCase(), name, it.id || ""];
}"""
COLOURS: Final = """() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const found = [];
  const ground = element => {
    for (let outer = element; outer; outer = outer.parentElement) {
      const colour = numbers(getComputedStyle(outer).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.nodeValue.trim() || !element.getClientRects().length) continue;
    if (element.closest("defs, title, option, .unseen, .skip")) continue;
    const style = getComputedStyle(element);
    const svg = element.ownerSVGElement;
    const card = svg && element.parentElement.querySelector("rect");
    const behind = card ? numbers(getComputedStyle(card).fill) : ground(svg || element);
    found.push([walker.currentNode.nodeValue.trim(), numbers(svg ? style.fill : style.color), behind]);
  }
  return found;
}"""


def box(page: Any, name: str, state: str) -> Any:
    return page.locator(f'#picture [aria-label="{name}: {state}"]')


def test_changes_show_without_a_reload(server: Site, opened: Opened) -> None:
    """States, graph and words follow; what the reader has opened and where he is stays."""
    execution_id = server.start("shown")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    page.evaluate("window.sameDocument = true")
    page.get_by_text("Parameters").click()
    asked = box(page, "ask", "RUNNING")
    asked.focus()
    lasting = page.locator("#top [data-since]")
    expect(lasting).not_to_have_text(lasting.inner_text(), timeout=PATIENCE)
    server.finish(execution_id, "ask")
    box(page, "ask", "SUCCESS").wait_for()
    box(page, "last", "WAITING").wait_for()
    assert "ask is SUCCESS" in page.locator("#said").inner_text()
    assert page.evaluate(NAME)[1] == "ask: SUCCESS"
    assert page.locator("#params[open]").count() == 1
    server.finish(execution_id, "other")
    box(page, "last", "RUNNING").wait_for()
    assert page.locator("#time tbody tr").count() == 4
    server.finish(execution_id, "last")
    page.get_by_text("It is over.").wait_for()
    assert page.locator("h1").inner_text().split() == ["shown", "SUCCESS"]
    assert page.title() == "shown: SUCCESS – Maestrale"
    assert page.locator("#why").count() == 0
    assert page.evaluate("window.sameDocument")


@pytest.mark.slow
def test_a_change_shows_within_a_second(server: Site, opened: Opened) -> None:
    execution_id = server.start("shown")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    server.finish(execution_id, "ask")
    box(page, "ask", "SUCCESS").wait_for(timeout=1000)


def test_with_the_keyboard_alone(server: Site, opened: Opened) -> None:
    """Everything that can be used has a name, can be reached, and shows where one is."""
    execution_id = server.start("shown")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    page.keyboard.press("Tab")
    assert page.evaluate(NAME)[1] == "Skip to the content"
    assert page.locator(".skip").bounding_box()["y"] >= 0
    names = []
    for _ in range(60):
        page.keyboard.press("Tab")
        tag, name, _ = page.evaluate(NAME)
        if tag == "body":
            break
        assert name.strip(), tag
        names.append(name.strip())
    for wanted in (
        "Maestrale",
        "Show the whole graph",
        "check: SUCCESS",
        "mend: not started",
        "ask",
        "Parameters",
    ):
        assert wanted in names
    assert names.index("ask: RUNNING") < names.index("other")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate(NAME)[2] == "content"
    box(page, "check", "SUCCESS").focus()
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Task check").wait_for()
    assert "JD0146" in page.locator("#task").inner_text()
    assert page.url.endswith("#task")


@pytest.mark.slow
def test_a_page_that_nobody_looks_at_gives_its_connection_back(server: Site, opened: Opened) -> None:
    """And catches up when somebody does."""
    execution_id = server.start("shown")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    hide = """hidden => {
      Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, True)
    server.finish(execution_id, "ask")
    page.wait_for_timeout(500)
    assert box(page, "ask", "RUNNING").count() == 1
    page.evaluate(hide, False)
    box(page, "ask", "SUCCESS").wait_for()


@pytest.mark.slow
def test_nothing_is_counted_after_the_end(server: Site, opened: Opened) -> None:
    execution_id = server.start("shown")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    server("PUT", f"/executions/{execution_id}", json={"state": "CANCELLED"})
    page.get_by_text("It is over.").wait_for()
    assert page.locator("[data-since]").count() == 0


def test_headings_and_regions_have_names(server: Site, opened: Opened) -> None:
    page = opened()
    page.goto(f"{server.base}/executions/{server.start('failing')}")
    tree = page.locator("body").aria_snapshot()
    for line in (
        '- link "Skip to the content"', '- navigation "Main"', '- heading "failing ERROR" [level=1]',
        '- heading "Graph" [level=2]', '- heading "Tasks" [level=2]', '- heading "Timeline" [level=2]',
        '- region "Why it ended so"', '- list "Tasks, to be scrolled"', '- group "Graph of the workflow"',
        'link "t: ERROR"', '- columnheader "Triggered by"', "- status: It is over.",
    ):  # fmt: skip
        assert line in tree, tree
    assert page.locator("html").get_attribute("lang") == "en"


def test_without_javascript(server: Site, opened: Opened) -> None:
    """A page as it was, with a link to see it anew; tasks open by links as well."""
    execution_id = server.start("shown")
    page = opened(java_script_enabled=False)
    page.goto(f"{server.base}/executions/{execution_id}")
    assert "As it was at" in page.locator("#live").inner_text()
    server.finish(execution_id, "ask")
    page.get_by_role("link", name="Reload").click()
    box(page, "ask", "SUCCESS").click()
    assert "Task ask" in page.locator("#task-title").inner_text()


@pytest.mark.slow
def test_down_into_a_sub_workflow_and_up(server: Site, opened: Opened) -> None:
    page = opened()
    page.goto(f"{server.base}/executions/{server.start('calling')}")
    page.get_by_role("link", name="Sub-workflow of call").click()
    page.get_by_role("heading", name="failing").wait_for()
    page.get_by_role("link", name="calling, task call").click()
    page.get_by_role("heading", name="calling").wait_for()


@pytest.mark.slow
def test_the_list_leads_to_it(server: Site, opened: Opened) -> None:
    server.start("failing")
    page = opened()
    page.goto(f"{server.base}/")
    page.get_by_role("link", name="See what your workflows do").click()
    page.get_by_label("State").select_option("ERROR")
    page.get_by_label("Workflow", exact=True).fill("fail")
    page.get_by_role("button", name="Show").click()
    assert "state=ERROR" in page.url
    page.get_by_role("link", name="failing").first.click()
    page.get_by_role("heading", name="failing").wait_for()


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_texts_can_be_read(server: Site, opened: Opened, scheme: str) -> None:
    """Every text that is shown stands out from what is behind it, by 4.5 to 1."""
    execution_id = server.start("shown")
    server.finish(execution_id, "ask", "ERROR")
    page = opened(color_scheme=scheme, reduced_motion="reduce")
    for path in (f"/{execution_id}?task={server.tasks(execution_id)['ask']}", ""):
        page.goto(f"{server.base}/executions{path}")
        found = page.evaluate(COLOURS)
        assert len(found) > 15
        weak = [entry for entry in found if contrast(tuple(entry[1]), tuple(entry[2])) < 4.5]
        assert weak == []


def test_boxes_are_where_the_picture_has_them(server: Site, opened: Opened) -> None:
    """Pixels of a screenshot: the side of a box in the colour of its state, nothing where nothing is."""
    execution_id = server.start("shown")
    page = opened(reduced_motion="reduce")
    page.goto(f"{server.base}/executions/{execution_id}")
    canvas = page.locator(".canvas").bounding_box()
    folder = Path(".test")
    folder.mkdir(exist_ok=True)
    page.screenshot(path=folder / "live-page.png", full_page=True)
    frames = {
        name: box(page, name, state).locator("rect").bounding_box()
        for name, state in (("check", "SUCCESS"), ("ask", "RUNNING"))
    }
    left = min(frame["x"] for frame in frames.values()) - 10
    clip = {"x": left, "y": canvas["y"], "width": 240, "height": 200}
    image = read_png(page.screenshot(clip=clip))

    def at(x: float, y: float) -> tuple[int, ...]:
        return image.at(x - clip["x"], y - clip["y"])

    ground = at(left + 2, canvas["y"] + 4)
    for name, state in (("check", "SUCCESS"), ("ask", "RUNNING")):
        frame = frames[name]
        colour = box(page, name, state).locator(".side").evaluate("e => getComputedStyle(e).fill")
        wanted = tuple(int(part) for part in colour[4:-1].split(","))
        assert at(frame["x"] + 3, frame["y"] + frame["height"] / 2) == wanted, name
        texts = {**frame, "width": 100}
        assert sum(at(*spot) != ground for spot in spots(texts)) > 10, name
    check = frames["check"]
    above = {"x": check["x"], "y": check["y"] - 16, "width": 100, "height": 14}
    assert all(at(*spot) == ground for spot in spots(above, 3))


@pytest.mark.slow
def test_nothing_moves_for_who_does_not_want_it(server: Site, opened: Opened) -> None:
    execution_id = server.start("shown")
    moving = "e => getComputedStyle(e).animationName"
    for wish, name in (("reduce", "none"), ("no-preference", "breathe")):
        page = opened(reduced_motion=wish)
        page.goto(f"{server.base}/executions/{execution_id}")
        assert box(page, "ask", "RUNNING").locator(".side").evaluate(moving) == name


def test_the_graph_can_be_made_smaller(server: Site, opened: Opened) -> None:
    """Also while it changes."""
    execution_id = server.start("shown")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    full = page.locator("#picture").bounding_box()["width"]
    page.get_by_role("button", name="Make the graph smaller").click()
    smaller = page.locator("#picture").bounding_box()["width"]
    assert smaller < full * 0.85
    server.finish(execution_id, "ask")
    box(page, "ask", "SUCCESS").wait_for()
    assert page.locator("#picture").bounding_box()["width"] == smaller
    page.get_by_role("button", name="Show the whole graph").click()
    canvas = page.locator(".canvas").bounding_box()
    assert page.locator("#picture").bounding_box()["height"] <= canvas["height"]


def test_what_strangers_write_does_nothing(server: Site, opened: Opened) -> None:
    """The fixture hears of every dialog, and of everything that the browser refuses to run."""
    hostile = "\"'><img src=x onerror=alert(1)><script>alert(2)</script></title></svg>"
    tasks = {name: {"action": "std.async_noop"} for name in (hostile, "t")}
    server("POST", "/workflows", content=json.dumps({"version": "2.0", "hostile": {"tasks": tasks}}))
    execution_id = server.start("hostile", description=hostile)
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    server.finish(execution_id, hostile, "ERROR")
    page.locator("#said", has_text="ERROR").wait_for(state="attached")
    assert hostile in page.locator("#said").inner_text()
    assert page.locator("img").count() == 0


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server that wants to know who asks."""
    folder = tmp_path_factory.mktemp("private")
    settings = ServerSettings(auth=f"tokens:{token_file(folder)}")
    with site(f"sqlite:///{folder}/private.db", settings, ALICE) as found:
        found("POST", "/workflows", content="version: '2.0'\nkept:\n  tasks: {t: {action: std.async_noop}}\n")
        yield found


def test_signing_in_and_out(private: Site, browser: Any) -> None:
    """The page that was asked for comes after it, with live changes; scripts do not see the cookie."""
    execution_id = private.start("kept")
    context = browser.new_context()
    page = context.new_page()
    assert page.goto(f"{private.base}/executions/{execution_id}").status == 401
    page.get_by_label("Token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").wait_for()
    page.get_by_label("Token").fill(ALICE)
    page.keyboard.press("Enter")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    assert page.url == f"{private.base}/executions/{execution_id}"
    assert page.evaluate("document.cookie") == ""
    (kept,) = context.cookies()
    assert (kept["httpOnly"], kept["sameSite"], kept["expires"]) == (True, "Strict", -1)
    private.finish(execution_id, "t")
    page.get_by_text("It is over.").wait_for()
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert context.cookies() == []
    assert page.goto(f"{private.base}/executions/{execution_id}").status == 401
    context.close()


@pytest.mark.slow
def test_five_hundred_tasks_in_a_browser(server: Site, opened: Opened) -> None:
    """A net of tasks opens and follows changes within seconds."""
    tasks: dict[str, Any] = {f"t{number}": {"action": "std.noop"} for number in range(500)}
    for number in range(1, 500):
        tasks[f"t{number // 2}"].setdefault("on-success", []).append(f"t{number}")
    tasks["t0"]["action"] = "std.async_noop"
    server("POST", "/workflows", content=json.dumps({"version": "2.0", "net": {"tasks": tasks}}))
    execution_id = server.start("net")
    page = opened()
    page.goto(f"{server.base}/executions/{execution_id}")
    page.get_by_text("Live: changes show by themselves.").wait_for()
    server.finish(execution_id, "t0")
    page.get_by_text("It is over.").wait_for()
    assert page.locator("#picture .box.s-success").count() == 500
