"""A small cloud for tests: a real Keystone with people, and a catalogue in which services can be registered.

Keystone comes from the package index into `.test/clouds/venv` (`make clouds`), and is set up once; each cloud
begins with a copy of that. Without the virtual environment its tests are skipped.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import httpx

from clouds.people import ADMINISTRATOR, DOMAIN, PEOPLE, REGION, SERVICE, Person
from processes.server import free_port

HERE: Final = Path(__file__).parent
CHECKOUT: Final = HERE.parent.parent
FOLDER: Final = CHECKOUT / ".test" / "clouds"
PYTHON: Final = FOLDER / "venv" / "bin" / "python"
INSTALLED: Final = FOLDER / "installed"
START_SECONDS: Final = 60.0

CONFIG: Final = """
[DEFAULT]
log_file = {folder}/keystone.log
max_token_size = 8192
[database]
connection = sqlite:///{folder}/keystone.db
[token]
provider = fernet
expiration = {expiration}
allow_expired_window = 172800
[fernet_tokens]
key_repository = {folder}/fernet-keys
[fernet_receipts]
key_repository = {folder}/fernet-keys
[credential]
key_repository = {folder}/credential-keys
[identity]
password_hash_rounds = 4
[cache]
enabled = true
backend = dogpile.cache.memory
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
"""


def is_installed() -> bool:
    """Whether there is a Keystone to be had."""
    return INSTALLED.exists()


class Cloud:
    """One running Keystone. `url` ends in `/v3`; it stays the same over stops and starts."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.url = f"http://127.0.0.1:{self.port}/v3"
        self._process: subprocess.Popen[bytes] | None = None
        self._client = httpx.Client(trust_env=False, timeout=30)
        self._token = ""
        """The administrator's."""
        self._ids: dict[tuple[str, str], str] = {}

    def start(self, expiration: int = 3600) -> Self:
        """Start, and wait until it answers. `expiration`: seconds that new tokens last."""
        config = self.folder / "keystone.conf"
        config.write_text(CONFIG.format(folder=self.folder, expiration=expiration))
        with (self.folder / "process.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*with_parent(), str(PYTHON), str(HERE / "serve_keystone.py"), str(config), str(self.port)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder, env=environment(),
            )  # fmt: skip
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            is_over = self._process.poll() is not None or time.monotonic() > end
            assert not is_over, f"Keystone does not start:\n{(self.folder / 'process.log').read_text()}"
            time.sleep(0.05)
        return self

    def stop(self) -> None:
        """Stop at once; nobody is answered from then on."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._client.close()

    def ask(self, method: str, path: str, token: str | None = None, **given: Any) -> httpx.Response:
        """Send a request to the API v3, as the administrator unless a token is given."""
        if token is None:
            token = self._token = self._token or self.log_in(ADMINISTRATOR)
        headers = {"X-Auth-Token": token, **given.pop("headers", {})}
        return self._client.request(method, self.url + path, headers=headers, **given)

    def do(self, method: str, path: str, **body: Any) -> Any:
        """What an administrator's request answers, which must succeed."""
        answer = self.ask(method, path, json=body or None)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def log_in(self, person: Person, scope: Any = None) -> str:
        """A new token for somebody's project, or what `scope` says ("unscoped" for none)."""
        user = {"name": person.name, "password": person.password, "domain": {"name": DOMAIN}}
        project = {"project": {"name": person.project, "domain": {"name": DOMAIN}}}
        body = {
            "identity": {"methods": ["password"], "password": {"user": user}},
            "scope": scope or project,
        }
        answer = self._client.post(f"{self.url}/auth/tokens", json={"auth": body})
        assert answer.status_code == 201, answer.text
        return answer.headers["X-Subject-Token"]

    def holder(self, token: str) -> Any:
        """What Keystone says of a token."""
        answer = self.ask("GET", "/auth/tokens", headers={"X-Subject-Token": token})
        assert answer.status_code == 200, answer.text
        return answer.json()["token"]

    def revoke(self, token: str) -> None:
        """End a token before its time."""
        answer = self.ask("DELETE", "/auth/tokens", headers={"X-Subject-Token": token})
        assert answer.status_code == 204, answer.text

    def identifier(self, kind: str, name: str) -> str:
        """The id of a project, user or role of this name; `kind` is plural."""
        if (kind, name) not in self._ids:
            (found,) = self.do("GET", f"/{kind}?name={name}")[kind]
            self._ids[kind, name] = found["id"]
        return self._ids[kind, name]

    def trusts(self) -> list[str]:
        """The ids of all trusts in which the service user is trusted."""
        trustee = self.identifier("users", SERVICE.name)
        token = self.log_in(SERVICE)
        found = self.ask("GET", f"/OS-TRUST/trusts?trustee_user_id={trustee}", token)
        assert found.status_code == 200, found.text
        return [trust["id"] for trust in found.json()["trusts"]]

    def add_person(self, person: Person) -> None:
        """A user with its role; the project may be new."""
        if not self.do("GET", f"/projects?name={person.project}")["projects"]:
            self.do("POST", "/projects", project={"name": person.project, "domain_id": "default"})
        if not self.do("GET", f"/roles?name={person.role}")["roles"]:
            self.do("POST", "/roles", role={"name": person.role})
        self.do("POST", "/users", user={"name": person.name, "password": person.password})
        self.grant(person)

    def grant(self, person: Person, method: str = "PUT") -> None:
        """Give somebody the role in the project, or take it back with DELETE."""
        project, user, role = (
            self.identifier(kind, name)
            for kind, name in (("projects", person.project), ("users", person.name), ("roles", person.role))
        )
        self.do(method, f"/projects/{project}/users/{user}/roles/{role}")

    def register(self, kind: str, name: str, url: str, region: str = REGION) -> None:
        """Have a service stand in the catalogue."""
        service = self.do("POST", "/services", service={"type": kind, "name": name})["service"]
        for interface in ("public", "internal", "admin"):
            endpoint = {"service_id": service["id"], "interface": interface, "url": url, "region": region}
            self.do("POST", "/endpoints", endpoint=endpoint)

    def register_itself(self) -> None:
        """Have Keystone stand in its catalogue with the port that it has now."""
        for endpoint in self.do("GET", f"/endpoints?service_id={self.identifier('services', 'keystone')}")[
            "endpoints"
        ]:
            self.do("PATCH", f"/endpoints/{endpoint['id']}", endpoint={"url": self.url})

    def _answers(self) -> bool:
        try:
            return self._client.get(self.url).status_code == 200
        except httpx.TransportError:
            return False


