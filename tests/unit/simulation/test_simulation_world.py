"""Simulated processes go the way of real ones."""

from __future__ import annotations

from maestrale.simulation.world import NO_FAULTS, SECOND, World


class Watched(World):
    """Remembers who took over from whom."""

    def note(self, kind: str, detail: str) -> None:
        super().note(kind, detail)
        if kind == "takeover":
            self.takeovers.append(detail)

    takeovers: list[str]


def test_who_was_taken_for_dead_takes_nothing_over_but_begins_a_new_life() -> None:
    world = Watched(1, faults=NO_FAULTS, engines=2)
    world.takeovers = []
    world.people.stop_asking()
    try:
        world.processes[0].stalled_until = world.now + 10 * SECOND
        world.dead["process-1"] = world.now
        world.take_step()
        assert world.takeovers == ["process-1 by process-2"]
        world.dead["process-2"] = world.now
        for _ in range(1000):
            world.take_step()
    finally:
        world.close()
    assert "process-2 by process-1" not in world.takeovers
    assert [process.id for process in world.processes] == ["process-3", "process-4"]
    assert not world.condemned
