"""Runs inside the virtual environment of the clients: reads requests as JSON lines, answers with JSON lines.

A request has `do` and what belongs to it:
`managers`: the public methods of each manager of the Python API;
`commands`: the commands of `program`, which is `mistral` or `openstack`;
`call`: a `method` of a `manager` with `arguments` and `options`, of a client made with `client`;
`run`: `program` with `words`, under the variables of `environment`.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import json
import logging
import os
import sys
import traceback
from importlib.metadata import entry_points
from typing import Any

MODULES = {"mistral": "mistralclient.shell", "openstack": "openstackclient.shell"}
clients: dict[str, Any] = {}


def answer(request: dict[str, Any]) -> Any:
    """What a request asks for."""
    match request["do"]:
        case "managers":
            return managers()
        case "commands":
            return commands(request["program"])
        case "call":
            return call(request)
        case "run":
            return run(request)
    raise ValueError(f"unknown request: {request['do']}")


def managers() -> dict[str, list[str]]:
    """The public methods of each manager."""
    from mistralclient.api.v2.client import Client

    return {
        name: [method for method, _ in inspect.getmembers(manager, inspect.isroutine) if method[0] != "_"]
        for name, manager in Client.MANAGERS.items()
    }


def commands(program: str) -> dict[str, str]:
    """All commands with their classes; of `openstack`, those that python-mistralclient brings."""
    if program == "openstack":
        points = entry_points(group="openstack.workflow_engine.v2")
        return {point.name.replace("_", " "): point.value for point in points}
    from mistralclient.shell import MistralShell

    manager = MistralShell().command_manager
    factories = {name: manager.find_command([name])[0] for name in manager.commands}
    return {name: f"{factory.__module__}:{factory.__qualname__}" for name, factory in factories.items()}


def call(request: dict[str, Any]) -> dict[str, Any]:
    """The result of a method, or how it was refused."""
    from mistralclient.api.base import APIException
    from mistralclient.api.client import client

    key = json.dumps(request["client"], sort_keys=True)
    if key not in clients:
        clients[key] = client(**request["client"])
    method = getattr(getattr(clients[key], request["manager"]), request["method"])
    try:
        return {"result": plain(method(*request["arguments"], **request["options"]))}
    except APIException as error:
        message = error.error_message
        return {"code": error.error_code, "message": message if isinstance(message, str) else repr(message)}


def plain(value: Any) -> Any:
    """A result as JSON: of resources their kind, data and attributes."""
    from mistralclient.api.base import Resource

    if isinstance(value, Resource):
        data = value.to_dict()
        attributes = {name: getattr(value, name) for name in data}
        return {"kind": value.resource_name, "data": data, "attributes": attributes, "text": str(value)}
    return [plain(item) for item in value] if isinstance(value, list) else value


def run(request: dict[str, Any]) -> dict[str, Any]:
    """Exit code and output of a program."""
    out, error = io.StringIO(), io.StringIO()
    main = importlib.import_module(MODULES[request["program"]]).main
    kept = dict(os.environ)
    os.environ.update(request["environment"])
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
            try:
                code = main(request["words"])
            except SystemExit as end:
                code = end.code
    finally:
        os.environ.clear()
        os.environ.update(kept)
        for handler in logging.getLogger().handlers[:]:  # each start of a program adds its own
            logging.getLogger().removeHandler(handler)
        if request["program"] == "openstack":
            forget_clients()
    return {"code": code or 0, "out": out.getvalue(), "err": error.getvalue()}


def forget_clients() -> None:
    """A process of `openstack` has one client; the next start in this process may be for another service."""
    from osc_lib.clientmanager import ClientCache, ClientManager

    for value in vars(ClientManager).values():
        if isinstance(value, ClientCache):
            value._handle = None


def main() -> None:
    """Answer until there are no more requests."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library prints must not get between the answers
    for line in sys.stdin:
        try:
            reply = {"answer": answer(json.loads(line))}
        except Exception:  # noqa: BLE001 - the test gets to see it
            reply = {"failure": traceback.format_exc()}
        answers.write(json.dumps(reply) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
