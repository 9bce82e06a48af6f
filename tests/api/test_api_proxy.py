"""Callers that a proxy in front has found out, and everybody else who claims to be one."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.datastructures import Headers

from maestrale.api.authentications import choose
from maestrale.api.identity_settings import ProxySettings
from maestrale.api.proxy import Proxy
from maestrale.config import ConfigError, ServerSettings, Settings, load
from maestrale.model.errors import Unauthorized
from maestrale.services.access import Caller

PROXY = "10.0.0.5"
GIVEN = {
    "X-Identity-Status": "Confirmed",
    "X-Project-Id": "web",
    "X-User-Id": "ada",
    "X-User-Name": "Ada Lovelace",
    "X-Roles": "member, admin,",
}


def ask(headers: Any = None, address: str | None = PROXY, **settings: Any) -> Caller:
    proxy = Proxy(ProxySettings(**{"trusted": (PROXY, "10.1.0.0/16", "fd00::/8"), **settings}))
    return asyncio.run(proxy.caller(Headers(headers or GIVEN), address))


def refused(words: str, headers: Any = None, address: str | None = PROXY, **settings: Any) -> None:
    with pytest.raises(Unauthorized, match=f"^Failed to validate access token: .*{words}"):
        ask(headers, address, **settings)


def test_what_a_proxy_says() -> None:
    assert ask() == Caller("web", "ada", "Ada Lovelace", ("member", "admin"), True)
    headers = {"X-Identity-Status": "Confirmed", "X-Project-Id": "web", "X-User-Id": "ada"}
    assert ask(headers) == Caller("web", "ada")
    name = "Ada L\u00f6velace".encode().decode("latin-1")  # as a server shows UTF-8
    assert ask({**GIVEN, "X-User-Name": name}).user_name == "Ada L\u00f6velace"


@pytest.mark.parametrize("address", [PROXY, "10.1.255.1", "::ffff:10.0.0.5", "fd00::1"])
def test_addresses_of_proxies(address: str) -> None:
    assert ask(address=address).user_id == "ada"


@pytest.mark.parametrize(
    "address", [None, "", "10.0.0.6", "127.0.0.1", "::1", "::ffff:10.0.0.6", "10.0.0.5 ", "x"]
)
def test_others_are_not_believed(address: str | None) -> None:
    refused("have to come through the proxy", address=address)
    refused("have to come through the proxy", {**GIVEN, "X-Forwarded-For": PROXY}, address)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"X-Identity-Status": "Invalid"}, "Authentication required"),
        ({"X-Identity-Status": ""}, "Authentication required"),
        ({"X-Project-Id": ""}, "The proxy sent no X-Project-Id"),
        ({"X-Project-Id": " "}, "The proxy sent no X-Project-Id"),
        ({"X-User-Id": ""}, "The proxy sent no X-User-Id"),
        ({"X-Project-Id": "x" * 81}, "more than 80 characters"),
        ({"X-User-Id": "x" * 81}, "more than 80 characters"),
    ],
)
def test_what_a_proxy_must_say(changed: dict[str, str], words: str) -> None:
    refused(words, {**GIVEN, **changed})


@pytest.mark.parametrize("name", ["x-project-id", "x-user-id", "x-roles", "x-identity-status", "x-user-name"])
def test_a_header_that_a_client_slipped_in(name: str) -> None:
    """The proxy added its own beside that of the client: neither counts."""
    raw = [(key.lower().encode(), value.encode()) for key, value in GIVEN.items()]
    proxy = Proxy(ProxySettings(trusted=(PROXY,)))
    asked = proxy.caller(Headers(raw=[(name.encode(), b"admin"), *raw]), PROXY)
    with pytest.raises(Unauthorized, match="came more than once"):
        asyncio.run(asked)


def test_a_shared_secret() -> None:
    assert ask({**GIVEN, "X-Proxy-Secret": "s3cret"}, secret="s3cret").user_id == "ada"
    assert ask({**GIVEN, "X-Mine": "s3cret"}, secret="s3cret", secret_header="X-Mine").user_id == "ada"
    for headers in (GIVEN, {**GIVEN, "X-Proxy-Secret": "s3cre"}, {**GIVEN, "X-Proxy-Secret": "s3cret\u00e4"}):
        refused("did not prove itself", headers, secret="s3cret")


def test_other_names_of_headers() -> None:
    headers = {"Remote-User": "ada", "Remote-Team": "web", "Remote-Groups": "admin"}
    names = {"project_header": "Remote-Team", "user_header": "Remote-User", "roles_header": "Remote-Groups",
             "user_name_header": "", "status_header": ""}  # fmt: skip
    assert ask(headers, **names) == Caller("web", "ada", None, ("admin",), True)
    refused("The proxy sent no Remote-Team", GIVEN, **names)


@pytest.mark.parametrize(
    ("auth", "settings", "words"),
    [
        ("proxy", {}, "proxy.trusted names no proxy"),
        ("proxy:10.0.0.5", {"trusted": ("10.0.0.5",)}, "Nothing may follow 'proxy'"),
        ("proxy", {"trusted": ("10.0.0.5", "0.0.0.0/0")}, "proxy.trusted trusts everybody"),
        ("proxy", {"trusted": ("::/0",)}, "proxy.trusted trusts everybody"),
    ],
)
def test_settings_that_do_not_do(auth: str, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        choose(Settings(server=ServerSettings(auth=auth), proxy=ProxySettings(**settings)))


def test_settings_by_the_environment() -> None:
    variables = {"MAESTRALE_PROXY_TRUSTED": "10.0.0.5,10.1.0.0/16", "MAESTRALE_PROXY_SECRET": "s3cret"}
    loaded = load({("server", "auth"): "proxy"}, variables)
    assert isinstance(choose(loaded.settings), Proxy)
    shown = {(one.section, one.name): one.shown for one in loaded}
    assert shown["proxy", "secret"] == "***"
    assert shown["proxy", "trusted"] == ("10.0.0.5", "10.1.0.0/16")
    with pytest.raises(ConfigError, match=r"proxy.trusted .*'10.0.0.300' does not appear to be"):
        load({}, {"MAESTRALE_PROXY_TRUSTED": "10.0.0.300"})
    with pytest.raises(ConfigError, match=r"Wrong value for proxy.secret .*: \*\*\*: no header can carry"):
        load({}, {"MAESTRALE_PROXY_SECRET": "s\u00e4cret"})
