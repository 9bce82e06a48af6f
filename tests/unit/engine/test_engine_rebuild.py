"""Two ways back to a state: folding the decision records, and loading the rows and rebuilding the rest."""

from __future__ import annotations

import pytest
from harness import World, run
from harness_states import difference, snapshot

from maestrale.engine.events import AlarmDue, Continue
from maestrale.engine.tasks import CHECKPOINT_STEPS


def test_contexts_are_rebuilt_from_lineage() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {x: 1, m: {p: 1}}, on-success: b}
            b: {publish: {x: 2}, on-success: c}
            c: {action: remote, publish: {y: <% $.x %>}, on-success: d}
            d: {action: remote}
    """)
    found.world.restart()
    assert found.inbound("c") == {"x": 2, "m": {"p": 1}}
    assert found.task("c").context is not None
    assert found.task("c").context.version("x") == 2  # type: ignore[union-attr]
    found.finish("c")
    found.world.restart()
    found.finish("d")
    assert found.output == {"x": 2, "m": {"p": 1}, "y": 2}
    found.world.restart()


def test_joins_are_counted_again() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, publish: {a: 1}, on-success: j, on-error: noop}
            b: {action: remote, publish: {b: 1}, on-success: j, on-error: noop}
            c: {action: remote, publish: {c: 1}, on-success: j, on-error: noop}
            far: {action: remote, on-success: near, on-error: noop}
            near: {on-success: j}
            j: {join: 2, action: remote}
    """)
    found.world.restart()
    found.finish("a")
    found.world.restart()
    found.fail("far")
    found.world.restart()
    found.fail("b")
    found.world.restart()
    assert found.task("j").state == "WAITING"
    found.finish("c")
    found.world.restart()
    found.finish("j")
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "c": 1})
    found.world.restart()


def test_a_partial_join_hands_on_late_branches_after_a_load_too() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, publish: {a: 1}, on-success: j}
            b: {action: remote, publish: {b: 1}, on-success: j}
            j: {join: one, action: remote}
    """)
    found.finish("b")
    found.world.restart()
    found.finish("a")
    found.world.restart()
    found.finish("j")
    assert found.output == {"a": 1, "b": 1}


def test_rounds_of_a_join_on_a_cycle() -> None:
    found = run("""
        w:
          output: {n: <% $.n %>}
          tasks:
            init: {publish: {n: 0}, on-success: [a, b]}
            a: {action: remote, on-success: meet}
            b: {action: remote, on-success: meet}
            meet:
              join: all
              publish: {n: <% $.n + 1 %>}
              on-success: [{a: <% $.n < 3 %>}, {b: <% $.n < 3 %>}]
    """)
    for name in "abbaab":
        found.world.restart()
        found.finish(name)
    found.world.restart()
    assert (found.state, found.output) == ("SUCCESS", {"n": 3})


def test_a_failed_join_remembers_who_came() -> None:
    found = run("""
        w:
          output: {a: <% $.a %>, b: <% $.b %>}
          tasks:
            a: {publish: {a: 1}, on-success: j}
            b: {action: remote, publish: {b: 1}, on-success: j}
            j: {join: all}
    """)
    found.fail("b")
    found.world.restart()
    found.rerun("b")
    found.world.restart()
    found.finish("b")
    found.world.restart()
    assert (found.state, found.output) == ("SUCCESS", {"a": 1, "b": 1})


@pytest.mark.parametrize("join", ["all", "2"])
def test_a_join_whose_branch_runs_again(join: str) -> None:
    found = run(f"""
        w:
          tasks:
            a: {{action: remote, on-success: j, on-error: [j, h]}}
            b: {{action: remote, on-success: j, on-error: noop}}
            c: {{action: remote, on-success: j, on-error: noop}}
            h: {{action: std.noop}}
            j: {{join: {join}, action: remote, on-error: noop}}
    """)
    found.fail("a")
    found.world.restart()
    found.rerun("a")
    found.world.restart()


def test_items_in_the_middle() -> None:
    world = World(
        """
        w:
          output: {r: <% $.r %>}
          tasks:
            t:
              with-items: i in <% range(6) %>
              concurrency: 2
              retry: {count: 1, delay: 1}
              action: remote n=<% $.i %>
              publish: {r: <% task().result %>}
        """,
        steps=3,
    )
    found = world.start()
    found.world.restart()
    for item in range(6):
        found.finish("t", "no", "ERROR" if item == 3 else "SUCCESS", item=item)
        found.world.restart()
    assert found.task("t").state == "DELAYED"
    world.advance(1)
    for item in (1, 0, 2, 3, 4, 5):
        found.world.restart()
        found.finish("t", item, item=item)
    assert (found.state, found.output) == ("SUCCESS", {"r": list(range(6))})
    found.world.restart()


def test_items_of_which_some_run_again() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [0, 1, 2, 3]", action: remote, concurrency: 2}
    """)
    for item in range(4):
        found.finish("t", item, "ERROR" if item % 2 == 0 else "SUCCESS", item=item)
    found.world.restart()
    found.rerun("t", reset=False)
    found.world.restart()
    found.finish("t", "a", item=2)
    found.world.restart()
    found.finish("t", "b", item=0)
    found.world.restart()
    assert (found.state, found.result("t")) == ("SUCCESS", ["b", 1, "a", 3])


