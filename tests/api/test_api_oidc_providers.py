"""Providers of identities that are slow, certificates between them and us, and settings that do not do."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from certificates import self_signed
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from starlette.datastructures import Headers

from keycloak import AUDIENCE, Key, Keycloak, Realm, User, new_key
from maestrale.api.authentications import choose
from maestrale.api.identity_settings import OidcSettings
from maestrale.api.oidc import OpenIdConnect
from maestrale.config import ConfigError, ServerSettings, Settings, load
from maestrale.model.errors import Unauthorized, Unavailable
from maestrale.services.access import Caller

WEB: Final = (User("ada", "secret", ("member",)),)


@pytest.fixture(scope="module")
def keycloak() -> Iterator[Keycloak]:
    with Keycloak(web=WEB) as provider:
        yield provider


def ways(keycloak: Keycloak, clock: Any = time.monotonic, **more: Any) -> OpenIdConnect:
    settings = {"issuers": (keycloak["web"].issuer,), "audience": (AUDIENCE,), **more}
    return OpenIdConnect(OidcSettings(**settings), clock)


async def caller(way: OpenIdConnect, token: str) -> Caller:
    return await way.caller(Headers({"X-Auth-Token": token}), None)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize(
    ("algorithm", "key", "other"),
    [
        ("PS256", RSAKey.generate_key(2048), "RS256"),
        ("RS512", RSAKey.generate_key(2048), "PS512"),
        ("ES256", ECKey.generate_key("P-256"), ""),
        ("ES384", ECKey.generate_key("P-384"), ""),
        ("Ed25519", OKPKey.generate_key("Ed25519"), "EdDSA"),
    ],
)
def test_kinds_of_signatures(keycloak: Keycloak, algorithm: str, key: Key, other: str) -> None:
    realm = Realm("http://127.0.0.1/realms/web", WEB)
    key.ensure_kid()
    realm.keys, realm.algorithm = [key], algorithm
    published = {**key.as_dict(private=False), "use": "sig", "alg": algorithm}
    keycloak["web"].further_keys = [published]
    way = ways(keycloak)
    assert asyncio.run(caller(way, realm.token(iss=keycloak["web"].issuer))).user_id == "id-of-ada"
    if other:
        asked = caller(way, realm.token(iss=keycloak["web"].issuer, header={"alg": other}))
        with pytest.raises(Unauthorized, match="Auth token is invalid"):
            asyncio.run(asked)
    only = ways(keycloak, algorithms=("RS384",))
    asked = caller(only, realm.token(iss=keycloak["web"].issuer))
    with pytest.raises(Unauthorized, match="not signed with an algorithm that is allowed here"):
        asyncio.run(asked)


@pytest.mark.filterwarnings("ignore:Key size")
def test_keys_that_are_for_something_else(keycloak: Keycloak) -> None:
    """Shared secrets, keys for encryption, weak ones, others without a name, and no keys at all."""
    realm = Realm(keycloak["web"].issuer, WEB)
    shared = OctKey.import_key("x" * 64)
    encryption, weak, nameless = new_key(), RSAKey.generate_key(1024), new_key()
    weak.ensure_kid()
    public = [key.as_dict(private=False) for key in (encryption, weak, nameless)]
    keycloak["web"].further_keys = [
        {**shared.as_dict(private=True), "kid": "shared"},
        {**public[0], "use": "enc"},
        public[1],
        {name: value for name, value in public[2].items() if name != "kid"},
        {"kty": "RSA", "kid": "odd", "n": "?"},
        {"kty": "unknown", "kid": "new"},
        "x",
        None,
    ]
    way = ways(keycloak)
    assert asyncio.run(caller(way, keycloak["web"].token())).user_id == "id-of-ada"
    for key in (encryption, weak, nameless):
        realm.keys = [key]
        asked = caller(way, realm.token())
        with pytest.raises(Unauthorized, match="a key that its issuer does not have"):
            asyncio.run(asked)
    secret = jwt.encode({"alg": "HS256", "kid": "shared"}, realm.claims(), shared, algorithms=["HS256"])
    asked = caller(way, secret)
    with pytest.raises(Unauthorized, match="not signed with an algorithm that is allowed here"):
        asyncio.run(asked)
    keycloak["web"].further_keys = []


def test_a_provider_that_takes_its_time(keycloak: Keycloak) -> None:
    """All wait for one attempt; and nobody waits whose key is known."""
    realm = keycloak["web"]
    clock = Clock()
    way = ways(keycloak, clock)
    before = realm.asked["certs"]
    token = realm.token()

    async def many() -> list[Caller]:
        keycloak.gate.clear()
        waiting = [asyncio.create_task(caller(way, token)) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in waiting)
        waiting.pop().cancel()  # somebody leaves
        keycloak.gate.set()
        found = await asyncio.gather(*waiting)
        assert realm.asked["certs"] == before + 1
        keycloak.gate.clear()
        clock.seconds += 301
        found += [await caller(way, token) for _ in range(20)]
        keycloak.gate.set()
        return found

    found = asyncio.run(asyncio.wait_for(many(), 15))
    assert {one.user_id for one in found} == {"id-of-ada"}
    assert len(found) == 39


class Clock:
    """Seconds that pass when they are told to."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_a_provider_that_never_answers(keycloak: Keycloak) -> None:
    way = ways(keycloak, timeout=0.1)
    keycloak.gate.clear()
    begin = time.monotonic()
    with pytest.raises(Unavailable) as raised:
        asyncio.run(caller(way, keycloak["web"].token()))
    keycloak.gate.set()
    assert raised.value.retry_after == 5
    assert time.monotonic() - begin < 5


