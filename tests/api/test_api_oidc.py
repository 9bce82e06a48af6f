"""Callers known by tokens of a provider of identities: real tokens, and those that must not count."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import httpx
import pytest
from api_service import Api, assert_fault
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws, jwt
from joserfc.jwk import OctKey, RSAKey

from keycloak import AUDIENCE, CLIENT, Keycloak, Realm, User, new_key
from maestrale.api.app import PageMakers, create_app
from maestrale.api.identity_settings import OidcSettings
from maestrale.api.oidc import OpenIdConnect
from maestrale.api.oidc_provider import RETRY
from maestrale.api.settings import ApiSettings
from maestrale.config import DatabaseSettings, ServerSettings, Settings
from maestrale.wiring import Service

PASSWORD: Final = "password-of-everybody"
WEB: Final = (User("ada", PASSWORD, ("member",)), User("root", PASSWORD, ("member", "admin")))
SHOP: Final = (User("bob", PASSWORD), User("boss", PASSWORD, ("admin",)))


@pytest.fixture(scope="module")
def keycloak() -> Iterator[Keycloak]:
    with Keycloak(web=WEB, shop=SHOP, other=(User("eve", PASSWORD, ("admin",)),)) as provider:
        yield provider


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose data the tests of this module share."""
    url = f"sqlite:///{tmp_path_factory.mktemp('oidc')}/oidc.db"
    service = Service(Settings(server=ServerSettings(auth="oidc"), database=DatabaseSettings(url)))
    service.start()
    yield service
    service.stop(0)


class After(NamedTuple):
    """A time, in seconds from now: tests run long after they were collected."""

    seconds: int


def token_saying(realm: Realm, changed: dict[str, Any]) -> str:
    """A token with changed claims."""
    now = int(time.time())
    claims: dict[str, Any] = {
        name: now + value.seconds if isinstance(value, After) else value for name, value in changed.items()
    }
    return realm.token(**claims)


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed


class Asking(NamedTuple):
    """The API in front of a provider, and the clock by which it asks that one."""

    api: Api
    clock: Clock

    def __call__(self, token: str, **headers: str) -> httpx.Response:
        return self.api("GET", "/v2/environments", headers={"X-Auth-Token": token, **headers})

    def project(self, token: str) -> str:
        """The project in which somebody with this token works."""
        name = f"e{time.monotonic_ns()}"
        made = self.api("POST", "/v2/environments", json={"name": name}, headers={"X-Auth-Token": token})
        assert made.status_code == 201, made.text
        found: str = made.json()["project_id"]
        return found

    def is_administrator(self, token: str) -> bool:
        """Whether somebody with this token sees everything."""
        answer = self.api("GET", "/v2/executions?all_projects=1", headers={"X-Auth-Token": token})
        assert answer.status_code in (200, 403), answer.text
        return answer.status_code == 200

    def refused(self, token: str, reason: str) -> None:
        """Nobody comes in with this token."""
        assert_fault(self(token), 401, f"Failed to validate access token: {reason}")


MAKERS: Final = PageMakers(str, lambda _document, base: base)


def settings_for(keycloak: Keycloak, *realms: str, **more: Any) -> OidcSettings:
    issuers = tuple(keycloak[name].issuer for name in realms or ("web",))
    return OidcSettings(**{"issuers": issuers, "audience": (AUDIENCE,), **more})


def asking(service: Service, settings: OidcSettings) -> Asking:
    clock = Clock()
    app = create_app(service.services(), ApiSettings(), MAKERS, OpenIdConnect(settings, clock))
    return Asking(Api(service, app=app), clock)


@pytest.fixture(scope="module")
def ask(service: Service, keycloak: Keycloak) -> Asking:
    return asking(service, settings_for(keycloak, "web", "shop"))


def log_in(realm: Realm, user: str) -> str:
    """A token from the provider's own hands."""
    fields = {"grant_type": "password", "client_id": CLIENT, "username": user, "password": PASSWORD}
    answer = httpx.post(f"{realm.issuer}/protocol/openid-connect/token", data=fields, trust_env=False)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


