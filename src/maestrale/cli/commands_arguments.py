"""Arguments that several commands have, and how they are read: definition files, JSON, YAML."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any, Final

import click


class DefinitionText(str):
    """The text of a file, which knows the file's name."""

    path: str

    def __new__(cls, text: str, path: str) -> DefinitionText:
        self = super().__new__(cls, text)
        self.path = path
        return self


def definition_file(name: str) -> DefinitionText:
    """The text of the file `name`, of standard input if that is `-`."""
    try:
        if name == "-":
            content = sys.stdin.buffer.read()
        else:
            with open(name, "rb") as file:
                content = file.read()
        return DefinitionText(content.decode(), name)
    except OSError as error:
        raise click.BadParameter(f"can't open '{name}': {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise click.BadParameter(f"'{name}' is not UTF-8 text: {error}") from None


def data_file(name: str) -> Any:
    """The data in the file `name`, which is JSON or YAML; of standard input if that is `-`."""
    text = definition_file(name)
    try:
        return json.loads(text)
    except ValueError:
        return _parsed(text, f"in the file {name}", _plain_yaml)


class Fields(dict[str, Any]):
    """What a file holds, which knows the file's name."""

    path: str


def fields_file(name: str) -> Fields:
    """The fields of an object in the file `name`, which is JSON or YAML; of standard input if that is `-`."""
    content = data_file(name)
    if not isinstance(content, dict):
        raise click.BadParameter(f"'{name}' holds no object: write `name: ...` and what belongs to it")
    found = Fields(content)
    found.path = name
    return found


def json_or_file(value: Any) -> Any:
    """What a JSON text or the file of that name holds; a default that is no text stays as it is."""
    return _parse(value, "JSON", json.loads) if isinstance(value, str) else value


def yaml_or_file(value: str) -> Any:
    """What a YAML text or the file of that name holds."""
    return _parse(value, "YAML", _plain_yaml)


def _plain_yaml(text: str) -> Any:
    """YAML as data that JSON can hold; dates stay text."""
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_constructor("tag:yaml.org,2002:timestamp", lambda _, node: node.value)
    content = yaml.load(text, Loader)
    json.dumps(content)
    return content


def _parse(value: str, kind: str, read: Callable[[str], Any]) -> Any:
    place = f"in the file {value}"
    try:
        with open(value, encoding="utf-8") as file:
            text = file.read()
    except PermissionError as error:
        raise click.ClickException(f"Cannot read {value}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"The file {value} is not UTF-8 text.") from None
    except (OSError, ValueError):  # no such file, or a text that cannot be the name of one
        text = value
        place = f"(neither {kind} nor the name of a file: {value})"
    return _parsed(text, place, read)


def _parsed(text: str, place: str, read: Callable[[str], Any]) -> Any:
    try:
        return read(text)
    except Exception as error:  # noqa: BLE001 (the YAML library has errors of its own)
        raise click.ClickException(f"{error} {place}") from None


def definition(kind: str) -> click.Argument:
    """The argument for a definition file."""
    return click.Argument(("definition",), type=definition_file, metavar=f"{kind.upper()}_FILE")


IDENTIFIER: Final = click.Argument(("identifier",), metavar="ID")
IDENTIFIERS: Final = click.Argument(("identifiers",), nargs=-1, required=True, metavar="ID...")
NAME: Final = click.Argument(("identifier",), metavar="NAME")
NAMES: Final = click.Argument(("identifiers",), nargs=-1, required=True, metavar="NAME...")
NAME_OR_ID: Final = click.Argument(("identifier",), metavar="NAME_OR_ID")
NAMES_OR_IDS: Final = click.Argument(("identifiers",), nargs=-1, required=True, metavar="NAME_OR_ID...")
NAMESPACE: Final = click.Option(("--namespace",), default="", help="Namespace of the definition.")
PUBLIC: Final = click.Option(("--public",), is_flag=True, help="Let other projects use it.")
UPDATE_BY_ID: Final = click.Option(("--id", "identifier"), default="", help="Update the one with this ID.")
ENVIRONMENT: Final = click.Option(
    ("-e", "--env"),
    type=yaml_or_file,
    help="Environment variables: JSON, YAML or the name of a file with them.",
)
MAX_DEPTH: Final = click.Option(
    ("--max-depth",), type=click.IntRange(min=-1), default=-1, help="Levels of sub-workflows [default: all]."
)
ERRORS_ONLY: Final = click.Option(("--errors-only",), is_flag=True, help="Only what led to an error.")
