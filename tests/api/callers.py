"""A service that knows its callers by their tokens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from api_service import Api, serving

from maestrale.config import ServerSettings

ALICE: Final = "token-of-alice-0001"
BOB: Final = "token-of-bob-000002"
CAROL: Final = "token-of-carol-0003"
ROOT: Final = "token-of-root-00004"

FILE: Final = f"""
{ALICE}: {{project_id: blue, user_id: alice, user_name: Alice}}
{BOB}: {{project_id: green, user_id: bob}}
{CAROL}: {{project_id: grey, user_id: carol, roles: [member]}}
{ROOT}: {{project_id: administration, user_id: root, roles: [member, admin]}}
"""


class Callers(NamedTuple):
    """Who may ask: three people in three projects, an administrator in a fourth, and nobody known."""

    alice: Api
    bob: Api
    carol: Api
    root: Api
    stranger: Api


def token_file(folder: Path, text: str = FILE) -> Path:
    """A token file that only its owner may read."""
    path = folder / "tokens.yaml"
    path.write_text(text)
    path.chmod(0o600)
    return path


@contextmanager
def callers(database_url: str, folder: Path) -> Iterator[Callers]:
    """A started service on a database, and everybody who may ask it."""
    with serving(database_url, ServerSettings(auth=f"tokens:{token_file(folder)}")) as api:
        alice, bob, carol, root = (api.as_caller(token) for token in (ALICE, BOB, CAROL, ROOT))
        yield Callers(alice, bob, carol, root, api)
