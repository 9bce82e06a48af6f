"""`policy`: which rules there are, and why a caller passes one or does not."""

from __future__ import annotations

import difflib
from pathlib import Path

import click

from maestrale.api.policy_file import read_policy
from maestrale.cli.local_options import config_option, load_settings
from maestrale.model.errors import NotFound
from maestrale.services.access import ADMIN, Caller
from maestrale.services.policy import Policy
from maestrale.services.policy_checks import explain, write

_file_option = click.option(
    "--policy-file",
    metavar="FILE",
    help="Policy file [default: as set for the server; without: the defaults].",
)
ATTRIBUTES = ("project", "user", "roles")


@click.group("policy")
def policy() -> None:
    """Show what callers may do, and why."""


@policy.command("list")
@_file_option
@config_option
def show(policy_file: str | None, config_file: Path | None) -> None:
    """Every rule with its check, and whether it is the default or comes from the file."""
    found = _policy(policy_file, config_file)
    width = max(map(len, found.checks))
    for name, check in sorted(found.checks.items()):
        origin = "file   " if name in found.changed else "default"
        click.echo(f"{name:<{width}}  {origin}  {write(check)}")


@policy.command("check")
@click.argument("rule")
@click.option(
    "--as",
    "caller",
    metavar="project=P,user=U,roles=A,B",
    default="",
    help="Who asks; what is left out is empty. The role `admin` makes an administrator.",
)
@_file_option
@config_option
def check(rule: str, caller: str, policy_file: str | None, config_file: Path | None) -> None:
    """Say whether a caller passes RULE (as in workflows:create), and which check decides.

    Exits with 0 if the caller passes, else with 1.
    """
    found = _policy(policy_file, config_file)
    if rule not in found.checks:
        near = difflib.get_close_matches(rule, found.checks, 1)
        hint = f"did you mean '{near[0]}'?" if near else "mistral policy list shows all of them"
        raise NotFound(f"There is no rule '{rule}'", hint)
    verdict = found.judge(rule, _caller(caller).attributes)
    click.echo(f"{rule}: {'allowed' if verdict.passes else 'forbidden'}")
    for line in explain(verdict):
        click.echo(f"  {line}")
    raise click.exceptions.Exit(0 if verdict.passes else 1)


def _policy(file: str | None, config_file: Path | None) -> Policy:
    """The policy of the file that is named here or in the settings. Raises `PolicyFileError`."""
    settings = load_settings({("server", "policy_file"): file}, config_file)
    name = settings.server.policy_file
    return read_policy(Path(name).expanduser()) if name else Policy()


def _caller(text: str) -> Caller:
    """Who is described as `project=P,user=U,roles=A,B`: commas separate roles as well."""
    given: dict[str, list[str]] = {}
    values: list[str] | None = None
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = part.partition("=")
        if equals:
            if name not in ATTRIBUTES:
                raise click.BadParameter(f"'{name}' is none of {', '.join(ATTRIBUTES)}", param_hint="--as")
            values = given.setdefault(name, [])
            values.append(value)
        elif values is given.get("roles") and values is not None:
            values.append(part)
        else:
            raise click.BadParameter(f"'{part}' has no name (project=, user= or roles=)", param_hint="--as")
    roles = tuple(role for role in given.get("roles", ()) if role)
    return Caller(
        "".join(given.get("project", ())),
        "".join(given.get("user", ())) or None,
        None,
        roles,
        ADMIN in roles,
    )