def test_trees_of_executions() -> None:
    found = run("""
        w:
          tasks:
            t: {with-items: "i in [0, 1]", workflow: sub n=<% $.i %>, on-success: u}
            u: {workflow: sub n=7, retry: {count: 1, delay: 0}}
        sub:
          input: [n]
          tasks: {s: {action: remote n=<% $.n %>}}
    """)
    first, second = found.children("t")
    found.world.restart()
    second.finish("s")
    found.world.restart()
    found.pause()
    found.world.restart()
    found.resume()
    first.finish("s")
    found.world.restart()
    found.child("u").fail("s")
    found.world.restart()
    assert len(found.children("u")) == 2
    found.child("u").fail("s")
    found.world.restart()
    assert found.state == "ERROR"
    found.child("u").rerun("s")
    found.world.restart()
    found.child("u").finish("s")
    assert found.state == "SUCCESS"
    found.world.restart()


@pytest.mark.parametrize(
    "policy",
    ["wait-before: 5", "wait-after: 5", "timeout: 5", "retry: {count: 1, delay: 5}", "pause-before: true"],
)
def test_policies_in_the_middle(policy: str) -> None:
    found = run(f"""
        w:
          tasks:
            a: {{publish: {{a: 1}}, on-success: t}}
            t:
              {policy}
              action: remote a=<% $.a %>
              on-error: noop
    """)
    found.world.restart()
    if found.state == "PAUSED":
        found.resume()
    elif "wait-after" in policy or "retry" in policy:
        found.fail("t")
    found.world.restart()
    found.world.advance(5)
    found.world.restart()
    if found.open_actions("t"):
        found.finish("t")
    assert found.state == "SUCCESS"
    found.world.restart()


def test_an_engine_command_in_the_middle() -> None:
    found = run("""
        w:
          tasks:
            t: {publish: {t: 1}, on-success: [a, pause, b, j]}
            a: {action: remote, on-success: j}
            b: {action: std.noop}
            j: {join: all}
    """)
    found.world.restart()
    found.resume()
    found.world.restart()
    if found.open_actions("a"):
        found.finish("a")
    assert found.state == "SUCCESS"
    found.world.restart()


def test_a_result_that_was_not_kept_stays_away() -> None:
    found = run("""
        w:
          tasks:
            t: {action: std.echo output=1, keep-result: false, on-success: u}
            u: {action: remote, publish: {r: <% task(t).result %>}}
    """)
    found.world.restart()
    found.finish("u")
    assert found.output == {"r": None}


def test_a_long_branch_is_checkpointed_on_its_way() -> None:
    found = run(
        """
        w:
          output: {n: <% $.n %>}
          tasks:
            init: {publish: {n: 0}, on-success: add}
            add:
              publish: {n: <% $.n + 1 %>}
              on-success: [{add: <% $.n < 100 %>}, {end: <% $.n = 100 %>}]
            end: {action: remote}
        """
    )
    marks = [index for index, task in enumerate(found.tasks()) if task.checkpointed]
    assert marks == [32, 64, 96]
    assert marks[0] == CHECKPOINT_STEPS
    found.world.restart()
    assert found.inbound("end") == {"n": 100}
    assert found.tasks("end")[0].context.version("n") == 101  # type: ignore[union-attr]
    found.finish("end")
    found.world.restart()
    assert found.output == {"n": 100}


def test_reverse_workflows_are_rebuilt_too() -> None:
    found = run(
        """
        w:
          type: reverse
          tasks:
            top: {action: remote, requires: [left, right]}
            left: {action: remote, requires: [base], publish: {l: <% $.b %>}}
            right: {action: remote, requires: [base], publish: {r: <% $.b %>}}
            base: {action: remote, publish: {b: 1}}
        """,
        params={"task_name": "top"},
    )
    for name in ("base", "right", "left", "top"):
        found.world.restart()
        found.finish(name)
    found.world.restart()
    assert found.output == {"b": 1, "l": 1, "r": 1}


