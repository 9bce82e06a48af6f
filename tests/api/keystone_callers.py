"""A service of ours that knows its callers by a Keystone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api_service import Api

from clouds.cloud import Cloud
from clouds.people import SERVICE
from maestrale.config import DatabaseSettings, ServerSettings, Settings
from maestrale.keystone.settings import KeystoneSettings
from maestrale.wiring import Service


def keystone_settings(cloud: Cloud, **changed: Any) -> KeystoneSettings:
    """How a service of ours reaches a cloud."""
    return KeystoneSettings(auth_url=cloud.url, username=SERVICE.name, password=SERVICE.password, **changed)


@contextmanager
def serving_with_keystone(
    cloud: Cloud, folder: Path, keystone: KeystoneSettings | None = None, **sections: Any
) -> Iterator[Api]:
    """A started service on a database in this folder; requests come without a token."""
    service = Service(
        Settings(
            server=ServerSettings(auth="keystone"),
            keystone=keystone or keystone_settings(cloud),
            database=DatabaseSettings(f"sqlite:///{folder}/maestrale.db"),
            **sections,
        )
    )
    service.start()
    try:
        yield Api(service)
    finally:
        service.stop(0)
