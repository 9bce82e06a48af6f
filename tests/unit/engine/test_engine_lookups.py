"""What expressions can ask of the running execution."""

from __future__ import annotations

import uuid

from harness import SECOND, run


def test_the_fields_of_a_task() -> None:
    found = run("""
        w:
          tasks:
            t1:
              action: std.echo output="r1"
              publish:
                t: <% task() %>
              on-success: t2
            t2:
              publish:
                by_name: <% task(t1) %>
                own_name: <% task(t2).state %>
                nobody: <% task(nobody) %>
                later: <% task(t3) %>
              on-success: t3
            t3: {action: std.noop}
    """)
    seen = found.published("t1")["t"]
    task = found.task("t1")
    assert seen == {
        "id": task.id,
        "name": "t1",
        "spec": seen["spec"],
        "state": "SUCCESS",
        "state_info": None,
        "result": "r1",
        "published": {},
        "type": "ACTION",
        "workflow_execution_id": found.id,
        "created_at": "2027-01-15 08:00:00",
        "updated_at": "2027-01-15 08:00:00",
    }
    assert seen["spec"]["action"] == 'std.echo output="r1"'
    other = found.published("t2")
    assert other["by_name"]["published"]["t"] == seen
    assert (other["own_name"], other["nobody"], other["later"]) == ("SUCCESS", None, None)


def test_the_result_in_a_guard_of_a_failed_task() -> None:
    found = run("""
        w:
          tasks:
            t:
              action: std.fail error_data=<% {code => 4} %>
              on-error: [{h: <% task().result.code = 4 and task().state = ERROR %>}]
            h: {action: std.noop}
    """)
    assert found.names == ["t", "h"]


def test_the_fields_of_the_execution() -> None:
    found = run(
        """
        w:
          input: [{a: 1}]
          output: {e: <% execution() %>, id: <% execution().id %>}
          tasks: {t: {action: std.noop}}
        """,
        params={"env": {"e": 1}},
    )
    seen = found.output["e"]
    assert seen["spec"]["tasks"] == {"t": seen["spec"]["tasks"]["t"]}
    assert {key: value for key, value in seen.items() if key != "spec"} == {
        "id": found.id,
        "name": "w",
        "input": {"a": 1},
        "params": {"env": {"e": 1}, "namespace": ""},
        "created_at": "2027-01-15 08:00:00",
        "updated_at": None,
        "root_execution_id": None,
    }


def test_a_child_knows_its_root() -> None:
    found = run("""
        w:
          tasks: {t: {workflow: sub, publish: {r: <% task().result.root %>}}}
        sub:
          output: {root: <% execution().root_execution_id %>}
          tasks: {s: {action: std.noop}}
    """)
    assert found.output == {"r": found.id}


def test_the_tasks_of_this_execution_are_seen_as_they_are_now() -> None:
    found = run("""
        w:
          tasks:
            a: {action: std.fail, on-error: noop}
            b: {action: std.noop}
            c:
              publish:
                all: <% tasks(execution().id).select($.name + ' ' + $.state) %>
                failed: <% tasks(execution().id, false, ERROR).select($.name) %>
    """)
    assert found.published("c") == {"all": ["a ERROR", "b SUCCESS", "c SUCCESS"], "failed": ["a"]}
    assert found.world.answered == []


def test_globals_vars_and_hidden_names() -> None:
    found = run("""
        w:
          input: [{i: 1}]
          vars: {v: 2}
          tasks:
            t:
              on-success: {publish: {global: {g: 3}}, next: u}
            u:
              publish:
                found: [<% global(g) %>, <% global(v) %>, <% global(i) %>, <% global('__execution').id %>]
                hidden: ["{{ _.__execution.id }}", "<% $.get('__task_execution').name %>", "{{ _.__env }}"]
    """)
    assert found.published("u") == {
        "found": [3, 2, None, found.id],
        "hidden": [found.id, "u", {}],
    }


def test_now_and_random_values() -> None:
    found = run("""
        w:
          tasks:
            t:
              wait-before: 90
              publish: {u: <% uuid() %>, r: <% random() %>, n: <% now().format("%H:%M:%S") %>}
    """)
    found.world.advance(90)
    seen = found.published("t")
    assert uuid.UUID(seen["u"]).version == 4
    assert 0 <= seen["r"] < 1
    assert seen["n"] == "08:01:30"
    assert found.task("t").finished_at == found.world.now
    assert found.task("t").created_at == found.world.now - 90 * SECOND