@contextmanager
def cloud(folder: Path) -> Iterator[Cloud]:
    """A cloud of its own in an empty folder, with everybody of `PEOPLE`."""
    shutil.copytree(prepare(), folder, dirs_exist_ok=True)
    with Cloud(folder) as started:
        started.register_itself()
        yield started


def prepare() -> Path:
    """A Keystone that was set up, and is not running; made by whoever comes first."""
    sources = b"".join((HERE / name).read_bytes() for name in ("people.py", "requirements.txt"))
    made = FOLDER / f"keystone-{hashlib.sha256(sources).hexdigest()[:16]}"
    with (FOLDER / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            unfinished = FOLDER / "unfinished"
            shutil.rmtree(unfinished, ignore_errors=True)
            _set_up(unfinished)
            unfinished.rename(made)
    return made


def _set_up(folder: Path) -> None:
    for name in ("fernet-keys", "credential-keys"):
        (folder / name).mkdir(parents=True)
    cloud = Cloud(folder)
    config = folder / "keystone.conf"
    config.write_text(CONFIG.format(folder=folder, expiration=3600))
    user = str(os.geteuid())
    owner = ["--keystone-user", user, "--keystone-group", str(os.getegid())]
    bootstrap = ["--bootstrap-password", ADMINISTRATOR.password, "--bootstrap-region-id", REGION]
    bootstrap += [f"--bootstrap-{kind}-url={cloud.url}" for kind in ("public", "internal", "admin")]
    for command in (
        ["db_sync"],
        ["fernet_setup", *owner],
        ["credential_setup", *owner],
        ["bootstrap", *bootstrap],
    ):
        manage = [str(PYTHON), str(PYTHON.parent / "keystone-manage"), "--config-file", str(config), *command]
        done = subprocess.run(manage, capture_output=True, text=True, env=environment(), cwd=folder)
        assert done.returncode == 0, done.stdout + done.stderr
    with cloud:
        for person in (*PEOPLE.values(), SERVICE):
            cloud.add_person(person)


def environment() -> dict[str, str]:
    """What the services get of the environment of the tests."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"HOME": str(FOLDER), "PYTHONDONTWRITEBYTECODE": "1"}


def with_parent() -> list[str]:
    """What stands before a command, so that it ends with this process."""
    program = shutil.which("setpriv")
    return [program, "--pdeathsig=KILL"] if program and sys.platform == "linux" else []
