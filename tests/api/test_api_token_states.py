"""Random requests with tokens of every kind: nobody gets in with a bad one, or sees what is not theirs.

Ada has objects of every kind, with canaries in them. They may come back to her, and to the administrator, but
never to people of other projects, nor to whoever has no good token.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from api_fuzzing import TEXTS, WORKFLOWS, Asker, Fuzzing, Ids, ids_of, label_of, with_token
from api_service import Api, serving
from callers import ALICE, BOB, CAROL, ROOT, token_file
from test_api_fuzzing import SECONDS, SEED, assert_nothing_found
from test_api_oidc import PASSWORD, After, forgeries, token_saying

from keycloak import AUDIENCE, Keycloak, User
from maestrale.actions.process_settings import ProcessSettings
from maestrale.api.authentication import OPEN
from maestrale.api.identity_settings import OidcSettings
from maestrale.config import ApiLimits, ServerSettings

EXAMPLES: Final = 1
CANARY: Final = "canary-of-ada"
UNKNOWN: Final = (400, 401, 404, 405, 413, 414, 431)
"""Answers to somebody whose token is no good: it is refused, if the request is not sooner."""


def stranger(headers: Callable[[random.Random], dict[str, str]]) -> Asker:
    """Somebody who must not get in."""
    return Asker(1, headers, _let_in)


def neighbour(token: Callable[[], str], weight: int = 3) -> Asker:
    """Somebody who is known, of another project than Ada's."""
    return Asker(weight, lambda _chance: {"X-Auth-Token": token()}, _leak)


def _let_in(label: str, answer: httpx.Response) -> str | None:
    if label.split()[1] not in OPEN and answer.status_code not in UNKNOWN:
        return f"{label} answers {answer.status_code} to somebody without a good token"
    return _leak(label, answer)


def _leak(label: str, answer: httpx.Response) -> str | None:
    return f"{label} gives away what is Ada's: {answer.text[:500]}" if CANARY in answer.text else None


class Victim:
    """Ada, who sees to it that she has something of everything."""

    def __init__(self, api: Callable[[], Api]) -> None:
        self._api = api
        self._round = 0

    def __call__(self) -> Ids:
        api, self._round = self._api(), self._round + 1
        space = {
            "namespace": f"{CANARY}-{self._round}"
        }  # what is there may have been changed by the administrator
        text = WORKFLOWS.replace("[a]", f"[{CANARY}]")
        workflow = api.define(text, **space)[0]["id"]
        for collection in ("workbooks", "actions"):
            api("POST", f"/v2/{collection}", content=TEXTS[collection][0].encode(), params=space)
        api("POST", "/v2/workflows", content=text.encode())
        api("POST", "/v2/environments", json={"name": "ada's", "variables": {"a": CANARY}})
        given = {"workflow_id": workflow, "workflow_input": {"name": CANARY}}
        api("POST", "/v2/cron_triggers", json={**given, "name": CANARY, "pattern": "0 0 1 1 *"})
        api("POST", "/v2/event_triggers", json={**given, "exchange": CANARY, "topic": "t", "event": "e"})
        started = {"workflow_id": workflow, "input": {"name": CANARY}, "description": CANARY}
        answer = api("POST", "/v2/executions", json=started)
        assert answer.status_code == 201, answer.text
        action = {"name": "std.echo", "input": {"output": CANARY}, "params": {"save_result": True}}
        api("POST", "/v2/action_executions", json=action)
        return ids_of(api)


@contextmanager
def by_tokens(database_url: str, folder: Path) -> Iterator[Fuzzing]:
    """Callers out of a file."""
    server = ServerSettings(auth=f"tokens:{token_file(folder)}")
    with serving(database_url, server, LIMITS, ProcessSettings(enabled=True)) as api:
        askers = [
            Asker(2, with_token(ROOT)),
            neighbour(lambda: BOB),
            neighbour(lambda: CAROL),
            *(stranger(headers) for headers in WITHOUT),
            stranger(lambda chance: {"X-Auth-Token": worn(ALICE, chance)}),
            stranger(lambda chance: {"Authorization": f"Bearer {worn(ROOT, chance)}"}),
        ]
        yield Fuzzing(api.as_caller(ROOT), askers, Victim(lambda: api.as_caller(ALICE)))


