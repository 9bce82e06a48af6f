"""Sub-workflows: starting them, their results and errors, and what travels up and down the tree."""

from __future__ import annotations

import pytest
from harness import World, run
from tree_examples import PAIR, pair

from maestrale.engine.effects import StartSubWorkflow
from maestrale.engine.events import ChildRerun, SubWorkflowFinished, SubWorkflowUpdated
from maestrale.engine.needs import FindWorkflow
from maestrale.model.errors import MaestraleError

# -- starting, results


@pytest.mark.covers("dsl.task.workflow")
def test_the_output_of_a_sub_workflow_is_the_result_of_its_task() -> None:
    found = run("""
        w:
          output: {a: <% $.a %>, b: <% $.b %>}
          tasks:
            t1: {workflow: sub x=1, publish: {a: <% task().result.sum %>}, on-success: t2}
            t2: {workflow: sub, input: {x: 1, y: <% $.a %>}, publish: {b: <% task().result %>}}
        sub:
          input: [x, {y: 10}]
          output: {sum: <% $.x + $.y %>}
          tasks: {s1: {action: std.noop}}
    """)
    assert (found.state, found.output) == ("SUCCESS", {"a": 11, "b": {"sum": 12}})
    child = found.child("t1")
    assert found.task("t1").type == "WORKFLOW"
    assert child.workflow.parent_id == child.workflow.root_id == found.id
    assert child.workflow.parent_task_id == found.task("t1").id
    assert child.workflow.item_index is None
    assert child.workflow.input == {"x": 1, "y": 10}
    assert found.actions("t1") == []


def test_a_task_says_which_sub_workflow_it_waits_for() -> None:
    found = pair()
    assert found.task("t").cause == {"kind": "sub-workflow", "id": found.child("t").id}
    assert found.state == "RUNNING"


def test_a_sub_workflow_without_output_returns_its_context() -> None:
    found = run("""
        w:
          tasks: {t1: {workflow: sub, publish: {r: <% task().result %>}}}
        sub:
          tasks:
            s1: {publish: {p: 1}, on-success: s2}
            s2: {publish: {q: 2}}
    """)
    assert found.output == {"r": {"p": 1, "q": 2}}


@pytest.mark.covers("dsl.task.workflow.dynamic_name")
def test_name_and_input_may_be_expressions() -> None:
    found = run(
        """
        w:
          input: [choice, args]
          tasks:
            t1: {workflow: <% $.choice %>, input: <% $.args %>, publish: {said: <% task().result.said %>}}
        hello:
          input: [who]
          output: {said: "hello <% $.who %>"}
          tasks: {s: {action: std.noop}}
        bye:
          input: [who]
          output: {said: "bye <% $.who %>"}
          tasks: {s: {action: std.noop}}
        """,
        input={"choice": "bye", "args": {"who": "Bob"}},
    )
    assert found.output == {"said": "bye Bob"}


def test_surplus_input_becomes_a_start_parameter() -> None:
    found = run(
        """
        w:
          tasks: {t1: {workflow: sub need=1 extra=2, publish: {p: <% task().result %>}}}
        sub:
          input: [need]
          output: {extra: <% execution().params.get(extra) %>, inp: <% execution().input %>}
          tasks: {s: {action: std.noop}}
        """,
        params={"notify": [{"type": "noop"}]},
        namespace="ns",
    )
    assert found.output == {"p": {"extra": 2, "inp": {"need": 1}}}
    assert found.child("t1").workflow.params == {
        "extra": 2,
        "root_execution_id": found.id,
        "task_execution_id": found.task("t1").id,
        "index": 0,
        "namespace": "ns",
        "env": {},
        "notify": [{"type": "noop"}],
    }


def test_a_reverse_sub_workflow_gets_its_target_by_input() -> None:
    found = run("""
        w:
          tasks: {t: {workflow: sub task_name="b", publish: {r: <% task().result %>}}}
        sub:
          type: reverse
          tasks:
            a: {publish: {a: 1}}
            b: {requires: [a], publish: {b: <% $.a + 1 %>}}
            c: {action: std.fail}
    """)
    assert found.output == {"r": {"a": 1, "b": 2}}


