"""Who is told of changes: here, in other processes, and although hints are lost."""

from __future__ import annotations

from maestrale.runtime.hints import Kind
from maestrale.runtime.watches import KEPT, Watches

ON_POSTGRESQL = 2


class Wire:
    """Processes that tell each other, unless hints are lost."""

    def __init__(self) -> None:
        self.now = 0.0
        self.is_cut = False
        self.sent: list[tuple[str, str]] = []
        self.processes: list[Watches] = []

    def process(self) -> Watches:
        """One more."""
        self.processes.append(Watches(self, lambda: self.now))
        return self.processes[-1]

    def tell(self, process_id: str, kind: Kind, name: str) -> None:
        """Nobody is told alone."""
        raise AssertionError((process_id, kind, name))

    def tell_all(self, kind: Kind, name: str = "") -> None:
        """Every process hears it, the sender too."""
        if self.is_cut:
            return
        self.sent.append((kind, name))
        for process in self.processes:
            if kind == "watch":
                process.heard_watch([name])
            else:
                process.heard_changed([name])


def test_what_nobody_watches_costs_nothing() -> None:
    wire = Wire()
    wire.process().changed(["a", "b"])
    assert wire.sent == []


def test_a_change_here_and_elsewhere() -> None:
    wire = Wire()
    here, there = wire.process(), wire.process()
    told: list[str] = []
    here.add("a", told.append)
    told.clear()  # the others have said that they know now
    there.changed(["a", "b"])
    assert told == ["a"]
    told.clear()
    here.changed(["a"])
    assert "a" in told
    here.remove("a", told.append)
    told.clear()
    there.changed(["a"])
    assert told == []


def test_others_say_when_they_know() -> None:
    """What they have committed before is looked up then, so nothing falls into the gap."""
    wire = Wire()
    here, there = wire.process(), wire.process()
    told: list[str] = []
    wire.is_cut = True
    here.add("a", told.append)
    there.changed(["a"])
    assert told == []
    wire.is_cut = False
    there.heard_watch(["a"])
    assert told == ["a"]
    there.heard_watch(["a"])
    assert told == ["a"], "they have known it already"


def test_what_was_forgotten_is_said_again() -> None:
    """A watch that has run out is as good as a new one."""
    wire = Wire()
    here, there = wire.process(), wire.process()
    told: list[str] = []
    here.add("a", told.append)
    told.clear()
    wire.now += KEPT
    there.changed(["a"])
    assert told == []
    there.heard_watch(["a"])
    assert told == ["a"]


def test_a_sweep_makes_lost_hints_good() -> None:
    """It looks at everything that is watched, and tells the others anew."""
    wire = Wire()
    here, there = wire.process(), wire.process()
    told: list[str] = []
    wire.is_cut = True
    here.add("a", told.append)
    here.renew()
    assert told == ["a"]
    wire.is_cut = False
    here.renew()
    told.clear()
    there.changed(["a"])
    assert told == ["a"]
    wire.now += KEPT
    there.renew()
    wire.sent.clear()
    there.changed(["a"])
    assert wire.sent == [], "nobody has renewed it"
