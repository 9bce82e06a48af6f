"""Whether an SSH server is the one that it says it is. Importing this costs asyncssh, so import it late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import asyncssh

from maestrale.actions.settings import SshSettings
from maestrale.model.errors import MaestraleError


class SshFailure(MaestraleError):
    """The command could not be run, or did not succeed."""


class HostKeys(asyncssh.SSHClient):
    """What is known of the keys of one host, and what the policy says to one that is not known."""

    def __init__(self, settings: SshSettings, host: str, port: int) -> None:
        """Read the file of known hosts. Raises `SshFailure` if that cannot be done."""
        self._settings = settings
        self._name = host if port == asyncssh.DEFAULT_PORT else f"[{host}]:{port}"
        self._file = Path(settings.known_hosts).expanduser()
        self._new: asyncssh.SSHKey | None = None
        self._refused: asyncssh.SSHKey | None = None
        self._known: Any = ((),) * 7
        if settings.host_keys == "any":
            return
        try:
            known = asyncssh.read_known_hosts(str(self._file))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            raise SshFailure(f"the file of known hosts {self._file} cannot be read: {error}") from error
        self._known = known.match(self._name, "", None)

    def matching(self, host: str, addr: str, port: int | None) -> Any:
        """The keys that may be trusted, and those that may not, as the library wants them."""
        del host, addr, port
        return self._known

    @property
    def are_checked(self) -> bool:
        """Whether keys matter at all."""
        return self._settings.host_keys != "any"

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        """Whether to take a key that is not among the known ones of this host."""
        del host, addr, port
        known, authorities, *_ = self._known
        if self._settings.host_keys == "accept-new" and not known and not authorities:
            self._new = key
            return True
        self._refused = key
        return False

    def remember(self) -> None:
        """Write down the key of a host that was seen for the first time.

        Raises `SshFailure` where the file cannot be written: the host would be taken for a new one for ever.
        """
        if self._new is None:
            return
        line = f"{self._name} {self._new.export_public_key('openssh').decode().strip()}\n"
        try:
            self._file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._file.open("a", encoding="utf-8") as file:
                file.write(line)
        except OSError as error:
            raise SshFailure(
                f"the key of the host cannot be written to {self._file}: {error.strerror or error}",
                f"the operator sets the file with {self._settings.where('known_hosts')}",
            ) from error
        self._new = None

    def distrust(self, reason: Exception) -> SshFailure:
        """The error for a host whose key was refused."""
        if self._refused is None:
            return SshFailure(f"the key of the host cannot be trusted: {reason}")
        key = f"{self._refused.get_algorithm()} {self._refused.get_fingerprint()}"
        if any(self._known[:2]):
            return SshFailure(
                f"the key of the host is not the one that is known ({key}): somebody may be listening in, or "
                "the host was set up anew",
                f"in that case remove {self._name} from {self._file}",
            )
        return SshFailure(
            f"the key of the host is unknown ({key})",
            f"add it to {self._file}; the operator sets how strict to be with "
            f"{self._settings.where('host_keys')}",
        )
