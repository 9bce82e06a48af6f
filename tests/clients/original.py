"""The original clients, python-mistralclient and `openstack`: asked by tests, in a process of their own.

`make clients` installs them once, into a virtual environment inside this checkout.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, NamedTuple, Self

from processes.command import Ran
from processes.server import clean_environment

HERE = Path(__file__).parent
CHECKOUT = HERE.parent.parent
ENVIRONMENT = CHECKOUT / ".test" / "clients" / "venv"
PYTHON = ENVIRONMENT / "bin" / "python"
INSTALLED = ENVIRONMENT / ".installed"
"""Holds the requirements that were installed: others have to be installed again."""
PROGRAMS = ("mistral", "openstack")


class Resource(NamedTuple):
    """An object as the Python API hands it out."""

    kind: str
    data: dict[str, Any]
    """What its `to_dict` holds."""
    attributes: dict[str, Any]
    text: str


class Refused(Exception):
    """The client's `APIException`."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


def is_installed() -> bool:
    """Whether the clients are there, in the pinned versions."""
    return INSTALLED.exists() and INSTALLED.read_bytes() == (HERE / "requirements.txt").read_bytes()


class Broken(Exception):
    """The client failed by itself, with this traceback."""


class Original:
    """One process with the clients in it. `asked` collects the methods and commands that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = clean_environment(folder)
        self.asked: set[str] = set()
        self._process = subprocess.Popen(
            [PYTHON, HERE / "client_driver.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "clients.log").open("wb"),
            text=True,
            cwd=folder,
            env=self.environment,
        )

    def ask(self, **request: Any) -> Any:
        """What the driver answers."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        reply = json.loads(self._process.stdout.readline())
        if "failure" in reply:
            raise Broken(reply["failure"])
        return reply["answer"]

    def run(self, program: str, words: list[str], environment: dict[str, str]) -> Ran:
        """Run a program with these words, in the process that is already there."""
        return Ran(**self.ask(do="run", program=program, words=words, environment=environment))

    def start(self, program: str, words: list[str], environment: dict[str, str], stdin: str = "") -> Ran:
        """Run a program in a process of its own, as a person does."""
        done = subprocess.run(
            [PYTHON.parent / program, *words],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            env=self.environment | environment,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait(10)


class PythonApi:
    """A client object: `api("workflows.list", limit=3)`. `options` are those of its constructor."""

    def __init__(self, original: Original, **options: Any) -> None:
        self.original = original
        self.options = options

    def __call__(self, method: str, *arguments: Any, **options: Any) -> Any:
        """The result, with a `Resource` for each resource. Raises `Refused`."""
        self.original.asked.add(method)
        manager, name = method.split(".")
        reply = self.original.ask(
            do="call",
            client=self.options,
            manager=manager,
            method=name,
            arguments=arguments,
            options=options,
        )
        if "result" not in reply:
            raise Refused(reply["code"], reply["message"])
        return _read(reply["result"])


def _read(value: Any) -> Any:
    if isinstance(value, dict) and value.keys() == set(Resource._fields):
        return Resource(**value)
    return [_read(item) for item in value] if isinstance(value, list) else value
