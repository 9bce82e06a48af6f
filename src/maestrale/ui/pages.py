"""Pages for people at a browser."""

from __future__ import annotations

import html

from maestrale import __version__

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Maestrale</title>
<link rel="icon" href="{base}/static/icon.svg">
<style>
body {{ font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem;
        color: #1b2733 }}
code, pre {{ font-family: ui-monospace, monospace; background: #eef2f5; border-radius: 4px }}
code {{ padding: 0 .25em }}
pre {{ padding: .75rem 1rem; overflow-x: auto }}
a {{ color: #0b5cad }}
</style>
</head>
<body>
<main>
<h1>Maestrale {version}</h1>
<p>This is a workflow service. It speaks the Mistral REST API v2 at <a href="{base}/v2/">{base}/v2/</a>;
a person drives it from the command line.</p>
<pre>mistral workflow-create hello_world.yaml
mistral execution-create hello_world
mistral execution-list</pre>
<p><a href="{base}/executions">See what your workflows do</a>, as it happens.</p>
<p>For programs:
<a href="{base}/v2/workflows">workflows</a>,
<a href="{base}/v2/executions">executions</a>,
<a href="{base}/v2/tasks">tasks</a>,
<a href="{base}/v2/actions">actions</a>,
<a href="{base}/health">health</a>,
<a href="{base}/docs">all of the API</a>.
All commands: <code>mistral --help</code>.</p>
</main>
</body>
</html>
"""


def welcome(base: str) -> str:
    """The page at `/`: what this is and where to go. `base` is the address of the server."""
    return _PAGE.format(version=html.escape(__version__), base=html.escape(base))
