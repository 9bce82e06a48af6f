"""What the operator set for the built-in actions and those of OpenStack."""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from maestrale.actions.egress import EgressRules, HttpSettings, setting

MEBIBYTE = 1024 * 1024


class EmailSettings(EgressRules, frozen=True):
    """What `std.email` may do.

    `timeout`: seconds to connect, and for each answer of the server. `always_tls`: encrypt also where no
    password is sent. `verify_certificates`: whether the server must prove its name. `ca_file`: the
    certificates to trust for that, empty = those of the system.
    """

    section: ClassVar[str] = "std_email"

    timeout: float = 60.0
    always_tls: bool = False
    verify_certificates: bool = True
    ca_file: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.timeout <= 0:
            raise ValueError("timeout must be more than 0")


class SshSettings(EgressRules, frozen=True):
    """What `std.ssh` and `std.ssh_proxied` may do.

    `host_keys`: "accept-new" remembers the key of an unknown host in the file `known_hosts` and refuses
    another key later, "strict" refuses unknown hosts, "any" checks nothing. `key_folder`: where private
    keys must lie that actions name. `agent_socket`: of the SSH agent whose keys may be used, empty = none.
    `allow_proxy_command`: whether authors may have a command run on this machine to reach the gateway.
    `connect_timeout`: seconds to connect and log in. `max_output_bytes`: of one command on one host.
    """

    section: ClassVar[str] = "std_ssh"

    host_keys: Literal["accept-new", "strict", "any"] = "accept-new"
    known_hosts: str = "~/.ssh/known_hosts"
    key_folder: str = "~/.ssh"
    agent_socket: str = ""
    allow_proxy_command: bool = False
    connect_timeout: float = 30.0
    max_output_bytes: int = 5 * MEBIBYTE

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.connect_timeout <= 0 or self.max_output_bytes <= 0:
            raise ValueError("connect_timeout and max_output_bytes must be more than 0")


class JavaScriptSettings(msgspec.Struct, frozen=True):
    """What `std.javascript` may use: `timeout` in seconds, and memory, for one script; so many `processes`
    at the same time; and bytes of its result."""

    timeout: float = 60.0
    max_memory_bytes: int = 128 * MEBIBYTE
    processes: int = 2
    max_result_bytes: int = 5 * MEBIBYTE

    def __post_init__(self) -> None:
        if min(self.timeout, self.max_memory_bytes, self.processes, self.max_result_bytes) <= 0:
            raise ValueError("it must be more than 0")

    @staticmethod
    def where(name: str) -> str:
        """How the operator sets the setting `name`."""
        return setting("std_javascript", name)


class OpenStackSettings(msgspec.Struct, frozen=True):
    """`endpoint_type`: which addresses of a catalogue to use. `default_region`: the region where neither the
    task nor the caller names one. `modules_support_region`: the services whose actions take `action_region`;
    if empty, those that the package names. `mapping_path`: the file that says which actions there are; if
    empty, that of the package."""

    endpoint_type: Literal["public", "internal", "admin"] = "public"
    default_region: str = ""
    modules_support_region: tuple[str, ...] = ()
    mapping_path: str = ""


class ActionSettings(msgspec.Struct, frozen=True):
    """All of the built-in ones."""

    http: HttpSettings = HttpSettings()
    email: EmailSettings = EmailSettings()
    ssh: SshSettings = SshSettings()
    javascript: JavaScriptSettings = JavaScriptSettings()
