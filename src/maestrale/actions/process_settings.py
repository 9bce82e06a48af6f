"""What the operator says about processes of dynamic actions; apart, because every start reads settings."""

from __future__ import annotations

import msgspec


class ProcessSettings(msgspec.Struct, frozen=True):
    """`enabled`: whether dynamic actions run at all. `processes`: how many at the same time. `memory_mb`: of
    each process, in MiB. `time_limit`: seconds, of the clock and of the processor."""

    enabled: bool = False
    processes: int = 4
    memory_mb: int = 512
    time_limit: float = 300.0

    def __post_init__(self) -> None:
        if self.processes < 1:
            raise ValueError("processes must be at least 1")
        if self.memory_mb < 64:
            raise ValueError("memory_mb must be at least 64")
        if self.time_limit <= 0:
            raise ValueError("time_limit must be more than 0")
