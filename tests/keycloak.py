"""A provider of identities with the paths, claims and password grant of a Keycloak, on loopback.

Authlib's authorization server signs, checks passwords and answers introspection. Each realm has its users,
its keys and an address of its own. It can be stopped and started again at the same address.
"""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.errors import InvalidGrantError
from authlib.oauth2.rfc6749.grants import ResourceOwnerPasswordCredentialsGrant
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, Response, jsonify, request
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

AUDIENCE: Final = "workflows"
CLIENT: Final = "command-line"
SECRET: Final = "secret-of-the-client"
LIFE: Final = 300
PATIENCE: Final = 20.0

Claims = dict[str, Any]
Key = RSAKey | ECKey | OKPKey


class User(NamedTuple):
    """Somebody in a realm."""

    name: str
    password: str
    roles: tuple[str, ...] = ()

    def get_user_id(self) -> str:
        """What tokens call this person."""
        return f"id-of-{self.name}"


class Client(ClientMixin):  # type: ignore[misc]
    """The program through which people log in."""

    def get_client_id(self) -> str:
        return CLIENT

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method != "none" if endpoint == "introspection" else True

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "password"


class Token(NamedTuple):
    """A token that was given out."""

    claims: Claims
    client: Client

    def get_client(self) -> Client:
        """Who got it."""
        return self.client

    def is_expired(self) -> bool:
        """Whether its time is over."""
        return bool(self.claims["exp"] < time.time())

    def is_revoked(self) -> bool:
        """Whether it was taken back."""
        return bool(self.claims.get("revoked"))


class Realm:
    """A realm: its users, its keys (the first one signs), what it gave out, and how often it was asked."""

    def __init__(self, address: str, users: tuple[User, ...]) -> None:
        self.issuer = address
        self.below = address
        """Where its other pages are, by its own word."""

        self.users = {user.name: user for user in users}
        self.algorithm = "RS256"
        self.keys: list[Key] = [new_key()]
        self.further_keys: list[Any] = []
        """What else is among its keys, as it is published."""

        self.tokens: dict[str, Token] = {}
        self.asked: Counter[str] = Counter()
        self.life = LIFE
        self.audience: str | list[str] = [AUDIENCE, "account"]

    def rotate(self, keep: bool = True) -> Key:
        """Sign with a new key from now on; the older ones are still good if they are kept."""
        self.keys = [new_key(), *(self.keys if keep else ())]
        return self.keys[0]

    def claims(self, user: str = "ada", **changed: Any) -> Claims:
        """What a token of a user says; a value of None leaves a claim out."""
        found = self.users[user]
        now = int(time.time())
        base = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": found.get_user_id(),
            "exp": now + self.life,
            "iat": now,
            **self.extra(found),
        }
        return {name: value for name, value in {**base, **changed}.items() if value is not None}

    def extra(self, user: User) -> Claims:
        """What Keycloak adds to the claims of the standard."""
        roles = {"roles": list(user.roles)}
        return {"typ": "Bearer", "azp": CLIENT, "preferred_username": user.name, "realm_access": roles}

    def token(self, user: str = "ada", header: Mapping[str, Any] | None = None, **changed: Any) -> str:
        """A token as `claims` has it, signed with the key of now."""
        key = self.keys[0]
        header = {"alg": self.algorithm, "kid": key.kid, **(header or {})}
        return jwt.encode(header, self.claims(user, **changed), key, algorithms=[str(header["alg"])])

    def revoke(self, token: str) -> None:
        """Take back a token that was given out."""
        self.tokens[token].claims["revoked"] = True

    def accept(self, token: str, claims: Claims) -> None:
        """Take a text for a token with these claims from now on."""
        self.tokens[token] = Token(claims, Client())