@contextmanager
def by_openid(database_url: str, _folder: Path) -> Iterator[Fuzzing]:
    """Callers of two realms; of a third nobody is let in."""
    web, shop = (
        (User("ada", PASSWORD), User("root", PASSWORD, ("admin",))),
        (
            User("bob", PASSWORD),
            User("boss", PASSWORD, ("admin",)),
        ),
    )
    eve = (User("eve", PASSWORD, ("admin",)),)
    with Keycloak(web=web, shop=shop, other=eve) as keycloak:
        realm = keycloak["web"]
        issuers = (realm.issuer, keycloak["shop"].issuer)
        oidc = OidcSettings(issuers=issuers, audience=(AUDIENCE,))
        server = ServerSettings(auth="oidc")
        with serving(database_url, server, LIMITS, ProcessSettings(enabled=True), oidc=oidc) as api:
            forged = [token for token, _ in forgeries(keycloak).values() if len(token) < MAX_HEADER]
            realm.life = 24 * 3600
            tokens = {name: realm.token(name) for name in ("ada", "root")}
            askers = [
                Asker(6, with_token(tokens["root"])),
                neighbour(lambda: keycloak["shop"].token("bob"), 12),
                *(stranger(headers) for headers in WITHOUT),
                *(stranger(with_token(token)) for token in forged),
                *(stranger(_saying(keycloak, changed)) for changed in BAD_CLAIMS),
                stranger(lambda chance: {"X-Auth-Token": worn(tokens["ada"], chance)}),
                stranger(lambda chance: {"Authorization": f"Bearer {worn(tokens['root'], chance)}"}),
            ]
            root, ada = (api.as_caller(tokens[name]) for name in ("root", "ada"))
            yield Fuzzing(root, askers, Victim(lambda: ada))


LIMITS: Final = ApiLimits(max_wait=0.05, allow_action_execution_deletion=True)
MAX_HEADER: Final = 16_384
WITHOUT: Final[tuple[Callable[[random.Random], dict[str, str]], ...]] = (
    lambda _chance: {},
    lambda _chance: {"X-Auth-Token": ""},
    lambda _chance: {"X-Auth-Token": "x"},
    lambda _chance: {"Authorization": "Bearer "},
    lambda _chance: {"Authorization": "Basic YWRhOmFkYQ=="},
    lambda _chance: {"X-Project-Id": "blue", "X-Roles": "admin", "X-Identity-Status": "Confirmed"},
)
BAD_CLAIMS: Final[tuple[dict[str, Any], ...]] = (
    {"exp": After(-31)},
    {"exp": None},
    {"nbf": After(3600)},
    {"aud": "another-service"},
    {"aud": None},
    {"iss": "https://evil.example.org/realms/web"},
    {"typ": "Refresh"},
    {"sub": None},
)
WAYS: Final = {"tokens": by_tokens, "oidc": by_openid}


def _saying(keycloak: Keycloak, changed: dict[str, Any]) -> Callable[[random.Random], dict[str, str]]:
    return lambda _chance: {"X-Auth-Token": token_saying(keycloak["web"], changed)}


def worn(token: str, chance: random.Random) -> str:
    """A good token of which something is changed in the middle of one of its parts."""
    place = chance.randrange(1, len(token) - 3)
    while token[place] == ".":
        place -= 1
    other = chance.choice([letter for letter in "abcxyzABCXYZ0189" if letter != token[place]])
    return token[:place] + other + token[place + 1 :]


@pytest.mark.covers("auth.401")
def test_a_share(tmp_path: Path) -> None:
    with by_openid(f"sqlite:///{tmp_path}/fuzzed.db", tmp_path) as fuzzing:
        fuzzing.round(SEED, EXAMPLES)
        assert_nothing_found(fuzzing, fuzzing.answers.total())
        statuses = {status for _, status in fuzzing.answers}
        assert {200, 401, 404} <= statuses
        assert {label for label, _ in fuzzing.answers} == set(map(label_of, fuzzing.operations))


def test_a_leak_is_found(tmp_path: Path) -> None:
    with by_tokens(f"sqlite:///{tmp_path}/fuzzed.db", tmp_path) as fuzzing:
        bob = fuzzing.api.as_caller(BOB)
        copied = {"name": "place", "variables": {"a": CANARY}}
        assert bob("POST", "/v2/environments", json=copied).status_code == 201
        leaking, let_in = bob("GET", "/v2/environments"), bob("GET", "/v2/workflows")
        asked = fuzzing.operations[:1]
        label = label_of(asked[0])
        loud = Asker(1, with_token(BOB), lambda label, _answer: _leak(label, leaking))
        found = Fuzzing(fuzzing.api, [loud])
        found.operations = asked
        found.round(SEED, 1)

        assert f"{label} gives away what is Ada's" in next(iter(found.findings.values()))
        assert _leak(label, let_in) is None
        assert "to somebody without a good token" in str(_let_in("GET /v2/workflows", let_in))


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_for_long(way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """FUZZ_SECONDS says for how long, FUZZ_SEED where to begin."""
    with WAYS[way](f"sqlite:///{tmp_path}/fuzzed.db", tmp_path) as fuzzing:
        last = fuzzing.last(SECONDS, SEED)
        found = json.dumps(sorted(_by_status(fuzzing).items()))
        with capsys.disabled():
            print(f"\n{way}: {fuzzing.answers.total()} requests, seeds {SEED} to {last}, by status {found}")
        assert_nothing_found(fuzzing, fuzzing.answers.total())


def _by_status(fuzzing: Fuzzing) -> dict[int, int]:
    found: dict[int, int] = {}
    for (_, status), count in fuzzing.answers.items():
        found[status] = found.get(status, 0) + count
    return found
