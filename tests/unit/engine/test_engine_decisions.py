"""Decisions as such: bounds, needs, refusals, time, several events in one draft."""

from __future__ import annotations

import pytest
from harness import SECOND, START, World
from harness_actions import Catalogue
from harness_states import snapshot

from maestrale.engine.decide import decide
from maestrale.engine.decision import Limits, Need
from maestrale.engine.draft import Draft
from maestrale.engine.events import (
    ActionFinished,
    AlarmDue,
    Continue,
    Described,
    PauseRequested,
    RerunRequested,
    ResumeRequested,
    Started,
    StopRequested,
)
from maestrale.engine.execution import Execution
from maestrale.engine.needs import FindExecutions, FindTasks, FindWorkflow
from maestrale.model.errors import InvalidState, MaestraleError

CHAIN = """
    w:
      input: [{limit: 50}]
      output: {n: <% $.n %>}
      tasks:
        init: {publish: {n: 0}, on-success: add}
        add:
          publish: {n: <% $.n + 1 %>}
          on-success: [{add: <% $.n < $.limit %>}]
"""


def test_an_endless_cycle_takes_its_turns_and_can_be_paused() -> None:
    world = World(CHAIN.replace("<% $.n < $.limit %>", "<% true %>"), steps=20)
    world.auto = False
    found = world.start()
    for turn in range(1, 6):
        assert found.execution.ready
        assert len(found.tasks()) <= 20 * turn
        world.step(found.id, Continue())
    found.pause()
    world.settle()
    begun = len(found.tasks())
    assert found.state == "PAUSED"
    assert found.tasks()[-1].state == "IDLE"
    found.resume()
    assert len(found.tasks()) > begun
    found.stop("CANCELLED")
    world.settle()
    assert (found.state, list(found.execution.ready)) == ("CANCELLED", [])


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 200])
def test_the_bound_changes_nothing_but_the_number_of_decisions(steps: int) -> None:
    world = World(CHAIN, steps=steps)
    found = world.start(input={"limit": 10})
    assert found.output == {"n": 10}
    assert found.names == ["init", *["add"] * 10]
    world.check_replay_and_reload()


def test_a_start_without_steps_only_creates_the_first_tasks() -> None:
    world = World("""
        w:
          tasks:
            a: {action: std.noop}
            b: {action: std.noop, pause-before: true}
    """)
    world.begin("x", Started(workflow_name="w", definition_hash="h"), world.nothing)
    execution = world.executions["x"]
    assert [task.state for task in execution.tasks.values()] == ["IDLE", "IDLE"]
    assert list(execution.ready) == list(execution.tasks)
    world.settle()
    assert {task.name: task.state for task in execution.tasks.values()} == {"a": "SUCCESS", "b": "IDLE"}


def test_a_wide_start_is_bounded_too() -> None:
    names = [f"t{number}" for number in range(30)]
    tasks = "\n".join(f"    {name}: {{action: remote}}" for name in names)
    world = World(f"w:\n  tasks:\n{tasks}\n", steps=10)
    world.auto = False
    found = world.start()
    begun = sum(task.state == "RUNNING" for task in found.tasks())
    assert 0 < begun <= 10
    world.settle()
    assert {task.state for task in found.tasks()} == {"RUNNING"}


# -- needs

ASKING = """
    w:
      tasks:
        t:
          action: remote
          publish:
            found: QUESTION
"""


@pytest.mark.parametrize(
    ("question", "asked", "answer"),
    [
        (
            "<% tasks('root-9', false, SUCCESS).select($.name) %>",
            FindTasks("root-9", False, "SUCCESS", False, "p"),
            [],
        ),
        (
            "<% tasks('root-1', true).select($.state) %>",
            FindTasks("root-1", True, None, False, "p"),
            ["RUNNING"],
        ),
        ('"{{ tasks() | length }}"', FindTasks(None, False, None, False, "p"), 1),
        (
            "<% executions().select($.id) %>",
            FindExecutions(None, None, None, None, None, "p"),
            ["root-1"],
        ),
        (
            "<% executions(null, null, ERROR) %>",
            FindExecutions(None, None, "ERROR", None, None, "p"),
            [],
        ),
    ],
)
def test_the_rest_of_the_world_is_asked_once_and_remembered(
    question: str, asked: FindTasks | FindExecutions, answer: object
) -> None:
    world = World(ASKING.replace("QUESTION", question))
    found = world.start(project_id="p")
    found.finish("t")
    assert found.output == {"found": answer}
    assert world.answered == [asked]
    assert list(world.records[found.id][-1].answers) == [asked]
    world.check_replay_and_reload()
    assert world.answered == [asked]


def test_questions_say_who_asks() -> None:
    world = World(ASKING.replace("QUESTION", "<% executions(a, b, c, d, e) %>"))
    world.start(project_id="p").finish("t")
    assert world.answered == [FindExecutions("a", "b", "c", "d", "e", "p")]


