"""Who is in the cloud of the tests."""

from __future__ import annotations

from typing import Final, NamedTuple

REGION: Final = "RegionOne"
DOMAIN: Final = "Default"

ROLES: Final = ("admin", "member", "reader")
PROJECTS: Final = ("blue", "green")


class Person(NamedTuple):
    """Somebody with one role in one project; the password is made of the name."""

    name: str
    project: str
    role: str

    @property
    def password(self) -> str:
        """The password."""
        return f"password-of-{self.name}"


PEOPLE: Final = {
    f"{project}-{role}": Person(f"{project}-{role}", project, role) for project in PROJECTS for role in ROLES
}
ADMINISTRATOR: Final = Person("admin", "admin", "admin")
SERVICE: Final = Person("maestrale", "service", "service")
"""As whom a service of ours works."""
