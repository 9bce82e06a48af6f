"""Templates and files of the pages. Everything that a template is given is escaped."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from maestrale import __version__
from maestrale.model.values import Microseconds, timestamp_text

HERE: Final = Path(__file__).parent
LONGEST_DOCUMENT: Final = 20_000
"""Characters of a value that a page shows."""

MEDIA_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}


class File(NamedTuple):
    """A file that pages need. `digest` changes with its content, and so its address."""

    content: bytes
    media_type: str
    digest: str


def _files() -> dict[str, File]:
    found = {}
    for path in sorted((HERE / "static").iterdir()):
        media_type = MEDIA_TYPES.get(path.suffix[1:])
        if media_type is not None:
            content = path.read_bytes()
            digest = hashlib.blake2b(content, digest_size=8).hexdigest()
            found[path.name] = File(content, media_type, digest)
    return found


FILES: Final = _files()


def static(name: str) -> str:
    """The path of a file of ours, below the root of the server."""
    return f"/static/{name}?{FILES[name].digest}"


def moment(at: Microseconds | None) -> str:
    """A time, in UTC."""
    return timestamp_text(at) or ""


def moment_iso(at: Microseconds) -> str:
    """A time for programs."""
    return datetime.datetime.fromtimestamp(at // 1_000_000, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def lasting(seconds: float) -> str:
    """A length of time, as exact as people want it."""
    if seconds < 60:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours} h"
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def document(text: str | None) -> str:
    """A JSON text on many lines; its end is left out where it is very long."""
    if text is None:
        return ""
    shown = msgspec.json.format(text, indent=2)
    if len(shown) > LONGEST_DOCUMENT:
        return f"{shown[:LONGEST_DOCUMENT]}\n… ({len(shown) - LONGEST_DOCUMENT} more characters)"
    return shown


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters |= {
        "moment": moment, "moment_iso": moment_iso, "lasting": lasting, "document": document,
    }  # fmt: skip
    environment.globals |= {"static": static, "version": __version__}
    return environment


_ENVIRONMENT: Final = _environment()


def render(name: str, **given: Any) -> str:
    """A page. `root`: the path under which the server is reached, mostly empty."""
    return _ENVIRONMENT.get_template(name).render(**given)