class _Grant(ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS: Final = ("client_secret_post", "client_secret_basic", "none")
    realm: Realm

    def authenticate_user(self, username: str, password: str) -> User:
        user = self.realm.users.get(username)
        if user is None or user.password != password:
            raise InvalidGrantError(description="Invalid user credentials")
        return user


class _Generator(JWTBearerTokenGenerator):  # type: ignore[misc]
    def __init__(self, realm: Realm) -> None:
        super().__init__(realm.issuer, expires_generator=lambda _client, _grant: realm.life)
        self._realm = realm

    def get_jwks(self) -> Any:
        return KeySet([self._realm.keys[0]])  # out of a set, so that the token names its key

    def get_audiences(self, _client: Client, _user: User, _scope: str) -> str | list[str]:
        return self._realm.audience

    def get_extra_claims(self, _client: Client, _grant: str, user: User, _scope: str) -> Claims:
        return self._realm.extra(user)


class _Introspection(IntrospectionEndpoint):  # type: ignore[misc]
    realm: Realm

    def check_permission(self, _token: Token, _client: Client, _request: Any) -> bool:
        return True

    def query_token(self, token_string: str, _hint: str) -> Token | None:
        return self.realm.tokens.get(token_string)

    def introspect_token(self, token: Token) -> Claims:
        return dict(token.claims)


def _application(realm: Realm) -> Flask:
    """The pages of one realm, below its address."""
    app = Flask(realm.issuer)
    server = AuthorizationServer(
        app, query_client=lambda _id: Client(), save_token=lambda token, _request: _remember(realm, token)
    )
    server.register_grant(type("Grant", (_Grant,), {"realm": realm}))
    server.register_token_generator("default", _Generator(realm))
    server.register_endpoint(type("Introspection", (_Introspection,), {"realm": realm}))
    protocol = "/protocol/openid-connect"

    @app.before_request
    def _count() -> None:
        realm.asked[request.path.rpartition("/")[2]] += 1

    @app.get("/.well-known/openid-configuration")
    def _describe() -> Response:
        below = realm.below + protocol
        return jsonify(
            issuer=realm.issuer,
            jwks_uri=f"{below}/certs",
            token_endpoint=f"{below}/token",
            introspection_endpoint=f"{below}/token/introspect",
            userinfo_endpoint=f"{below}/userinfo",
        )

    @app.get(f"{protocol}/certs")
    def _certs() -> Response:
        entries = [{**key.as_dict(private=False), "use": "sig", "alg": realm.algorithm} for key in realm.keys]
        return jsonify(keys=[*entries, *realm.further_keys])

    @app.post(f"{protocol}/token")
    def _token() -> Any:
        return server.create_token_response()

    @app.post(f"{protocol}/token/introspect")
    def _introspect() -> Any:
        return server.create_endpoint_response("introspection")

    @app.get(f"{protocol}/userinfo")
    def _userinfo() -> Any:
        token = realm.tokens.get(request.headers.get("Authorization", "").removeprefix("Bearer "))
        if token is None or token.is_expired() or token.is_revoked():
            return jsonify(error="invalid_token"), 401
        return jsonify(sub=token.claims["sub"])

    return app


def _remember(realm: Realm, token: Mapping[str, Any]) -> None:
    text = token["access_token"]
    realm.accept(text, jwt.decode(text, realm.keys[0]).claims)


def new_key() -> RSAKey:
    """A key with an id."""
    key = RSAKey.generate_key(2048)
    key.ensure_kid()
    return key


def _server_side(certificate: Path, authority: Path | None) -> ssl.SSLContext:
    """TLS with a certificate; clients must show one of `authority` if there is one."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(authority)
    return context


class _Quiet(WSGIRequestHandler):
    """Writes no lines about requests."""

    def log_request(self, *_args: Any, **_named: Any) -> None:
        pass


class Keycloak:
    """The provider: `with Keycloak(web=(User("ada", "secret"),)) as keycloak`."""

    def __init__(
        self, certificate: Path | None = None, authority: Path | None = None, **realms: tuple[User, ...]
    ) -> None:
        os.environ.setdefault("AUTHLIB_INSECURE_TRANSPORT", "1")  # it is on loopback
        self._context = _server_side(certificate, authority) if certificate else None
        self._server = self._open(0)
        self._port = self._server.server_port
        self._is_open = True
        self.gate = threading.Event()
        """Answers wait while this is cleared."""

        self.gate.set()
        self.url = f"{'https' if certificate else 'http'}://127.0.0.1:{self._port}"
        self.realms = {name: Realm(f"{self.url}/realms/{name}", users) for name, users in realms.items()}
        self._pages = {name: _application(realm) for name, realm in self.realms.items()}

    def __getitem__(self, name: str) -> Realm:
        return self.realms[name]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _open(self, port: int) -> BaseWSGIServer:
        return make_server(
            "127.0.0.1", port, self._answer, True, request_handler=_Quiet, ssl_context=self._context
        )

    def start(self) -> None:
        """Answer, at the same address as before."""
        if not self._is_open:
            self._server = self._open(self._port)
            self._is_open = True
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        """Do not answer any more: connections are refused."""
        if self._is_open:
            self._server.shutdown()
            self._server.server_close()
            self._is_open = False

    def _answer(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.gate.wait(PATIENCE)
        path = environ["PATH_INFO"]
        name, _, rest = path.removeprefix("/realms/").partition("/")
        if not path.startswith("/realms/") or name not in self._pages:
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such realm"]
        environ = {**environ, "SCRIPT_NAME": f"/realms/{name}", "PATH_INFO": f"/{rest}"}
        return self._pages[name](environ, start_response)
