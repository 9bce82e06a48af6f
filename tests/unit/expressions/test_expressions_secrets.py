from __future__ import annotations

from typing import Any

import pytest
from expressions_world import failure_of, scope, value_of

from maestrale.expressions import template
from maestrale.expressions.surroundings import Scope
from maestrale.model.errors import EvaluationError
from maestrale.model.values import Secret, reveal

WORD = "s3cret-word"


def data() -> dict[str, Any]:
    return {
        "password": Secret(WORD),
        "login": Secret({"user": "me", "keys": [WORD, "b"]}),
        "server": {"host": "h", "password": Secret(WORD)},
        "servers": [{"host": "h1", "password": Secret(WORD)}, {"host": "h2", "password": Secret("other")}],
        "words": [Secret(WORD), "plain"],
        "text": "plain",
    }


@pytest.mark.parametrize(
    ("text", "clear"),
    [
        ("<% $.password %>", WORD),
        ("{{ _.password }}", WORD),
        ("<% $.login.user %>", "me"),
        ("{{ _.login.user }}", "me"),
        ("<% $.login['keys'][0] %>", WORD),
        ("{{ _['login']['keys'][0] }}", WORD),
        ("<% $.login.get(user) %>", "me"),
        ("<% $.server.password %>", WORD),
        ("{{ _.servers[1].password }}", "other"),
        ("pw=<% $.password %>!", f"pw={WORD}!"),
        ("pw={{ _.password }}!", f"pw={WORD}!"),
        ("<% $.text %> <% $.server %>", f"plain {{'host': 'h', 'password': '{WORD}'}}"),
        ("{{ _.server }}!", f"{{'host': 'h', 'password': '{WORD}'}}!"),
        ("{{ _.words }}!", f"['{WORD}', 'plain']!"),
        ("{% if _.password %}{{ _.text }}{% endif %}", "plain"),
        ("<% 'Bearer ' + $.password %>", f"Bearer {WORD}"),
        ("{{ 'Bearer ' ~ _.password | upper }}", f"Bearer {WORD.upper()}"),
        ("<% $.password.toUpper() %>", WORD.upper()),
        ("<% {user => me, password => $.password} %>", {"user": "me", "password": WORD}),
        ("<% $.servers.password %>", [WORD, "other"]),
        ("<% $.password = other %>", False),
        ("<% json_dump($.words) %>", f'[\n    "{WORD}",\n    "plain"\n]'),
        ("{{ _.server | tojson }}", f'{{"host": "h", "password": "{WORD}"}}'),
        ("<% str($.server) %>", f"{{'host': 'h', 'password': '{WORD}'}}"),
    ],
)
def test_what_is_made_of_a_secret_is_a_secret(text: str, clear: Any) -> None:
    result = value_of(text, **data())
    assert type(result) is Secret
    assert reveal(result) == clear


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("<% $.server %>", {"host": "h", "password": Secret(WORD)}),
        ("{{ _.server }}", {"host": "h", "password": Secret(WORD)}),
        ("<% $.servers.first() %>", {"host": "h1", "password": Secret(WORD)}),
        ("<% $.servers.where($.host = h2).select($.host) %>", ["h2"]),
        ("{{ _.servers | map(attribute='host') | list }}", ["h1", "h2"]),
        ("<% $.server.keys() %>", ["host", "password"]),
        ("<% $.servers.len() %>", 2),
        ("<% $.text %>!", "plain!"),
    ],
)
def test_what_is_made_of_the_rest_is_none_and_secrets_stay_closed(text: str, result: Any) -> None:
    assert value_of(text, **data()) == result


def test_secrets_that_are_constants_stay_what_they_are() -> None:
    assert value_of({"a": Secret("<% 1 %>"), "b": "<% 1 %>"}) == {"a": Secret("<% 1 %>"), "b": 1}


@pytest.mark.parametrize(
    "text",
    [
        "<% int($.password) %>",
        "<% $.password.nope() %>",
        "<% $.password + 1 %>",
        "<% $.login.nope %>",
        "<% json_parse($.password) %>",
        "{{ _.password + 1 }}",
        "{{ _.login.nope }}",
        "{{ _.password | nope }}{{ _.x }}",
        "x {{ _.login[_.password] }}",
        "<% $[$.password] %>",
        "<% $.password.assert(false, $.password) %>",
    ],
)
def test_errors_do_not_tell_secrets(text: str) -> None:
    message = failure_of(text, **data())
    assert WORD not in message
    assert "user" not in message
    with pytest.raises(EvaluationError) as caught:
        template.evaluate(text, scope(**data()))
    shown: BaseException | None = caught.value
    while shown is not None:
        assert WORD not in str(shown)
        shown = shown.__cause__ or (None if shown.__suppress_context__ else shown.__context__)


def test_errors_say_that_a_secret_is_the_reason_for_their_silence() -> None:
    assert "it failed on a secret value; details are not shown" in failure_of(
        "<% int($.password) %>", **data()
    )


@pytest.mark.parametrize("text", ["<% $ %>", "{{ _ }}"])
def test_a_secret_root(text: str) -> None:
    assert template.evaluate(text, Scope(root=Secret({"a": 1}))) == Secret({"a": 1})