def test_a_workflow_of_the_same_workbook_is_found_first() -> None:
    world = World("""
        book.w:
          tasks: {t: {workflow: sub, publish: {r: <% task().result.from %>}}}
        book.sub:
          output: {from: book}
          tasks: {s: {action: std.noop}}
        sub:
          output: {from: outside}
          tasks: {s: {action: std.noop}}
    """)
    assert world.start(workbook="book", project_id="p", namespace="n").output == {"r": "book"}
    assert world.answered == [FindWorkflow("sub", "n", "p", "book")]
    assert world.start().output == {"r": "outside"}


def test_the_child_belongs_to_whom_the_parent_belongs() -> None:
    found = World(PAIR.replace("MORE", "description: x")).start(
        project_id="p", scope="public", security_context="trust-1"
    )
    child = found.child("t").workflow
    assert (child.project_id, child.scope, child.security_context) == ("p", "public", "trust-1")
    assert (child.workflow_id, child.definition_hash) == ("id-sub", "hash-sub")


def test_a_workflow_may_call_itself() -> None:
    found = run(
        """
        fact:
          input: [n]
          output: {f: <% $.f %>}
          tasks:
            check: {on-success: [{base: <% $.n <= 1 %>}, {step: <% $.n > 1 %>}]}
            base: {publish: {f: 1}}
            step: {workflow: fact n=<% $.n - 1 %>, publish: {f: <% task().result.f * $.n %>}}
        """,
        input={"n": 5},
    )
    assert found.output == {"f": 120}
    assert len(found.world.executions) == 5
    deepest = found.world.executions[list(found.world.executions)[-1]].workflow
    assert deepest is not None
    assert deepest.root_id == found.id


# -- errors


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("missing", "Failed to find workflow [name=missing, namespace=]"),
        ("sub", "Invalid input [name=sub, class=DirectWorkflowSpec, missing=['need', 'more']]"),
        ("turned need=1", "Invalid input [name=turned, class=ReverseWorkflowSpec, missing=['more']]"),
    ],
)
def test_what_cannot_be_started_is_an_ordinary_error_of_the_task(call: str, message: str) -> None:
    found = run(f"""
        w:
          output: {{s: <% $.s %>}}
          tasks:
            t1: {{workflow: {call}, on-error: t2, retry: {{count: 1, delay: 0}}}}
            t2: {{publish: {{s: <% task(t1).state_info %>}}}}
        sub:
          input: [need, {{given: 1}}, more]
          tasks: {{s: {{action: std.noop}}}}
        turned:
          type: reverse
          input: [need, more]
          tasks: {{s: {{action: std.noop}}}}
    """)
    assert (found.state, found.output) == ("SUCCESS", {"s": message})
    assert found.result("t1") == []
    assert found.children("t1") == []


def test_the_error_of_a_sub_workflow_is_the_error_of_its_task() -> None:
    found = pair()
    child = found.child("t")
    child.fail("s", "deep")
    assert (child.state, found.state, found.task("t").state) == ("ERROR", "ERROR", "ERROR")
    assert found.task("t").state_info == child.info
    assert child.info.startswith("Failure caused by error in tasks: s\n")
    assert found.result("t") == {"result": child.info}
    assert found.info.startswith("Failure caused by error in tasks: t\n")
    assert f"    [wf_ex_id={child.id}, idx=0]: " in found.info


def test_an_error_without_words_is_named_by_its_execution() -> None:
    found = run("""
        w:
          tasks: {t: {workflow: sub}}
        sub:
          tasks: {s: {on-success: fail}}
    """)
    assert found.task("t").state_info == f"Failed subworkflow [execution_id={found.child('t').id}]"


def test_a_cancelled_sub_workflow_cancels_its_task() -> None:
    found = pair("on-error: after")
    found.child("t").stop("CANCELLED")
    child = found.child("t")
    assert found.task("t").state == "CANCELLED"
    assert found.task("t").state_info == f"Cancelled subworkflow [execution_id={child.id}]"
    assert (found.state, found.info) == ("CANCELLED", "Cancelled tasks: t")
    assert found.states == {"t": "CANCELLED"}


