"""A real Glance that asks a cloud's Keystone who its callers are, and keeps images in files."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx

from clouds.cloud import HERE, PYTHON, START_SECONDS, Cloud, environment, with_parent
from clouds.people import DOMAIN, SERVICE
from processes.server import free_port

CONFIG: Final = """
[DEFAULT]
log_file = {folder}/glance.log
worker_self_reference_url = {url}
enabled_backends = files:file
enabled_import_methods = []
[database]
connection = sqlite:///{folder}/glance.db
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {folder}/images
[os_glance_staging_store]
filesystem_store_datadir = {folder}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {folder}/tasks
[paste_deploy]
flavor = keystone
config_file = {paste}
[keystone_authtoken]
www_authenticate_uri = {keystone}
auth_url = {keystone}
auth_type = password
username = {service.name}
password = {service.password}
project_name = {service.project}
user_domain_name = {domain}
project_domain_name = {domain}
[oslo_policy]
enforce_scope = true
enforce_new_defaults = true
"""


@contextmanager
def image_service(cloud: Cloud, folder: Path) -> Iterator[str]:
    """Start a Glance in an empty folder, and register it in the cloud; its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    for name in ("images", "staging", "tasks"):
        (folder / name).mkdir(parents=True)
    paste = PYTHON.parent.parent / "etc" / "glance" / "glance-api-paste.ini"
    config = CONFIG.format(
        folder=folder, url=url, paste=paste, keystone=cloud.url, service=SERVICE, domain=DOMAIN
    )
    for name in ("glance-api.conf", "glance-manage.conf"):
        (folder / name).write_text(config)
    variables = environment() | {"OS_GLANCE_CONFIG_DIR": str(folder)}
    manage = [str(PYTHON), str(PYTHON.parent / "glance-manage"), "--config-dir", str(folder), "db_sync"]
    made = subprocess.run(manage, capture_output=True, text=True, env=variables, cwd=folder)
    assert made.returncode == 0, made.stdout + made.stderr
    log = folder / "process.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*with_parent(), str(PYTHON), str(HERE / "serve_glance.py"), str(port)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=folder, env=variables,
        )  # fmt: skip
    try:
        end = time.monotonic() + START_SECONDS
        while not _answers(url):
            is_over = process.poll() is not None or time.monotonic() > end
            assert not is_over, f"Glance does not start:\n{log.read_text()}"
            time.sleep(0.05)
        cloud.register("image", "glance", url)
        yield url
    finally:
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthcheck", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False