@pytest.mark.covers("auth.keycloak.token", "auth.keycloak.realm", "auth.keycloak.roles")
def test_people_of_two_realms(ask: Asking, keycloak: Keycloak) -> None:
    ada, root, bob = (
        log_in(keycloak["web"], "ada"),
        log_in(keycloak["web"], "root"),
        log_in(keycloak["shop"], "bob"),
    )
    assert (ask.project(ada), ask.project(bob)) == ("web", "shop")
    assert [ask.is_administrator(token) for token in (ada, root, bob)] == [False, True, False]
    bearer = ask.api("GET", "/v2/environments", headers={"Authorization": f"Bearer {bob}"})
    assert {row["project_id"] for row in bearer.json()["environments"]} == {"shop"}
    claimed = ask(bob, **{"X-Project-Id": "web", "X-Roles": "admin", "X-Identity-Status": "Confirmed"})
    assert {row["project_id"] for row in claimed.json()["environments"]} == {"shop"}
    nobody = ask.api("GET", "/v2/environments", headers={"X-Project-Id": "web", "X-User-Id": "id-of-ada"})
    assert_fault(nobody, 401, "Authentication required")


@pytest.mark.covers("auth.keycloak.token")
@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"exp": After(-31)}, "the token has expired"),
        ({"exp": None}, "the token lacks what it must say: exp"),
        ({"exp": True}, "Auth token is invalid"),
        ({"exp": "9999999999"}, "Auth token is invalid"),
        ({"nbf": After(90)}, "the token is not valid yet"),
        ({"iat": After(90)}, "the token was issued in the future"),
        ({"aud": "another-service"}, "the token is for another audience"),
        ({"aud": ["another-service", f"{AUDIENCE}2"]}, "the token is for another audience"),
        ({"aud": []}, "the token is for another audience"),
        ({"aud": {AUDIENCE: 1}}, "the token is for another audience"),
        ({"aud": None}, "the token lacks what it must say: aud"),
        ({"iss": "https://evil.example.org/realms/web"}, "the token is of another issuer"),
        ({"typ": "ID"}, "this is no access token"),
        ({"typ": "Refresh"}, "this is no access token"),
        ({"sub": None}, "the claim 'sub' is no text"),
        ({"sub": ""}, "the claim 'sub' is no text"),
        ({"sub": ["id-of-ada"]}, "Auth token is invalid"),
        ({"sub": "x" * 81}, "the claim 'sub' is no text of 1 to 80"),
    ],
)  # fmt: skip
def test_claims_that_do_not_do(ask: Asking, keycloak: Keycloak, changed: dict[str, Any], reason: str) -> None:
    ask.refused(token_saying(keycloak["web"], changed), reason)


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": After(-10)},
        {"nbf": After(10)},
        {"aud": AUDIENCE},
        {"aud": ["another-service", AUDIENCE]},
        {"realm_access": None},
        {"realm_access": {"roles": "admin"}, "preferred_username": 7},
    ],
)
def test_claims_that_do(ask: Asking, keycloak: Keycloak, changed: dict[str, Any]) -> None:
    assert ask.project(token_saying(keycloak["web"], changed)) == "web"


