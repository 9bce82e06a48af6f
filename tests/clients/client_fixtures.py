"""Fixtures: the original clients, and a service for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import original
import pytest
from client_service import ALICE, BOB, ROOT, TOKENS, Plain
from identity import Identity
from original import PROGRAMS, Original, PythonApi
from programs import Program

from processes.server import Server


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Original]:
    """The original clients; the test is skipped where they are not installed."""
    if not original.is_installed():
        pytest.skip("the original clients are not installed: `make clients` does it")
    with Original(tmp_path_factory.mktemp("clients")) as found:
        yield found


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server without authentication that allows all that can be asked of it."""
    with Server(
        tmp_path_factory.mktemp("server") / "open",
        MAESTRALE_API_ALLOW_ACTION_EXECUTION_DELETION="true",
        MAESTRALE_DYNAMIC_ACTIONS_ENABLED="true",
    ) as found:
        yield found
    assert "Traceback" not in found.log.read_text(), found.log.read_text()


@pytest.fixture(scope="session")
def plain(server: Server) -> Plain:
    """Plain requests to that server."""
    return Plain(server)


@pytest.fixture(scope="session")
def api(server: Server, clients: Original) -> PythonApi:
    """The Python API, for that server."""
    return PythonApi(clients, mistral_url=f"{server.url}/v2")


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that knows its callers by tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    tokens = folder / "tokens.yaml"
    tokens.write_text(TOKENS)
    tokens.chmod(0o600)
    with Server(folder / "data", MAESTRALE_SERVER_AUTH=f"tokens:{tokens}") as found:
        yield found
    assert "Traceback" not in found.log.read_text(), found.log.read_text()


@pytest.fixture(scope="session")
def as_caller(guarded: Server, clients: Original) -> Callable[[str, str], PythonApi]:
    """The Python API of a caller with this token and project, for the server that knows callers."""
    return lambda token, project: PythonApi(
        clients, mistral_url=f"{guarded.url}/v2", auth_token=token, project_id=project
    )


@pytest.fixture(scope="session")
def programs(server: Server, clients: Original) -> dict[str, Program]:
    """Both programs, for the server without authentication."""
    url = f"{server.url}/v2"
    options = {
        "mistral": ("--os-mistral-url", url),
        "openstack": ("--os-auth-type", "none", "--os-endpoint", url),
    }
    return {name: Program(clients, name, *words) for name, words in options.items()}


@pytest.fixture(params=PROGRAMS)
def program(request: pytest.FixtureRequest, programs: dict[str, Program]) -> Program:
    """Each of the programs."""
    return programs[request.param]


@pytest.fixture(scope="session")
def identity(guarded: Server) -> Iterator[Identity]:
    """Where users log in, for the server that knows callers."""
    with Identity({"alice": ALICE, "bob": BOB, "root": ROOT}, f"{guarded.url}/v2") as found:
        yield found


@pytest.fixture(autouse=True)
def _asks_what_it_says(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test asks for all methods and commands that its marker `asks` names."""
    names = {name for mark in request.node.iter_markers("asks") for name in mark.args}
    if "program" in request.fixturenames:
        program = request.getfixturevalue("program")
        names = {command for command in names if program.has(command)}
    if not names:
        yield
        return
    clients: Original = request.getfixturevalue("clients")
    clients.asked.clear()
    yield
    assert sorted(names - clients.asked) == []
