"""What an operator can choose about expressions."""

from __future__ import annotations

from typing import Final

import msgspec

YAQL: Final = "yaql"
JINJA: Final = "jinja"
LANGUAGES: Final = (YAQL, JINJA)


class Options(msgspec.Struct, frozen=True):
    """Options of the two languages, under the names they have in the configuration.

    `limit_iterators`: most items that one YAQL collection may produce; `memory_quota`: most bytes that
    one YAQL value may take; -1 switches a limit off. The two `convert_*` decide how tuples and sets
    look inside a text (`x=<% [1] %>`); a value that is stored always holds lists. `iterable_dicts`:
    maps count as collections of their keys. `keyword_operator`: what stands between name and value
    (`f(name => value)`). `allow_delegates`: `lambda()` and calls of values.

    What may be done in place, where everybody waits for it: `steps_in_place`, and for one search by a regular
    expression `regex_steps`. What takes more is repeated in a helper process, which is ended after
    `time_limit` seconds and has `memory_limit` bytes; what cannot be repeated is refused after `max_steps`.

    Refused everywhere: a text of an expression of more than `max_length` characters, and a whole number of
    more than `max_integer_bits`. -1 switches any of these off (for the helper process: 0).

    Data is always read through immutable views and results are always converted, so the reference's
    `convert_input_data` and `convert_output_data` have nothing left to switch.
    """

    allowed_languages: tuple[str, ...] = LANGUAGES
    limit_iterators: int = 100_000
    memory_quota: int = 64 * 1024 * 1024
    convert_tuples_to_lists: bool = True
    convert_sets_to_lists: bool = False
    iterable_dicts: bool = False
    keyword_operator: str = "=>"
    allow_delegates: bool = False
    steps_in_place: int = 50_000
    max_steps: int = 1_000_000
    regex_steps: int = 1_000_000
    max_length: int = 100_000
    max_integer_bits: int = 65_536
    time_limit: float = 2.0
    memory_limit: int = 512 * 1024 * 1024

    def __post_init__(self) -> None:
        unknown = [name for name in self.allowed_languages if name not in LANGUAGES]
        if unknown:
            raise ValueError(
                f"allowed_languages: unknown language '{unknown[0]}'; known are {', '.join(LANGUAGES)}"
            )