def part(content: Any) -> str:
    text = content if isinstance(content, bytes) else json.dumps(content).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def forgeries(keycloak: Keycloak) -> dict[str, tuple[str, str]]:
    """Tokens that somebody without the right key can make, and why each is refused."""
    web, shop = keycloak["web"], keycloak["shop"]
    claims, key = web.claims("root"), web.keys[0]
    assert isinstance(key, RSAKey)
    good = web.token()
    header, payload, signature = good.split(".")
    public = key.as_pem(private=False)
    signed = part({"alg": "HS256", "kid": key.kid}) + "." + part(claims)
    stolen = new_key()
    own_key = jwt.encode({"alg": "RS256", "kid": stolen.kid, "jwk": stolen.as_dict(private=False),
                          "jku": f"{keycloak.url}/realms/other/protocol/openid-connect/certs"},
                         claims, stolen)  # fmt: skip
    not_allowed = "the token is not signed with an algorithm that is allowed here"
    no_such_key = "the token is signed with a key that its issuer does not have"
    return {
        "no signature": (f"{part({'alg': 'none', 'kid': key.kid})}.{part(claims)}.", not_allowed),
        "no algorithm": (f"{part({'kid': key.kid})}.{part(claims)}.{signature}", "Auth token is invalid"),
        "NONE": (f"{part({'alg': 'NONE', 'kid': key.kid})}.{part(claims)}.", not_allowed),
        "the public key as a shared secret": (
            _with_secret(signed, public), not_allowed),
        "a shared secret": (jwt.encode({"alg": "HS256", "kid": key.kid}, claims,
                                       OctKey.import_key("x" * 64), algorithms=["HS256"]), not_allowed),
        "other claims": (f"{header}.{part(claims)}.{signature}", "the signature of the token is wrong"),
        "no end": (f"{header}.{payload}.", "the signature of the token is wrong"),
        "cut": (good[:-10], "the signature of the token is wrong"),
        "another key": (jwt.encode({"alg": "RS256", "kid": key.kid}, claims, stolen),
                        "the signature of the token is wrong"),
        "a key of one's own": (own_key, no_such_key),
        "no key named": (jwt.encode({"alg": "RS256"}, claims, key), "the token does not name the key"),
        "a key with no name": (web.token(header={"kid": ""}), "the token does not name the key"),
        "a long name": (web.token(header={"kid": "x" * 300}), "the token does not name the key"),
        "another realm's key": (shop.token("boss", iss=web.issuer), no_such_key),
        "a realm that nobody named": (keycloak["other"].token("eve"), "the token is of another issuer"),
        "something to be understood": (_critical(key, claims), "Auth token is invalid"),
        "long": ("x" * 20_000, "the token is longer than 16384"),
        "long and signed": (web.token(more="x" * 20_000), "the token is longer than 16384"),
        "nothing": ("..", "Auth token is invalid"),
        "no JWT": ("opaque", "Auth token is invalid"),
        "no JSON": (f"{part(b'{')}.{part(b'{')}.x", "Auth token is invalid"),
        "no map": (f"{part([])}.{part([])}.x", "Auth token is invalid"),
        "deep": (f"{part(b'[' * 5000)}.{part(b'[' * 5000)}.x", "Auth token is invalid"),
        "signed list": (jws.serialize_compact({"alg": "RS256", "kid": key.kid}, b"[1]", key),
                        "Auth token is invalid"),
        "encrypted": ("a.b.c.d.e", "Auth token is invalid"),
        "blanks": (good.replace(".", ". "), "Auth token is invalid"),
    }  # fmt: skip


def _critical(key: RSAKey, claims: Any) -> str:
    """Well signed, but with something in the header that has to be understood."""
    signed = f"{part({'alg': 'RS256', 'kid': key.kid, 'crit': ['more'], 'more': 1})}.{part(claims)}"
    private = key.private_key
    assert private is not None
    return f"{signed}.{part(private.sign(signed.encode(), PKCS1v15(), SHA256()))}"


def _with_secret(signed: str, secret: bytes) -> str:
    return f"{signed}.{part(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