def test_a_sub_workflow_whose_start_is_wrong_ends_in_error_and_says_why() -> None:
    found = run("""
        w:
          tasks:
            t: {workflow: bad_vars, on-error: noop}
            u: {workflow: no_target, on-error: noop}
            v: {workflow: good, input: {env: 7}, on-error: noop}
        bad_vars:
          vars: {v: <% $.nope %>}
          tasks: {s: {action: std.noop}}
        no_target:
          type: reverse
          tasks: {s: {action: std.noop}}
        good:
          tasks: {s: {action: std.noop}}
    """)
    assert found.state == "SUCCESS"
    assert "at 'vars.v' of workflow 'bad_vars'" in (found.task("t").state_info or "")
    assert (found.task("u").state_info or "").startswith(
        "Invalid task name [wf_spec=no_target, task_name=None]"
    )
    assert found.child("t").state == found.child("u").state == "ERROR"
    assert found.task("v").state == "SUCCESS"


# -- the environment


@pytest.mark.covers("eng.subworkflow.env")
def test_children_see_the_environment_of_the_root() -> None:
    found = run(
        """
        w:
          tasks: {t: {workflow: sub, publish: {e: <% task().result.e %>}}}
        sub:
          output: {e: <% env() %>}
          tasks: {s: {action: std.noop}}
        """,
        params={"env": {"k": "<% 1 + 1 %>"}},
    )
    assert found.output == {"e": {"k": 2}}


def test_action_defaults_of_the_environment_hold_in_the_whole_tree() -> None:
    found = run(
        """
        w:
          tasks:
            own: {action: remote b=3}
            t: {workflow: sub}
        sub:
          tasks: {s: {action: remote}}
        """,
        params={"env": {"__actions": {"remote": {"a": 1, "b": 2}}}},
    )
    assert found.actions("own")[0].input == {"a": 1, "b": 3}
    assert found.child("t").actions("s")[0].input == {"a": 1, "b": 2}


# -- stale news


def test_news_of_tasks_and_children_that_do_not_wait_is_ignored() -> None:
    found = pair()
    child = found.child("t")
    child.finish("s", 1)
    before = dict(found.execution.tasks)
    task = found.task("t").id
    for event in (
        SubWorkflowFinished("nobody", child.id, "SUCCESS"),
        SubWorkflowFinished(task, child.id, "ERROR"),
        SubWorkflowUpdated("nobody", child.id, "PAUSED"),
        SubWorkflowUpdated(task, child.id, "PAUSED"),
        ChildRerun("nobody", child.id),
        ChildRerun(task, "nobody"),
    ):
        found.send(event)
    assert (found.state, found.execution.tasks) == ("SUCCESS", before)


def test_a_child_that_is_over_refuses_a_pause_and_the_parent_pauses_all_the_same() -> None:
    world = World(PAIR.replace("MORE", "description: x"))
    found = world.start()
    child = found.child("t")
    world.auto = False
    child.finish("s", 1)
    found.pause()
    world.settle()
    assert (child.state, found.state, found.task("t").state) == ("SUCCESS", "PAUSED", "SUCCESS")
    found.resume()
    world.settle()
    assert (found.state, found.output) == ("SUCCESS", {"r": {"v": 1}})


def test_a_paused_child_that_is_cancelled_frees_its_task() -> None:
    found = pair()
    child = found.child("t")
    child.pause()
    child.stop("CANCELLED")
    assert (child.state, found.task("t").state) == ("CANCELLED", "CANCELLED")
    assert found.state == "PAUSED"
    found.resume()
    assert found.state == "CANCELLED"


def test_the_start_of_a_child_leaves_only_after_the_commit() -> None:
    world = World(PAIR.replace("MORE", "description: x"))
    world.auto = False
    found = world.start()
    starts = [effect for _, effect in world.effects if isinstance(effect, StartSubWorkflow)]
    assert [start.execution_id for start in starts] == [found.child("t").id]
    assert found.child("t").names == ["s"]
    assert found.child("t").actions("s") == []


def test_a_missing_parameter_refuses_a_root_but_a_child_is_never_asked_for_it() -> None:
    world = World("""
        sub:
          input: [need]
          tasks: {s: {action: std.noop}}
    """)
    with pytest.raises(MaestraleError, match="missing"):
        world.start()
