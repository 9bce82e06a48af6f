"""`std.ssh` and `std.ssh_proxied`: what the actions take and give."""

from __future__ import annotations

from maestrale.actions.base import ActionContext, action
from maestrale.actions.extras import require
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json


@action("std.ssh", secrets=("password", "private_key"), check_types=False, acts_for_caller=False)
async def std_ssh(
    context: ActionContext,
    cmd: str,
    host: str | list[str],
    username: str,
    password: str | None = "",
    private_key_filename: str | None = None,
    private_key: str | None = None,
    return_result_on_error: bool = False,
) -> Json:
    """Run a command on one host or on several, one after the other.

    cmd: what to run. host: host or host:port (by default 22), or a list of them. username: who logs in.
    password: to log in with; also the pass phrase of the private key.
    private_key_filename: a key in the folder of keys of the service. private_key: the text of a key.
    return_result_on_error: true makes every exit code a success.

    The result is what the command wrote to its standard output; for several hosts a list, in their order.
    With return_result_on_error it is a map of stdout, stderr and exit_code.
    """
    require("std.ssh", "asyncssh", "ssh")
    from maestrale.actions.ssh_client import Login, run_command

    login = Login(str(username), password or None, private_key_filename, private_key)
    results: list[Json] = []
    for name in _names(host):
        output = await run_command(context.settings.ssh, name, login, str(cmd))
        if return_result_on_error:
            results.append({"stdout": output.stdout, "stderr": output.stderr, "exit_code": output.exit_code})
        else:
            output.check()
            results.append(output.stdout)
    return results if len(results) > 1 else results[0]


@action("std.wait_ssh", secrets=("password",), check_types=False, acts_for_caller=False)
async def std_wait_ssh(context: ActionContext, host: str | list[str], username: str, password: str) -> Json:
    """Log in and run `ls -l`; with a retry policy, wait until a host can be logged in to."""
    return await std_ssh(context, "ls -l", host, username, password)


@action("std.ssh_proxied", secrets=("password", "private_key"), check_types=False, acts_for_caller=False)
async def std_ssh_proxied(
    context: ActionContext,
    cmd: str,
    host: str | list[str],
    username: str,
    private_key_filename: str | None,
    gateway_host: str,
    gateway_username: str | None = None,
    password: str | None = None,
    proxy_command: str | None = None,
    private_key: str | None = None,
) -> Json:
    """Run a command on hosts that can be reached through a gateway only.

    gateway_host: where to log in first, host or host:port. gateway_username: who logs in there, by default
    the same user. Key and password are used for both.
    proxy_command: a command on the machine of the service that connects to the gateway; only where the
    operator allows that. The others are those of std.ssh, and so is the result.
    """
    require("std.ssh_proxied", "asyncssh", "ssh")
    from maestrale.actions.ssh_client import Gateway, Login, run_command

    login = Login(str(username), password or None, private_key_filename, private_key)
    there = Login(str(gateway_username or username), password or None, private_key_filename, private_key)
    gateway = Gateway(str(gateway_host), there, proxy_command)
    results: list[Json] = []
    for name in _names(host):
        output = await run_command(context.settings.ssh, name, login, str(cmd), gateway)
        output.check()
        results.append(output.stdout)
    return results if len(results) > 1 else results[0]


def _names(host: Json) -> list[str]:
    names = host if isinstance(host, list) else [host]
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InvalidAction("Parameter 'host' must be the name of a host, or a list of names")
    return names
