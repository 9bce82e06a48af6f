"""The real engine on a virtual clock: one seed makes a whole history of work, commands and faults.

The idea is that of FoundationDB's and TigerBeetle's simulators: everything that may happen next is a choice
of one seeded generator, so that a history that breaks something can be told again by its seed.
"""

from typing import Final

STEPS: Final = 2_000
"""Of a history, before everything is brought to its end."""
