"""Logging in to a Keycloak: a name and a password become tokens, which stay in this process."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, urlsplit

from maestrale.client.connection import is_local
from maestrale.client.errors import ClientError

if TYPE_CHECKING:
    import ssl

SECONDS: Final = 10.0
"""Within which a Keycloak must answer."""

EARLY: Final = 10.0
"""Seconds before its end from which a token counts as used up."""


class KeycloakLogin:
    """Asks the realm of a Keycloak for tokens, when they are needed; threads may share it.

    `address` is that of the Keycloak, above `/realms`. `secret` is that of the client and may be empty.
    `verify` is False to accept any certificate, or an SSL context. Nothing is stored anywhere.
    """

    def __init__(
        self,
        address: str,
        realm: str,
        *,
        user: str,
        password: str,
        client: str,
        secret: str = "",
        verify: bool | ssl.SSLContext = True,
    ) -> None:
        self._realm = realm
        self._address = f"{address.rstrip('/')}/realms/{quote(realm, safe='')}/protocol/openid-connect/token"
        self._user = user
        self._client = {"client_id": client, **({"client_secret": secret} if secret else {})}
        self._password = password
        self._verify = verify
        self._lock = threading.Lock()
        self._token = ""
        self._refresh = ""
        self._good_until = 0.0

    def headers(self) -> Mapping[str, str]:
        """What goes with a request. Raises `ClientError` if one cannot log in."""
        with self._lock:
            if not self._token or time.monotonic() > self._good_until:
                self._get()
            return {"X-Auth-Token": self._token, "X-Project-Id": self._realm}

    def renew(self) -> bool:
        """The server has refused the token: there is another one from now on. Raises `ClientError`."""
        with self._lock:
            self._get()
        return True

    def _get(self) -> None:
        """Get a token, by the one for renewal if there is one that still counts."""
        scope = {"scope": "profile"}
        by_password = {"grant_type": "password", "username": self._user, "password": self._password, **scope}
        answer = None
        if self._refresh:
            answer = self._ask({"grant_type": "refresh_token", "refresh_token": self._refresh})
        if answer is None or answer[0] != 200:
            answer = self._ask(by_password)
        status, content = answer
        token = content.get("access_token")
        if status != 200 or not isinstance(token, str):
            raise ClientError(self._refusal(status, content))
        self._token = token
        self._refresh = str(content.get("refresh_token") or "")
        seconds = content.get("expires_in")
        lasts = float(seconds) if isinstance(seconds, int | float) else 60.0
        self._good_until = time.monotonic() + max(lasts - EARLY, lasts / 2)

    def _ask(self, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
        """The status and the content of the answer. Raises `ClientError` if there is none."""
        import httpx

        if not self._address.startswith(("http://", "https://")):
            raise ClientError(f"The address of Keycloak must begin with http:// or https://: {self._address}")
        try:
            with httpx.Client(verify=self._verify, trust_env=not is_local(self._address)) as http:
                answer = http.post(self._address, data=self._client | fields, timeout=SECONDS)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            host = urlsplit(self._address).netloc
            raise ClientError(
                f"Keycloak at {host} gives no answer: {error or type(error).__name__}"
            ) from None
        try:
            content = answer.json()
        except ValueError:
            content = {}
        return answer.status_code, content if isinstance(content, dict) else {}

    def _refusal(self, status: int, content: Mapping[str, Any]) -> str:
        """Why nobody is logged in, and what to do."""
        said = str(content.get("error_description") or content.get("error") or f"HTTP {status}")
        if content.get("error") == "invalid_grant":
            hint = f"is '{self._user}' a user of the realm '{self._realm}', and is the password right?"
        elif content.get("error") in ("invalid_client", "unauthorized_client"):
            client = self._client["client_id"]
            hint = f"may the client '{client}' log in with a password, and is its secret right?"
        elif status == 404:
            hint = f"there may be no realm '{self._realm}': {self._address}"
        else:
            hint = self._address
        return f"Keycloak does not log you in: {said} ({hint})"
