"""Everything goes wrong, all the time, and nothing is lost."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from postgresql import PostgresqlServer
from processes.fleet import Fleet
from processes.receiver import Receiver
from processes.storm import People, reconcile, wait_for_all

END_SECONDS = 90.0
"""How long what was started may take to end when the storm is over."""


def _storm(
    folder: Path, postgresql: PostgresqlServer, seed: int, seconds: float, engines: int = 3, apis: int = 2
) -> None:
    chance = random.Random(seed)
    name = postgresql.lend()
    url = postgresql.url(name)
    with (
        Receiver(delay=0.3) as receiver,
        Fleet(folder, postgresql, name, engines=engines, apis=apis) as fleet,
    ):
        people = People(fleet, receiver, seed)
        people.define()
        people.begin()
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
            fleet.strike(chance)
        fleet.settle()
        people.end()
        wait_for_all(people, url, END_SECONDS)
        counts = reconcile(people, receiver, url)
        print(f"seed {seed}, {seconds:.0f} s: {dict(fleet.happened)}; {dict(sorted(counts.items()))}")
        assert fleet.stop() == [0] * len(fleet.all)
    postgresql.drop(name)


@pytest.mark.postgresql
def test_a_short_storm(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    _storm(tmp_path, postgresql, seed=1, seconds=6, engines=2, apis=1)


@pytest.mark.slow
def test_a_long_storm(tmp_path: Path, postgresql: PostgresqlServer) -> None:
    """Half an hour, or as many seconds as STORM_SECONDS says."""
    seconds = float(os.environ.get("STORM_SECONDS", "1800"))
    _storm(tmp_path, postgresql, seed=int(os.environ.get("STORM_SEED", "2")), seconds=seconds)
