"""What an operator sets about where callers come from: a trusted proxy, providers of identities."""

from __future__ import annotations

from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from maestrale.api.addresses import Addresses

REALMS: Final = "/realms/"
"""What stands before the name of a realm in the address of a Keycloak."""

SIGNATURES: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512",
                     "Ed25519", "EdDSA")  # fmt: skip
"""Algorithms with a key for signing and another one for checking: no others can be allowed."""


class ProxySettings(msgspec.Struct, frozen=True):
    """`trusted`: addresses and networks (`10.0.0.5`, `10.1.0.0/16`) of the proxies whose word counts.
    `secret`: if there is one, it must be in `secret_header` of every request. `project_header`,
    `user_header`, `user_name_header`, `roles_header` (commas between roles): where a proxy says who asks.
    `status_header`: must hold "Confirmed"; empty: is not looked at."""

    trusted: tuple[str, ...] = ()
    secret: str = ""
    secret_header: str = "X-Proxy-Secret"
    project_header: str = "X-Project-Id"
    user_header: str = "X-User-Id"
    user_name_header: str = "X-User-Name"
    roles_header: str = "X-Roles"
    status_header: str = "X-Identity-Status"

    def __post_init__(self) -> None:
        Addresses(self.trusted)
        if self.secret and not (self.secret.isascii() and self.secret.isprintable()):
            raise ValueError("no header can carry this secret")
        needed = (self.secret_header, self.project_header, self.user_header, self.roles_header)
        if not all(needed):
            raise ValueError("only user_name_header and status_header can be empty")


class OidcSettings(msgspec.Struct, frozen=True):
    """`issuers`: addresses of the providers (or of each realm of a Keycloak), exactly as tokens name them.
    `audience`: one of these must be in the audience of a token. `algorithms`: of signatures.
    `leeway`: seconds by which clocks may differ.

    `project_claim`: the claim with the project; empty: the realm is the project. `roles_claim`,
    `user_id_claim`, `user_name_claim`: the others; dots lead into maps. `admin_issuers`: those whose role
    `admin` makes an administrator; empty: all of them.

    `refresh_after`, `keys_max_age`: seconds after which keys are asked for again, and up to which they are
    used if the provider does not answer. `ask`: whether the provider is asked about each token too, and
    where: "never", at its "introspection" (which takes tokens that are no JWT as well; with `client_id` and
    `client_secret`) or at its "userinfo". `answer_max_age`: seconds for which such an answer holds.

    `timeout`: seconds that the provider has for an answer. `ca_file`: certificate authority of the provider;
    `cert_file`, `key_file`: the certificate to show to it; `insecure`: accept any from it."""

    issuers: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = SIGNATURES
    leeway: int = 30
    project_claim: str = ""
    roles_claim: str = "realm_access.roles"
    user_id_claim: str = "sub"
    user_name_claim: str = "preferred_username"
    admin_issuers: tuple[str, ...] = ()
    refresh_after: float = 300.0
    keys_max_age: float = 3600.0
    ask: Literal["never", "introspection", "userinfo"] = "never"
    client_id: str = ""
    client_secret: str = ""
    answer_max_age: float = 30.0
    timeout: float = 5.0
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    insecure: bool = False

    def __post_init__(self) -> None:
        for issuer in self.issuers:
            parts = urlsplit(issuer)
            if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
                raise ValueError(f"'{issuer}' is no address of a provider (https://HOST/PATH)")
        if unfit := [name for name in self.algorithms if name not in SIGNATURES]:
            raise ValueError(f"'{unfit[0]}' is not allowed here; possible are: {', '.join(SIGNATURES)}")
        if not (self.algorithms and self.roles_claim and self.user_id_claim):
            raise ValueError("algorithms, roles_claim and user_id_claim cannot be empty")
        if min(self.leeway, self.refresh_after, self.keys_max_age, self.answer_max_age) < 0:
            raise ValueError("a time cannot be negative")
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0")


def realm(issuer: str) -> str:
    """The realm of a Keycloak that an issuer is, empty for other providers."""
    return issuer.rpartition(REALMS)[2] if REALMS in issuer else ""