@pytest.mark.covers("auth.keycloak.token")
def test_forged_tokens(ask: Asking, keycloak: Keycloak, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for name, (token, reason) in forgeries(keycloak).items():
        answer = ask(token)
        assert answer.status_code == 401, name
        assert reason in answer.json()["faultstring"], (name, answer.text)
        if len(token) > 20:
            assert token[:-5] not in answer.text
            assert token[:-5] not in caplog.text


@pytest.mark.covers("auth.keycloak.rotation")
def test_keys_change_amid_traffic(service: Service, keycloak: Keycloak) -> None:
    realm = keycloak["web"]
    ask = asking(service, settings_for(keycloak))
    old = realm.token()
    assert ask(old).status_code == 200
    before = realm.asked["certs"]
    realm.rotate()
    ask.clock.passed += RETRY
    new = realm.token()
    assert [ask(token).status_code for token in (new, old, new, old)] == [200] * 4
    assert realm.asked["certs"] == before + 1
    realm.keys.pop()  # the old one is taken away
    ask.clock.passed += 301
    assert ask(new).status_code == 200
    ask.api.until(lambda: ask(old).status_code == 401, "the old key to be forgotten")
    assert ask(new).status_code == 200


def test_unknown_keys_do_not_make_work(service: Service, keycloak: Keycloak) -> None:
    """Whoever invents keys has the provider asked at most every few seconds."""
    realm = keycloak["web"]
    ask = asking(service, settings_for(keycloak))
    assert ask(realm.token()).status_code == 200
    before = realm.asked["certs"]
    for number in range(10):
        ask.refused(realm.token(header={"kid": f"invented-{number}"}), "the token is signed with a key")
    assert realm.asked["certs"] == before
    ask.clock.passed += RETRY
    for number in range(10):
        ask.refused(realm.token(header={"kid": f"invented-{number}"}), "the token is signed with a key")
    assert realm.asked["certs"] == before + 1


def test_the_provider_is_down(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with Keycloak(web=WEB) as keycloak:
        realm = keycloak["web"]
        token = realm.token()
        keycloak.stop()
        ask = asking(service, settings_for(keycloak))
        busy = ask(token)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")
        assert "the provider of identities does not answer" in busy.text
        assert "cannot be had" in caplog.text
        ask.clock.passed += RETRY
        keycloak.start()
        assert ask(token).status_code == 200
        keycloak.stop()
        ask.clock.passed += 3600
        assert ask(token).status_code == 200  # its keys are fresh enough
        assert ask(realm.token(header={"kid": "x"})).status_code == 503  # nobody can tell
        ask.refused(realm.token(exp=1), "the token has expired")
        ask.clock.passed += 1
        assert ask(token).status_code == 503
        keycloak.start()
        ask.clock.passed += RETRY
        assert ask(token).status_code == 200
    assert token not in caplog.text


@pytest.mark.covers("auth.keycloak.roles")
def test_other_claims(service: Service, keycloak: Keycloak) -> None:
    realm, other = keycloak["web"], keycloak["shop"]
    more = {
        "project_claim": "https://example.org/team",
        "roles_claim": "resource_access.workflows.roles",
        "user_id_claim": "person.number",
        "admin_issuers": (realm.issuer,),
    }
    ask = asking(service, settings_for(keycloak, "web", "shop", **more))

    def token(realm: Realm, user: str, **changed: Any) -> str:
        roles = {"workflows": {"roles": ["admin"]}}
        own = {"https://example.org/team": "blue", "person": {"number": "7"}, "resource_access": roles}
        return realm.token(user, **{**own, **changed})

    assert ask.project(token(realm, "ada")) == "blue"
    assert ask.is_administrator(token(realm, "ada"))
    assert not ask.is_administrator(token(realm, "root", resource_access=None))
    assert not ask.is_administrator(token(other, "boss"))
    ask.refused(realm.token(), "the claim 'https://example.org/team' is no text")
    ask.refused(token(realm, "ada", person=7), "the claim 'person.number' is no text")


def test_introspection(service: Service, keycloak: Keycloak) -> None:
    realm = keycloak["web"]
    more = {"ask": "introspection", "client_id": CLIENT, "client_secret": "secret-of-the-client"}
    ask = asking(service, settings_for(keycloak, **more))
    token = log_in(realm, "ada")
    before = realm.asked["introspect"]
    assert [ask(token).status_code for _ in range(5)] == [200] * 5
    assert realm.asked["introspect"] == before + 1
    realm.revoke(token)
    assert ask(token).status_code == 200  # the answer still holds
    ask.clock.passed += 31
    ask.refused(token, "the provider of identities does not accept the token")
    ask.refused(realm.token(), "the provider of identities does not accept the token")  # it never gave that

    claims = realm.claims("root")
    realm.accept("opaque", claims)
    assert ask.is_administrator("opaque")
    realm.accept("opaque-for-others", {**claims, "aud": "another-service"})
    ask.refused("opaque-for-others", "the token is for another audience")
    realm.accept("opaque-of-others", {**claims, "iss": keycloak["shop"].issuer})
    ask.refused("opaque-of-others", "the token is of another issuer")
    ask.refused("invented", "the provider of identities does not accept the token")


def test_introspection_needs_the_provider(service: Service) -> None:
    with Keycloak(web=WEB) as keycloak:
        more = {"ask": "introspection", "client_id": CLIENT, "client_secret": "wrong"}
        token = log_in(keycloak["web"], "ada")
        ask = asking(service, settings_for(keycloak, **more))
        assert ask(token).status_code == 503  # it does not know us
        ask = asking(service, settings_for(keycloak, **{**more, "client_secret": "secret-of-the-client"}))
        assert ask(token).status_code == 200
        keycloak.stop()
        assert ask(token).status_code == 200
        ask.clock.passed += 31
        busy = ask(token)
        assert (busy.status_code, busy.headers["Retry-After"]) == (503, "5")


@pytest.mark.covers("auth.keycloak.userinfo")
def test_userinfo(service: Service, keycloak: Keycloak) -> None:
    realm = keycloak["web"]
    ask = asking(service, settings_for(keycloak, ask="userinfo"))
    token = log_in(realm, "ada")
    assert ask.project(token) == "web"
    realm.revoke(token)
    ask.clock.passed += 31
    ask.refused(token, "the provider of identities does not accept the token")
    realm.accept("opaque", realm.claims())
    ask.refused("opaque", "Auth token is invalid")
