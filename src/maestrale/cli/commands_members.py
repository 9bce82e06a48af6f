"""Commands for sharing workflows with other projects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from maestrale.cli.commands import Column, Given, Row, Section, ShowRow, TableRow

if TYPE_CHECKING:
    from maestrale.client.results import Member
    from maestrale.client.sync import Client

COLUMNS: Final = (
    Column("resource_id", "Resource ID"),
    Column("resource_type", "Resource Type"),
    Column("project_id", "Resource Owner"),
    Column("member_id", "Member ID"),
    Column("status", "Status"),
    Column("created_at", "Created at"),
    Column("updated_at", "Updated at"),
)
STATUSES: Final = ("pending", "accepted", "rejected")
RESOURCE: Final = (
    click.Argument(("resource_id",), metavar="RESOURCE_ID"),
    click.Argument(("resource_type",), type=click.Choice(["workflow"])),
)
MEMBER: Final = click.Argument(("member_id",), metavar="MEMBER_ID")
MEMBER_OPTION: Final = click.Option(
    ("-m", "--member-id"),
    default="",
    help="ID of the project with which it is shared; not needed where you may see one member only, as a "
    "member yourself does.",
)


def _id(client: Client, resource_id: str, resource_type: str, member_id: str) -> str:
    """The member that is meant; the only one that the caller may see if none is named."""
    if member_id:
        return member_id
    seen = client.members.list(resource_id, resource_type)
    if len(seen) != 1:
        raise click.ClickException(
            f"The {resource_type} is shared with {len(seen)} projects; name one with --member-id."
        )
    return seen[0].member_id


def _get(client: Client, resource_id: str, resource_type: str, member_id: str) -> Member:
    member_id = _id(client, resource_id, resource_type, member_id)
    return client.members.get(resource_id, member_id, resource_type)


def _update(client: Client, resource_id: str, resource_type: str, member_id: str, status: str) -> Member:
    member_id = _id(client, resource_id, resource_type, member_id)
    return client.members.update(resource_id, member_id, status, resource_type)


@dataclass(kw_only=True, eq=False, repr=False)
class _DeleteRow(Row):
    """Ends the sharing with one project."""

    def run(self, client: Client, given: Given) -> None:
        client.members.delete(given["resource_id"], given["member_id"], given["resource_type"])
        kind, member = given["resource_type"], given["member_id"]
        click.echo(f"Request to delete {kind} member {member} has been accepted.")


SECTION: Final = Section(
    "Sharing with other projects",
    (
        TableRow(
            name="member-list",
            words="resource member list",
            help="List with whom a workflow is shared.",
            arguments=RESOURCE,
            columns=COLUMNS,
            call=lambda client, resource_id, resource_type: client.members.list(resource_id, resource_type),
        ),
        ShowRow(
            name="member-get",
            words="resource member show",
            help="Show how a workflow is shared with a project.",
            arguments=(*RESOURCE, MEMBER_OPTION),
            columns=COLUMNS,
            call=_get,
        ),
        ShowRow(
            name="member-create",
            words="resource member create",
            help="Share a private workflow with a project, which may then accept.",
            arguments=(*RESOURCE, MEMBER),
            columns=COLUMNS,
            call=lambda client, resource_id, resource_type, member_id: client.members.create(
                resource_id, member_id, resource_type
            ),
        ),
        ShowRow(
            name="member-update",
            words="resource member update",
            help="Accept or reject what another project shares with yours.",
            arguments=(
                *RESOURCE,
                MEMBER_OPTION,
                click.Option(
                    ("-s", "--status"), type=click.Choice(STATUSES), default="accepted", show_default=True,
                    help="Your answer.",
                ),
            ),
            columns=COLUMNS,
            call=_update,
        ),
        _DeleteRow(
            name="member-delete",
            words="resource member delete",
            help="Share a workflow with a project no more.",
            arguments=(*RESOURCE, MEMBER),
        ),
    ),
)  # fmt: skip
SECTIONS: Final = (SECTION,)
