"""`std.javascript` and its short name `std.js`: what the action takes and gives."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from maestrale.actions.base import ActionContext, action
from maestrale.actions.extras import require
from maestrale.actions.settings import JavaScriptSettings
from maestrale.model.errors import InvalidAction
from maestrale.model.values import Json

if TYPE_CHECKING:
    from maestrale.actions.javascript_client import JavaScript

_engines: dict[asyncio.AbstractEventLoop, dict[JavaScriptSettings, JavaScript]] = {}


@action("std.javascript", repeatable=True, check_types=False)
async def std_javascript(context_of_action: ActionContext, script: str, context: Json = None) -> Json:
    """Evaluate JavaScript.

    script: the body of a function; what it returns is the result. context: any data, which the script
    sees as $.

    Objects and arrays become maps and lists, dates texts. The script has no access to files, network or
    clock beyond what the language itself offers.
    """
    if not isinstance(script, str):
        raise InvalidAction(f"Parameter 'script' must be a text, not {type(script).__name__}")
    return await _engine(context_of_action.settings.javascript).evaluate(script, context)


@action("std.js", repeatable=True, check_types=False)
async def std_js(context_of_action: ActionContext, script: str, context: Json = None) -> Json:
    """Evaluate JavaScript: the short name of std.javascript."""
    return await std_javascript(context_of_action, script, context)


async def close() -> None:
    """End the processes that evaluate scripts for the running event loop."""
    for engine in _engines.pop(asyncio.get_running_loop(), {}).values():
        await engine.close()


def _engine(settings: JavaScriptSettings) -> JavaScript:
    """The processes of the running event loop."""
    require("std.javascript", "py_mini_racer", "javascript")
    from maestrale.actions.javascript_client import JavaScript

    loop = asyncio.get_running_loop()
    if loop not in _engines:
        for ended in [known for known in list(_engines) if known.is_closed()]:
            _engines.pop(ended, None)
    engines = _engines.setdefault(loop, {})
    if settings not in engines:
        engines[settings] = JavaScript(settings)
    return engines[settings]
