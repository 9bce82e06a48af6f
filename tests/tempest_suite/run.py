"""Runs the tests of `mistral-tempest-tests`; from the folder `tests`: `python -m tempest_suite.run [REGEX]`.

`make tempest` installs what it needs, and calls it. Tests in `left_out.txt` are not run; it says why.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx

from clouds.cloud import CHECKOUT, Cloud, cloud
from clouds.images import image_service
from clouds.installed_actions import PYTHON
from clouds.people import ADMINISTRATOR, DOMAIN, REGION, SERVICE
from processes.server import Server, clean_environment

HERE: Final = Path(__file__).parent
FOLDER: Final = CHECKOUT / ".test" / "tempest"
PROGRAM: Final = FOLDER / "venv" / "bin" / "tempest"
LEFT_OUT: Final = HERE / "left_out.txt"
INSTALLED: Final = """
version: '2.0'
std.create_instance: {tasks: {nothing: {action: std.noop}}}
std.delete_instance: {tasks: {nothing: {action: std.noop}}}
"""
"""Public workflows that the tests expect an operator to have installed; they are only listed."""
TESTS: Final = "^mistral_tempest_tests"

CONFIG: Final = """
[DEFAULT]
log_file = {folder}/tempest.log
[auth]
use_dynamic_credentials = true
admin_username = {administrator.name}
admin_password = {administrator.password}
admin_project_name = {administrator.project}
admin_domain_name = {domain}
[identity]
auth_version = v3
uri_v3 = {url}
region = {region}
[oslo_concurrency]
lock_path = {folder}/locks
[service_available]
mistral = true
cinder = false
glance = true
heat = false
horizon = false
neutron = false
nova = false
swift = false
"""


def main() -> int:
    """Run the tests, say how many passed, failed and were skipped; 0 if none failed."""
    tests = sys.argv[1] if len(sys.argv) > 1 else TESTS
    folder = FOLDER / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with (
        cloud(folder / "keystone") as keystone,
        image_service(keystone, folder / "glance"),
        _server(keystone, folder / "server") as server,
    ):
        keystone.register("workflowv2", "mistral", f"{server.url}/v2")
        _install(keystone, server)
        config = CONFIG.format(
            folder=folder, administrator=ADMINISTRATOR, domain=DOMAIN, url=keystone.url, region=REGION
        )
        (folder / "tempest.conf").write_text(config)
        code = _tempest(folder, "--serial", "--exclude-list", str(LEFT_OUT), "--regex", tests)
        left_out = _left_out(folder)
    log = (folder / "output.log").read_text()
    passed, failed, skipped = (_total(log, word) for word in ("Passed", "Failed", "Skipped"))
    print(f"{left_out} tests are left out: see {LEFT_OUT.relative_to(CHECKOUT)}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return code


def _server(keystone: Cloud, folder: Path) -> Server:
    settings = {
        "MAESTRALE_SERVER_AUTH": "keystone",
        "MAESTRALE_KEYSTONE_AUTH_URL": keystone.url,
        "MAESTRALE_KEYSTONE_USERNAME": SERVICE.name,
        "MAESTRALE_KEYSTONE_PASSWORD": SERVICE.password,
    }
    return Server(folder, python=PYTHON, **settings)


def _install(keystone: Cloud, server: Server) -> None:
    answer = httpx.post(
        f"{server.url}/v2/workflows?scope=public",
        content=INSTALLED,
        headers={"Content-Type": "text/plain", "X-Auth-Token": keystone.log_in(ADMINISTRATOR)},
        trust_env=False,
    )
    answer.raise_for_status()


def _left_out(folder: Path) -> int:
    """How many tests `left_out.txt` names; each line must be exactly one that there is."""
    listed = subprocess.run(
        [PROGRAM, "run", "--config-file", "tempest.conf", "--list-tests", "--regex", TESTS],
        cwd=folder, env=clean_environment(folder), capture_output=True, text=True, check=True,
    )  # fmt: skip
    names = [name for name in listed.stdout.splitlines() if re.match(TESTS, name)]
    lines = [line for line in LEFT_OUT.read_text().splitlines() if line and not line.startswith("#")]
    for line in lines:
        pattern = line.split("#")[0].strip()
        found = [name for name in names if re.search(pattern, name)]
        if len(found) != 1:
            raise SystemExit(f"{LEFT_OUT}: {pattern} matches {len(found)} tests, it should be one")
    return len(lines)


def _tempest(folder: Path, *arguments: str) -> int:
    """Run, with what it prints shown and kept in `output.log`; its exit code."""
    with (folder / "output.log").open("w") as log:
        process = subprocess.Popen(
            [PROGRAM, "run", "--config-file", "tempest.conf", *arguments],
            cwd=folder, env=clean_environment(folder), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            log.write(line)
        return process.wait()


def _total(log: str, word: str) -> int:
    found = re.search(rf"^ - {word}: (\d+)$", log, re.MULTILINE)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    sys.exit(main())
