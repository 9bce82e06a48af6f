"""Whole histories of the real engine on a virtual clock: promises are kept, and known mistakes are found."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from mutations import PLANTS, Plant

from maestrale.simulation.simulate import simulate
from maestrale.simulation.world import NO_FAULTS

STEPS = 1200

FOUND_BY = {
    "safe_rerun_is_true_by_being_there": 2,
    "a_late_branch_runs_a_partial_join_again": 8,
    "a_published_variable_hides_the_item": 1,
    "a_rerun_repeats_everything_behind_the_first_failed_item": 8,
    "what_was_to_start_dies_with_the_process": 1,
    "a_cancel_does_not_reach_sub_workflows": 13,
    "a_cascade_ends_after_its_first_portion": 124,
    "hints_are_all_there_is": 3,
}
"""The seeds that are tried first, to save time; others follow."""

SEEDS = 25
"""Histories in which a planted mistake must have been found."""


@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.covers("eng.restart", "eng.integrity")
def test_every_promise_is_kept(seed: int) -> None:
    report = simulate(seed, STEPS)
    assert report.violation is None, f"maestrale simulate --seed {seed} --steps {STEPS}: {report.violation}"
    assert report.commits > 50


def test_without_faults_nothing_is_lost() -> None:
    report = simulate(8, STEPS, faults=NO_FAULTS, engines=1)
    assert report.violation is None
    assert report.compared > 0
    assert not {"crash", "stall", "answer lost", "doubled"} & set(report.counts)


def test_the_same_seed_tells_the_same_history() -> None:
    """In other processes, in which texts hash differently."""
    traces = set()
    for hash_seed in ("1", "2"):
        command = [
            sys.executable,
            "-m",
            "maestrale",
            "simulate",
            "--seed",
            "5",
            "--steps",
            "250",
            "-f",
            "json",
        ]
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        traces.add(json.loads(found.stdout)["trace"])
    assert len(traces) == 1
    assert simulate(6, 250).trace not in traces


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.__name__)
def test_a_planted_mistake_is_found(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    first = FOUND_BY.get(plant.__name__, 0)
    plant(monkeypatch)
    violations = (simulate(seed, STEPS).violation for seed in dict.fromkeys((first, *range(SEEDS))))
    assert any(violations), "no history has found it"


@pytest.mark.slow
def test_a_long_storm() -> None:
    """Some 600,000 steps; an hour on a slow machine."""
    broken = [report for seed in range(10_000, 10_200) if (report := simulate(seed, 2500)).violation]
    assert not broken, "\n".join(f"seed {report.seed}: {report.violation}" for report in broken)
