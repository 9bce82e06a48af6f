"""A cloud that does nothing but note what it is asked: services by address, in two regions."""

from __future__ import annotations

import base64
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

TOKEN: Final = "token-of-the-other-cloud"
PROJECT: Final = "6e01855f345f4c59812a72b53a9d8c5a"

SERVICES: Final = {
    "aodh": ("alarming", ""),
    "cinder": ("block-storage", "/v3/$(project_id)s"),
    "designate": ("dns", ""),
    "glance": ("image", ""),
    "gnocchi": ("metric", ""),
    "heat": ("orchestration", f"/v1/{PROJECT}"),
    "ironic": ("baremetal", ""),
    "keystone": ("identity", "/v3"),
    "manila": ("sharev2", "/v2"),
    "mistral": ("workflowv2", "/v2"),
    "neutron": ("network", ""),
    "nova": ("compute", "/v2.1"),
    "swift": ("object-store", "/v1/AUTH_$(tenant_id)s"),
    "trove": ("database", "/v1.0/$(tenant_id)s"),
    "zaqar": ("messaging", ""),
}
"""Services by name, with their types and the ends of their addresses."""

NOTED: Final = (
    "accept",
    "content-type",
    "openstack-api-version",
    "x-auth-token",
    "x-openstack-ironic-api-version",
    "x-openstack-nova-api-version",
    "x-region-name",
    "x-project-id",
    "x-user-id",
)
"""The headers that say something; the others depend on libraries and machines."""

_THING: Final = {"id": "7", "name": "thing", "status": "ACTIVE", "links": [], "properties": {}}
_PLURALS: Final = ("servers", "flavors", "networks", "ports", "images", "stacks", "projects", "users",
                   "volumes", "roles", "nodes", "instances")  # fmt: skip


class Recorder:
    """Listens on a port of its own while it is entered."""

    def __init__(self) -> None:
        self._noted: list[dict[str, Any]] = []
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                recorder._note(self.command, self.path, dict(self.headers), body)
                content = recorder._answer(self.command, self.path)
                self.send_response(200 if content else 204)
                if content:
                    self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def date_time_string(self, timestamp: float | None = None) -> str:
                """Always the same."""
                return super().date_time_string(0 if timestamp is None else timestamp)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def taken(self) -> list[dict[str, Any]]:
        """The requests since the last time."""
        taken, self._noted = self._noted, []
        return taken

    def catalog(self) -> list[dict[str, Any]]:
        """The addresses of all services, as Keystone gives them."""
        return [
            {
                "id": name,
                "name": name,
                "type": kind,
                "endpoints": [
                    {
                        "id": f"{name}-{region}-{interface}",
                        "interface": interface,
                        "region": region,
                        "region_id": region,
                        "url": f"{self.url}/{region}/{interface}/{name}{end}",
                    }
                    for region in ("north", "south")
                    for interface in ("admin", "internal", "public")
                ],
            }
            for name, (kind, end) in SERVICES.items()
        ]

    def target(self, region: str = "south") -> dict[str, str]:
        """The headers of a request whose actions are to work in this cloud."""
        token = {"methods": ["token"], "catalog": self.catalog(), "project": {"id": PROJECT}}
        return {
            "X-Target-Auth-Uri": f"{self.url}/keystone/v3",
            "X-Target-Auth-Token": TOKEN,
            "X-Target-Project-Id": PROJECT,
            "X-Target-User-Id": "u1",
            "X-Target-User-Name": "somebody",
            "X-Target-Region-Name": region,
            "X-Target-Service-Catalog": base64.b64encode(json.dumps(token).encode()).decode(),
        }

    def _note(self, method: str, path: str, headers: dict[str, str], body: str) -> None:
        address = urlsplit(path)
        lower = {name.lower(): value for name, value in headers.items()}
        self._noted.append(
            {
                "method": method,
                "path": address.path,
                "query": sorted(map(list, parse_qsl(address.query, keep_blank_values=True))),
                "headers": {name: lower[name] for name in NOTED if name in lower},
                "body": _json(body),
            }
        )

    def _answer(self, method: str, path: str) -> bytes:
        without = path.endswith("/action") or (method == "PUT" and path.startswith("/keystone/"))
        if without or method in ("DELETE", "HEAD"):
            return b""
        here = self.url + urlsplit(path).path
        lowest, highest = ("3.0", "3.71") if "/cinder/" in path else ("2.1", "2.96")
        version = {
            "id": f"v{lowest}",
            "status": "CURRENT",
            "min_version": lowest,
            "version": highest,
            "links": [{"rel": "self", "href": here}],
        }
        lists = {name: [_THING] for name in _PLURALS}
        things = {name.removesuffix("s"): _THING for name in _PLURALS}
        return json.dumps({"version": version, "versions": [version], **lists, **things, **_THING}).encode()


def _json(body: str) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body
