"""Arguments of queries that several endpoints take."""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from maestrale.api.operation import Argument, Media

NAMESPACE: Final = Argument("namespace", "The namespace; by default the one with the empty name.")
SCOPE: Final = Argument("scope", "`private` or `public`; by default, private.")
FIELDS: Final = Argument("fields", "What to show, by default all; `id` is always there.", list[str])
FORCE: Final = Argument("force", "Also if it has not ended.", bool)
WAIT: Final = Argument(
    "wait", "Answer when it has ended, at the latest after so many seconds.", Annotated[float, Meta(ge=0)]
)
ERRORS_ONLY: Final = Argument("errors_only", "Only what belongs to failed tasks.", bool)
MAX_DEPTH: Final = Argument("max_depth", "How many levels down; -1 for all.", int)
INCLUDE_OUTPUT: Final = Argument("include_output", "With the outputs.", bool)

SINGLE: Final = (FIELDS, WAIT)
TREE: Final = (ERRORS_ONLY, MAX_DEPTH)
UPLOAD: Final = (
    NAMESPACE,
    SCOPE,
    Argument("skip_validation", "Known for the sake of old clients; texts are always validated."),
)

YAML: Final = Media(
    "text/plain",
    "YAML in UTF-8. The content type does not matter, but XML is refused.",
    "version: '2.0'\ngreet:\n  tasks:\n    hello:\n      action: std.echo output='Hello'\n",
)
ACTION_YAML: Final = Media(
    "text/plain",
    "YAML in UTF-8 with ad-hoc actions. The content type does not matter, but XML is refused.",
    "version: '2.0'\ngreet:\n  base: std.echo\n  base-input:\n    output: Hello\n",
)
WORKBOOK_YAML: Final = Media(
    "text/plain",
    "YAML in UTF-8 with one workbook. The content type does not matter, but XML is refused.",
    "version: '2.0'\nname: greetings\nworkflows:\n  greet:\n    tasks:\n      hello:\n"
    "        action: std.echo output='Hello'\n",
)
PYTHON: Final = Media(
    "text/plain", "Python in UTF-8.", "class Greet:\n    def run(self, context):\n        return 'Hello'\n"
)
