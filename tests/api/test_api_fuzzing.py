"""The API answers as its document says, whatever it is asked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest
from api_fuzzing import Fuzzing, fuzzed

EXAMPLES: Final = 2
"""Of each operation, right ones and as many wrong ones."""
SEED: Final = int(os.environ.get("FUZZ_SEED", "20261128"))
SECONDS: Final = float(os.environ.get("FUZZ_SECONDS", "300"))


def assert_nothing_found(fuzzing: Fuzzing, seen: int) -> None:
    told = "\n\n".join(fuzzing.findings.values())
    assert not fuzzing.findings, f"{len(fuzzing.findings)} findings in {seen} requests\n\n{told}"


def test_a_share_of_all_requests(tmp_path: Path) -> None:
    with fuzzed(f"sqlite:///{tmp_path}/fuzzed.db", tmp_path) as fuzzing:
        fuzzing.round(SEED, EXAMPLES)
        assert_nothing_found(fuzzing, fuzzing.answers.total())
        asked = {label for label, _ in fuzzing.answers}
        assert len(asked) == len(fuzzing.operations)
        succeeded = {label for (label, status), _ in fuzzing.answers.items() if status < 400}
        assert len(succeeded) > len(asked) / 3, sorted(asked - succeeded)


@pytest.mark.slow
def test_requests_for_long(database_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """FUZZ_SECONDS says for how long, FUZZ_SEED where to begin."""
    with fuzzed(database_url, tmp_path) as fuzzing:
        last = fuzzing.last(SECONDS, SEED)
        with capsys.disabled():
            print(f"\n{fuzzing.answers.total()} requests, seeds {SEED} to {last}")
        assert_nothing_found(fuzzing, fuzzing.answers.total())