@pytest.mark.covers("auth.keycloak.tls")
def test_certificates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = [tmp_path / name for name in ("server", "client")]
    for folder in folders:
        folder.mkdir()
    server, client = map(self_signed, folders)
    with Keycloak(certificate=server, authority=client, web=WEB) as keycloak:
        token = keycloak["web"].token()
        shown = {"cert_file": str(client)}
        good: tuple[dict[str, Any], ...] = ({"ca_file": str(server), **shown}, {"insecure": True, **shown})
        bad: tuple[dict[str, Any], ...] = ({}, shown, {"ca_file": str(server)}, {"insecure": True})
        for more in good:
            assert asyncio.run(caller(ways(keycloak, **more), token)).project_id == "web"
        assert "oidc.insecure" in caplog.text
        for more in bad:
            asked = caller(ways(keycloak, **more), token)
            with pytest.raises(Unavailable):
                asyncio.run(asked)
    with pytest.raises(ConfigError, match="ca_file: /nowhere"):
        ways(keycloak, ca_file="/nowhere")


def test_addresses_of_a_description_stay_on_https(tmp_path: Path, keycloak: Keycloak) -> None:
    """A provider with HTTPS that names addresses without is not followed there."""
    pem = self_signed(tmp_path)
    with Keycloak(certificate=pem, web=WEB) as secure:
        realm = secure["web"]
        token = realm.token()
        realm.below = keycloak["web"].issuer
        before = keycloak["web"].asked["certs"]
        asked = caller(ways(secure, ca_file=str(pem)), token)
        with pytest.raises(Unavailable):
            asyncio.run(asked)
        assert keycloak["web"].asked["certs"] == before


@pytest.mark.parametrize(
    ("auth", "more", "words"),
    [
        ("oidc", {"issuers": ()}, "oidc.issuers names no provider"),
        ("oidc", {"audience": ()}, "oidc.audience is missing"),
        ("oidc:x", {}, "Nothing may follow 'oidc'"),
        ("oidc", {"issuers": ("https://idp.example.org",)}, "oidc.project_claim is missing"),
        ("oidc", {"issuers": ("https://a/realms/x", "https://b/realms/x")}, "two realms of one name"),
        (
            "oidc",
            {"admin_issuers": ("https://b/realms/x",)},
            "'https://b/realms/x' is not in",
        ),
        ("oidc", {"ask": "introspection"}, "oidc.client_id is missing"),
        ("oidc", {"ca_file": "/nowhere"}, "The certificate files of \\[oidc\\] cannot be used"),
    ],
)
def test_settings_that_do_not_do(auth: str, more: dict[str, Any], words: str) -> None:
    own = OidcSettings(**{"issuers": ("https://a/realms/x",), "audience": ("workflows",), **more})
    with pytest.raises(ConfigError, match=words):
        choose(Settings(server=ServerSettings(auth=auth), oidc=own))


def test_the_package_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("maestrale.api.oidc")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "joserfc", None)
    with pytest.raises(ConfigError, match=r"pip install 'maestrale\[oidc\]'"):
        choose(Settings(server=ServerSettings(auth="oidc")))


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("ISSUERS", "keycloak.example.org/realms/web", "is no address of a provider"),
        ("ISSUERS", "https://keycloak/realms/web?x=1", "is no address of a provider"),
        ("ALGORITHMS", "RS256,HS256", "'HS256' is not allowed here"),
        ("ALGORITHMS", "none", "'none' is not allowed here"),
        ("ALGORITHMS", "", "cannot be empty"),
        ("LEEWAY", "-1", "a time cannot be negative"),
        ("TIMEOUT", "0", "timeout must be more than 0"),
        ("ASK", "always", "Invalid enum value 'always'"),
    ],
)
def test_values_that_do_not_do(name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load({}, {f"MAESTRALE_OIDC_{name}": value})
