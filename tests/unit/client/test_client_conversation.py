"""What is asked again, who asks, how pages, waiting and events go on: without a server, step by step."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from cli_objects import EXECUTION

from maestrale.client.conversation import Request, Session
from maestrale.client.errors import ApiError, ServerUnreachable, WaitTimeout
from maestrale.client.events import EventReader, EventStream
from maestrale.client.listing import Pages
from maestrale.client.reading import one
from maestrale.client.results import Execution, Task
from maestrale.client.steps import Answer, Identify, Item, Pause, Read, Send
from maestrale.client.waiting import Waiting

URL = "http://host/v2"


def answer(status: int = 200, body: Any = None, **headers: str) -> Answer:
    """An answer of a server."""
    names = {name.replace("_", "-").lower(): value for name, value in headers.items()}
    return Answer(status, "Reason", names, "" if body is None else json.dumps(body))


BROKEN = ServerUnreachable(URL, "broke off", reached=True)
REFUSED = ServerUnreachable(URL, "refused")


class Talk:
    """A conversation with a server: `come` are its answers and pieces of streams. Pauses take no time."""

    def __init__(self, *come: Any, has_answered: bool = True, renewals: int = 0) -> None:
        self.come = list(come)
        self.sent: list[Send] = []
        self.pauses: list[float] = []
        self.now = 1000.0
        self.renewals = renewals
        self.identity: dict[str, str] = {"X-Auth-Token": "0"}
        self.session = Session(URL, 90.0, clock=lambda: self.now, has_answered=has_answered)

    def run(self, described: Any) -> Any:
        """The result, and the objects that came before it."""
        steps = described.steps(self.session)
        found = []
        try:
            step = next(steps)
            while True:
                if isinstance(step, Item):
                    found.append(step.value)
                step = steps.send(self._perform(step))
        except StopIteration as end:
            return (found, end.value) if found or isinstance(end.value, bool) else end.value

    def _perform(self, step: Any) -> Any:
        match step:
            case Identify(renew=True):
                self.renewals -= 1
                self.identity = {"X-Auth-Token": "renewed"}
                return self.renewals >= 0
            case Identify():
                return self.identity
            case Send():
                self.sent.append(step)
                self.now += float(step.query.get("wait", 0))
                return self.come.pop(0)
            case Read():
                return self.come.pop(0)
            case Pause(seconds):
                self.pauses.append(seconds)
                self.now += seconds
        return None


def get(**given: Any) -> Request[Task]:
    return Request("GET", "/tasks/t", one(Task), **given)


def post(**given: Any) -> Request[Task]:
    return Request("POST", "/tasks", one(Task), **given)


TASK = answer(200, {"id": "t"})


@pytest.mark.parametrize("come", [BROKEN, REFUSED, answer(502), answer(503), answer(504), answer(429)])
def test_what_may_be_sent_twice_is(come: Any) -> None:
    talk = Talk(come, come, TASK)
    assert talk.run(get()).id == "t"
    assert talk.pauses == [0.25, 0.5]
    assert len(talk.sent) == 3
    assert Talk(come, TASK).run(post(repeatable=True)).id == "t"


@pytest.mark.parametrize("come", [BROKEN, REFUSED, answer(502), answer(503), answer(504), answer(429)])
def test_what_may_not_be_sent_twice_is_not(come: Any) -> None:
    talk = Talk(come, TASK)
    with pytest.raises((ServerUnreachable, ApiError)):
        talk.run(post())
    assert len(talk.sent) == 1


@pytest.mark.parametrize("status", [429, 503])
def test_who_says_when_to_come_back_has_done_nothing(status: int) -> None:
    talk = Talk(answer(status, Retry_After="7"), TASK)
    assert talk.run(post()).id == "t"
    assert talk.pauses == [7]


@pytest.mark.parametrize("when", ["3600", "soon", ""])
def test_nobody_waits_for_hours(when: str) -> None:
    talk = Talk(answer(429, Retry_After=when), TASK)
    with pytest.raises(ApiError):
        talk.run(post())


def test_there_is_an_end_of_trying() -> None:
    talk = Talk(*[BROKEN] * 9)
    with pytest.raises(ServerUnreachable):
        talk.run(get())
    assert talk.pauses == [0.25, 0.5, 1.0]


@pytest.mark.parametrize("status", [400, 403, 404, 409, 423, 500])
def test_a_refusal_is_an_answer(status: int) -> None:
    talk = Talk(answer(status, {"faultstring": "no"}), TASK)
    with pytest.raises(ApiError, match="no"):
        talk.run(get())
    assert talk.pauses == []


def test_a_server_that_was_never_there_is_not_waited_for() -> None:
    talk = Talk(REFUSED, TASK, has_answered=False)
    with pytest.raises(ServerUnreachable):
        talk.run(get())
    assert talk.pauses == []
    talk.run(get())
    talk.come = [REFUSED, TASK]
    talk.run(get())
    assert talk.pauses == [0.25]


def test_credentials_are_renewed_once() -> None:
    talk = Talk(answer(401), TASK, renewals=1)
    assert talk.run(post(body={"a": 1})).id == "t"
    assert [sent.headers["X-Auth-Token"] for sent in talk.sent] == ["0", "renewed"]
    assert [sent.content for sent in talk.sent] == ['{"a": 1}'] * 2
    for renewals, requests in ((0, 1), (5, 2)):
        talk = Talk(answer(401), answer(401), answer(401), renewals=renewals)
        with pytest.raises(ApiError, match="the token is not valid"):
            talk.run(get())
        assert len(talk.sent) == requests


def pages(**given: Any) -> Pages[Task]:
    return Pages(Task, "/tasks", "tasks", {"state": "ERROR"}, **given)


def page(*names: str, more: bool = True) -> Answer:
    return answer(
        200, {"tasks": [{"id": name} for name in names]} | ({"next": "http://elsewhere"} if more else {})
    )


def asked(talk: Talk) -> list[Mapping[str, str]]:
    return [{name: value for name, value in sent.query.items() if name != "state"} for sent in talk.sent]


def names(found: Iterable[Task]) -> str:
    return "".join(task.id for task in found)


def test_pages_are_followed_by_marker() -> None:
    talk = Talk(page("a", "b"), page("c"), page())
    found, more = talk.run(pages())
    assert (names(found), more) == ("abc", False)
    assert asked(talk) == [{}, {"marker": "b"}, {"marker": "c"}]
    assert all(sent.query["state"] == "ERROR" for sent in talk.sent)


SECOND = {"limit": "1", "marker": "b"}


@pytest.mark.parametrize(
    ("limit", "come", "found", "queries", "more"),
    [
        (2, [page("a", "b")], "ab", [{"limit": "2"}], True),
        (3, [page("a", "b"), page("c")], "abc", [{"limit": "3"}, SECOND], True),
        (3, [page("a", "b"), page("c", more=False)], "abc", [{"limit": "3"}, SECOND], False),
        (3, [page("a", more=False)], "a", [{"limit": "3"}], False),
        (1, [page("a", "b")], "a", [{"limit": "1"}], True),
    ],
)  # fmt: skip
def test_a_limit_goes_over_pages(
    limit: int, come: list[Answer], found: str, queries: Any, more: bool
) -> None:
    talk = Talk(*come)
    tasks, has_more = talk.run(pages(limit=limit))
    assert (names(tasks), asked(talk), has_more) == (found, queries, more)


def test_a_page_that_repeats_the_marker_repeats_nothing() -> None:
    """As the original server does for actions; and one that repeats its last page is no endless loop."""
    talk = Talk(page("a", "b"), page("b", "c"), page("c"))
    assert names(talk.run(pages())[0]) == "abc"
    assert len(talk.sent) == 3


def waiting(timeout: float | None = None) -> Waiting[Execution]:
    def request(seconds: float) -> Request[Execution]:
        query = {"wait": f"{seconds:g}"} if seconds else {}
        return Request("GET", "/executions/e", one(Execution), query)

    return Waiting(request, timeout)


def execution(state: str) -> Answer:
    return answer(200, EXECUTION | {"state": state})


@pytest.mark.parametrize("state", ["SUCCESS", "ERROR", "CANCELLED", "PAUSED"])
def test_the_server_is_asked_to_wait(state: str) -> None:
    talk = Talk(execution("RUNNING"), execution("RUNNING"), execution(state))
    assert talk.run(waiting()).state == state
    assert [sent.query for sent in talk.sent] == [{"wait": "5"}] * 3
    assert talk.pauses == []


@pytest.mark.parametrize("status", [400, 404])
def test_a_server_that_cannot_wait_is_asked_now_and_then(status: int) -> None:
    talk = Talk(answer(status), execution("RUNNING"), execution("RUNNING"), execution("SUCCESS"))
    assert talk.run(waiting()).state == "SUCCESS"
    assert [sent.query for sent in talk.sent] == [{"wait": "5"}, {}, {}, {}]
    assert talk.pauses == [1, 1]


def test_what_is_not_there_cannot_be_waited_for() -> None:
    with pytest.raises(ApiError, match="404"):
        Talk(answer(404), answer(404)).run(waiting())


def test_the_time_to_wait_is_bounded() -> None:
    talk = Talk(*[execution("RUNNING")] * 9)
    with pytest.raises(WaitTimeout, match="is still RUNNING after 7 seconds") as caught:
        talk.run(waiting(7))
    assert [sent.query for sent in talk.sent] == [{"wait": "5"}, {"wait": "2"}]
    assert isinstance(caught.value.found, Execution)
    assert isinstance(caught.value, TimeoutError)
    talk = Talk(execution("SUCCESS"))
    assert talk.run(waiting(0)).state == "SUCCESS"


def event(number: int) -> str:
    change = {"type": "task", "id": "t", "name": "ö\u2028", "from": None, "to": "RUNNING", "state_info": None}
    data = {"sequence": number, "event": "x", "at": f"2026-11-28 12:00:0{number}.5", "changes": [change]}
    return f"id: {number}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


END = 'id: 2-end\nevent: end\ndata: {"state": "SUCCESS", "state_info": null, "deleted": false}\n\n'
OPENED = Answer(200, "OK", {"content-type": "text/event-stream"}, "")


def test_events_are_read_however_they_are_cut() -> None:
    text = "retry: 1000\n\n: still there\n\n" + event(1) + END
    for size in (1, 3, 50, 10_000):
        reader = EventReader()
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        first, last = [event for piece in pieces for event in reader.feed(piece)]
        assert (first.id, first.sequence, first.is_end, str(first.at)) == (
            "1", 1, False, "2026-11-28 12:00:01.500000+00:00",
        )  # fmt: skip
        assert (first.changes[0].before, first.changes[0].after, first.changes[0].name) == (
            None, "RUNNING", "ö\u2028",
        )  # fmt: skip
        assert (last.id, last.is_end, last.state, last.deleted) == ("2-end", True, "SUCCESS", False)


def stream(last: str = "", resumes: bool = True) -> EventStream:
    return EventStream("/executions/e/events", last, resumes)


def heard(talk: Talk, described: EventStream) -> tuple[list[str], bool]:
    found, more = talk.run(described)
    return [event.id for event in found], more


@pytest.mark.parametrize("breaks", [None, BROKEN])
def test_events_go_on_where_they_broke_off(breaks: Any) -> None:
    talk = Talk(OPENED, event(1), breaks, REFUSED, REFUSED, REFUSED, REFUSED, OPENED, event(2) + END)
    assert heard(talk, stream()) == (["1", "2", "2-end"], False)
    assert talk.sent[0].headers.get("Last-Event-ID") is None
    assert {sent.headers["Last-Event-ID"] for sent in talk.sent[1:]} == {"1"}
    assert all(sent.stream for sent in talk.sent)


def test_a_server_that_does_not_come_back_is_given_up() -> None:
    talk = Talk(OPENED, event(1), None, *[REFUSED] * 999)
    with pytest.raises(ServerUnreachable):
        talk.run(stream())
    assert 60 <= sum(talk.pauses) < 65


def test_without_resuming_the_end_of_the_connection_is_the_end() -> None:
    assert heard(Talk(OPENED, event(1), None), stream(resumes=False)) == (["1"], True)
    with pytest.raises(ServerUnreachable):
        Talk(OPENED, event(1), BROKEN).run(stream(resumes=False))
    with pytest.raises(ApiError):
        Talk(answer(503, Retry_After="1")).run(stream(resumes=False))


def test_who_has_heard_of_the_end_hears_nothing_more() -> None:
    talk = Talk(Answer(204, "No Content", {}, ""))
    assert heard(talk, stream("2-end")) == ([], False)
    assert talk.sent[0].headers["Last-Event-ID"] == "2-end"


def test_a_server_without_events_says_so() -> None:
    with pytest.raises(ApiError, match="There are no events at http://host/v2/executions/e/events"):
        Talk(answer(200, {})).run(stream())
