"""The built-in actions; every action named here is offered as `std.*`."""

from maestrale.actions.std import http, javascript
from maestrale.actions.std.basic import async_noop, echo, fail, make_dict, noop, sleep
from maestrale.actions.std.email import std_email
from maestrale.actions.std.http import std_http, std_mistral_http
from maestrale.actions.std.javascript import std_javascript, std_js
from maestrale.actions.std.ssh import std_ssh, std_ssh_proxied, std_wait_ssh

__all__ = [
    "async_noop",
    "close",
    "echo",
    "fail",
    "make_dict",
    "noop",
    "sleep",
    "std_email",
    "std_http",
    "std_javascript",
    "std_js",
    "std_mistral_http",
    "std_ssh",
    "std_ssh_proxied",
    "std_wait_ssh",
]


async def close() -> None:
    """Give up what the actions of the running event loop keep for the next ones."""
    await http.close()
    await javascript.close()