def test_several_needs_of_one_decision_are_answered_one_by_one() -> None:
    world = World("""
        w:
          tasks:
            a: {workflow: x}
            b: {workflow: y}
            c: {workflow: x}
        x:
          tasks: {t: {action: std.noop}}
        y:
          tasks: {t: {action: std.noop}}
    """)
    found = world.start()
    assert found.state == "SUCCESS"
    assert world.answered == [FindWorkflow("x", "", "", ""), FindWorkflow("y", "", "", "")]
    answers = world.records[found.id][0].answers
    assert list(answers) == world.answered


def test_a_need_leaves_the_committed_state_alone() -> None:
    world = World(ASKING.replace("QUESTION", "<% executions() %>"))
    found = world.start()
    before = snapshot(found.execution)
    action = found.open_actions("t")[0].id
    draft = Draft(found.execution)
    with pytest.raises(Need) as need:
        decide(
            draft,
            ActionFinished(action, "SUCCESS"),
            execution_id=found.id,
            program=world.programs["w"],
            now=world.now,
            answers={},
            actions=Catalogue(),
            limits=Limits(),
        )
    assert need.value.question == FindExecutions(None, None, None, None, None, "")
    assert snapshot(found.execution) == before


# -- refusals and time


def test_a_refused_event_leaves_no_trace() -> None:
    world = World("""
        w:
          output: {v: <% $.v %>}
          tasks:
            bad: {action: std.fail}
            t: {action: remote}
    """)
    found = world.start()
    before, count = snapshot(found.execution), len(world.records[found.id])
    for event in (
        StopRequested("SUCCESS"),
        RerunRequested(found.task("t").id),
        RerunRequested(found.task("bad").id, reset=False),
        ActionFinished("nobody", "SUCCESS", by_user=True),
    ):
        with pytest.raises(MaestraleError):
            found.send(event)
    assert snapshot(found.execution) == before
    assert len(world.records[found.id]) == count


def test_time_never_goes_backwards_for_an_execution() -> None:
    world = World("""
        w:
          tasks: {a: {action: remote, on-success: b}, b: {action: remote}}
    """)
    world.now = START + 10 * SECOND
    found = world.start()
    world.now = START
    found.finish("a")
    assert found.task("b").created_at == START + 10 * SECOND
    assert [record.at for record in world.records[found.id]] == [START + 10 * SECOND] * 2


def test_several_events_share_a_draft() -> None:
    world = World("""
        w:
          output: {n: <% $.n %>}
          tasks:
            a: {action: remote, on-success: c}
            b: {action: remote, on-success: c}
            c: {join: all, publish: {n: <% uuid() %>}}
    """)
    found = world.start()
    a, b = found.open_actions("a")[0].id, found.open_actions("b")[0].id
    found.send(
        PauseRequested(),
        ActionFinished(a, "SUCCESS"),
        Described("both"),
        ActionFinished(b, "SUCCESS"),
        ResumeRequested(),
    )
    assert (found.state, found.workflow.description) == ("SUCCESS", "both")
    assert [record.sequence for record in world.records[found.id]] == [1, 2, 3, 4, 5, 6]
    world.check_replay_and_reload()


def test_a_refusal_within_a_draft_spoils_nothing_of_the_others() -> None:
    world = World("""
        w:
          tasks: {a: {action: remote}}
    """)
    found = world.start()
    action = found.open_actions("a")[0].id
    draft = world.decide(found.id, ActionFinished(action, "SUCCESS", 1, by_user=True))
    with pytest.raises(InvalidState):
        decide(
            draft,
            ActionFinished(action, "SUCCESS", 2, by_user=True),
            execution_id=found.id,
            program=world.programs["w"],
            now=world.now,
            answers={},
            actions=Catalogue(),
            limits=Limits(),
        )
    world.commit(found.id, draft)
    assert (found.state, found.result("a")) == ("SUCCESS", 1)


def test_the_same_decision_taken_twice_is_the_same() -> None:
    text = """
        w:
          output: {all: [<% uuid() %>, <% random() %>, <% now() %>, "{{ uuid() }}"]}
          tasks: {a: {action: std.noop}}
    """
    one, two = World(text).start(), World(text).start()
    assert snapshot(one.execution) == snapshot(two.execution)
    assert len({str(value) for value in one.output["all"]}) == 4


def test_an_empty_execution_has_no_workflow_and_no_alarm() -> None:
    draft = Draft(Execution("seed"))
    assert (draft.has_started, draft.is_new, draft.next_alarm()) == (False, True, None)
    with pytest.raises(AssertionError):
        draft.workflow.state  # noqa: B018


def test_an_alarm_without_timers_does_nothing() -> None:
    found = World(CHAIN).start(input={"limit": 1})
    before = found.execution.tasks
    found.send(AlarmDue())
    assert found.execution.tasks == before