def test_a_replay_gives_the_same_ids_and_random_values() -> None:
    found = run("""
        w:
          tasks:
            a: {publish: {u: <% uuid() %>, r: <% random() %>}, on-success: [b, c]}
            b: {workflow: sub}
            c: {action: remote}
        sub:
          tasks: {s: {publish: {u: <% uuid() %>}}}
    """)
    found.finish("c")
    for run_id, execution in found.world.executions.items():
        assert snapshot(found.world.replay(run_id)) == snapshot(execution)


def test_a_load_knows_that_a_task_that_waits_after_its_timeout_has_given_up_its_sub_workflow() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: sub, timeout: 1, wait-after: 2, on-error: noop}
        sub:
          tasks: {s: {action: remote}}
    """)
    found.world.advance(1)
    assert (found.task("t").state, found.child("t").state) == ("DELAYED", "CANCELLED")
    found.world.restart()
    found.world.advance(2)
    assert found.task("t").state_info == "Task timed out [timeout(s)=1]."
    assert found.state == "SUCCESS"


@pytest.mark.parametrize("items", ["", 'with-items: "i in [0, 1]", '])
def test_a_load_knows_sub_workflows_that_were_told_to_end_and_have_not_yet(items: str) -> None:
    found = run(
        """
        w: {tasks: {t: {ITEMS workflow: sub, timeout: 3, on-error: noop}}}
        sub: {tasks: {s: {action: remote}}}
    """.replace("ITEMS", items)
    )
    world = found.world
    world.auto = False
    world.now += 3_000_000
    world.send(found.id, AlarmDue())
    open_children = [child.id for _, child in sorted(found.execution.runs[found.task("t").id].open.items())]
    assert open_children == [child.id for child in found.children("t")]
    world.restart()
    world.settle()
    outcomes = found.execution.runs[found.task("t").id].outcomes
    assert [(o.state, o.child_id) for o in outcomes.values()] == [("CANCELLED", key) for key in open_children]


KEEPING = """
    w:
      tasks:
        t: {CALL, EARLY publish: {v: new}, publish-on-skip: {v: new}, on-complete: c, on-skip: noop}
        c: {action: remote, publish: {seen: <% $.get(v) %>}}
    sub:
      tasks: {s: {action: remote}}
"""


@pytest.mark.parametrize("early", ["publish-on-error: {v: old},", ""], ids=["published", "nothing"])
@pytest.mark.parametrize("again", ["rerun", "skip", "rerun below"])
def test_followers_keep_what_they_inherited_though_their_source_publishes_anew(
    early: str, again: str
) -> None:
    call = "workflow: sub" if again == "rerun below" else "action: remote"
    found = run(KEEPING.replace("CALL", call).replace("EARLY", early))
    failing = found.child("t") if again == "rerun below" else found
    failing.fail("s" if again == "rerun below" else "t")
    match again:
        case "rerun":
            found.rerun("t")
            found.finish("t")
        case "skip":
            found.skip("t")
        case _:
            failing.rerun("s")
            failing.finish("s")
    assert found.published("t") == {"v": "new"}
    found.world.restart()
    found.finish("c")
    assert found.tasks("c")[0].published == {"seen": "old" if early else None}


def test_a_replay_is_the_same_across_a_load_of_what_had_ended() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-error: [d, fail], on-success: noop}
            d: {action: remote}
    """)
    found.fail("a")
    found.world.executions[found.id] = found.world.reload(found.id)
    found.rerun("a")
    found.finish("a", 1)
    assert difference(snapshot(found.world.replay(found.id)), snapshot(found.execution)) == []


def test_a_replay_is_the_same_across_a_load_in_the_middle_of_the_queue() -> None:
    world = World(
        """
        w:
          tasks:
            a: {action: "std.fail", retry: {count: 1, delay: 0}, on-error: noop}
            b: {action: remote}
            c: {action: remote}
        """,
        steps=2,
    )
    world.auto = False
    found = world.start()
    while found.execution.ready:
        world.executions[found.id] = world.reload(found.id)
        world.step(found.id, Continue())
    assert difference(snapshot(world.replay(found.id)), snapshot(found.execution)) == []


def test_what_follows_a_failed_join_keeps_what_it_inherited_when_the_join_gets_another_chance() -> None:
    found = run("""
        w:
          tasks:
            a: {action: remote, on-success: meet}
            b: {action: remote, on-success: meet}
            meet: {join: all, publish: {x: good}, publish-on-error: {x: bad}, on-error: h}
            h: {action: remote, publish: {seen: <% $.x %>}}
    """)
    found.finish("a")
    found.fail("b")
    found.rerun("b")
    found.finish("b")
    assert found.task("meet").state == "SUCCESS"
    found.world.restart()
    found.finish("h")
    assert found.task("h").published == {"seen": "bad"}
