"""Options that the commands of this machine share, and the settings that follow from them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import click

from maestrale import config
from maestrale.api.request_ids import RequestIdFilter
from maestrale.config import Settings

config_option = click.option(
    "--config", "config_file", type=click.Path(path_type=Path), help="Settings file (TOML)."
)
database_option = click.option(
    "--database",
    "database_url",
    metavar="URL",
    help="sqlite:////path/to/file.db or postgresql://user:password@host/name"
    " [default: a file in your data folder]",
)


def load_settings(flags: dict[tuple[str, str], Any], file: Path | None) -> Settings:
    """The settings in force; `flags` that are None are not given."""
    return config.load(flags, file=file).settings


def configure_log(settings: Settings) -> None:
    """Log as set, to standard error."""

    level = settings.log.level.upper()
    if level not in ("DEBUG", "INFO", "WARNING", "ERROR"):
        raise config.ConfigError(
            f"Wrong value for log.level: {settings.log.level!r}", "debug, info, warning, error"
        )
    handler = logging.StreamHandler()
    handler.addFilter(RequestIdFilter())
    form = "%(asctime)s %(levelname)s %(name)s: %(message)s%(request)s"
    logging.basicConfig(level=level, format=form, handlers=[handler])
    for name in ("maestrale.notifications", "maestrale.transitions"):  # who asks for them wants to see them
        logging.getLogger(name).setLevel(logging.INFO)
