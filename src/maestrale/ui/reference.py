"""The page at `/docs`: the OpenAPI document for people. It needs no script, and nothing from elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final

Json = Any

_SCHEMAS: Final = "#/components/schemas/"
_RESPONSES: Final = "#/components/responses/"

_STYLE: Final = """
:root { color-scheme: light dark }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 0 1rem 4rem }
code, pre { font-family: ui-monospace, monospace; background: #8882; border-radius: 4px }
code { padding: 0 .25em; overflow-wrap: anywhere }
pre { padding: .75rem 1rem; overflow-x: auto }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1rem }
caption { text-align: left; font-weight: 600 }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-top: 1px solid #8884 }
summary { cursor: pointer; padding: .25rem 0 }
details { border-top: 1px solid #8884 }
details[open] { padding-bottom: 1rem }
.method { display: inline-block; min-width: 4.5rem; font-weight: 700 }
.skip { position: absolute; left: -99rem }
.skip:focus { position: static }
:target { outline: 2px solid #0b5cad; outline-offset: 4px }
@media (prefers-color-scheme: light) { a { color: #0b5cad } }
@media (prefers-color-scheme: dark) { a { color: #8cc4ff } }
"""


def reference(document: dict[str, Json], base: str) -> str:
    """The page of a document. `base` is the address of the server."""
    info, address = document["info"], escape(base)
    groups: dict[str, list[str]] = {tag["name"]: [] for tag in document["tags"]}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            groups[operation["tags"][0]].append(_operation(document, path, method, operation))
    parts = [
        f'<p><a href="{address}/">Home</a> · for programs: '
        f'<a href="{address}/openapi.json">openapi.json</a></p>',
        *(f"<p>{_prose(text)}</p>" for text in info["description"].strip().split("\n\n")),
        _callers(document),
        "<nav aria-label='Groups'><h2>Groups</h2><ul>",
        *(f'<li><a href="#{_anchor("tag", name)}">{escape(name)}</a></li>' for name in groups),
        '<li><a href="#schemas">Types</a></li></ul></nav>',
    ]
    for tag in document["tags"]:
        name = tag["name"]
        parts.append(f'<section id="{_anchor("tag", name)}"><h2>{escape(name)}</h2>')
        parts.append(f"<p>{_prose(tag['description'])}</p>{''.join(groups[name])}</section>")
    schemas = document["components"]["schemas"]
    parts.append('<section id="schemas"><h2>Types</h2>')
    parts += [_schema(name, schemas[name]) for name in sorted(schemas)]
    parts.append("</section>")
    return _page(f"Maestrale {escape(info['version'])}: the REST API", "\n".join(parts))


def _page(title: str, content: str) -> str:
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
<a class="skip" href="#content">Skip to the content</a>
<main id="content">
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""


def _callers(document: dict[str, Json]) -> str:
    if not document["security"]:
        return "<p>This server asks nobody who they are.</p>"
    return (
        "<p>A request says who sends it by the header <code>X-Auth-Token</code>, or by "
        "<code>Authorization: Bearer</code>.</p>"
    )


def _operation(document: dict[str, Json], path: str, method: str, operation: dict[str, Json]) -> str:
    anchor = _anchor("operation", operation["operationId"])
    parts = [
        f'<details id="{anchor}"><summary><span class="method">{method.upper()}</span>'
        f"<code>{escape(path)}</code> {escape(operation['summary'])}</summary>",
        f"<p>{_prose(operation['description'])}</p>" if "description" in operation else "",
        f'<p><a href="#{anchor}">Link</a> · operation <code>{operation["operationId"]}</code></p>',
    ]
    if operation["parameters"]:
        rows = [
            (
                f"<code>{escape(given['name'])}</code>{' (needed)' if given.get('required') else ''}",
                given["in"],
                _type(given["schema"]),
                _prose(given.get("description", "")),
            )
            for given in operation["parameters"]
        ]
        parts.append(_table("Parameters", ("Name", "In", "Type", "Meaning"), rows))
    if "requestBody" in operation:
        parts.append("<h3>Body</h3>" + "".join(_content(operation["requestBody"]["content"])))
    answers = []
    for status, answer in operation["responses"].items():
        answer = _answer(document, answer)
        answers.append((status, _prose(answer["description"]), "".join(_content(answer.get("content", {})))))
    parts.append(_table("Answers", ("Status", "Meaning", "Body"), answers) + "</details>")
    return "".join(parts)


def _answer(document: dict[str, Json], answer: dict[str, Json]) -> dict[str, Json]:
    if "$ref" not in answer:
        return answer
    found: dict[str, Json] = document["components"]["responses"][answer["$ref"].removeprefix(_RESPONSES)]
    return found


def _content(content: dict[str, Json]) -> Iterator[str]:
    for media, body in content.items():
        text = body["schema"].get("description", "")
        yield f"<p><code>{escape(media)}</code>: {_type(body['schema'])} {_prose(text)}</p>"
        if "example" in body:
            example = body["example"]
            shown = example if isinstance(example, str) else json.dumps(example, indent=2, ensure_ascii=False)
            yield f"<pre>{escape(shown)}</pre>"


def _schema(name: str, schema: dict[str, Json]) -> str:
    needed = schema.get("required", ())
    rows = [
        (
            f"<code>{escape(key)}</code>{' (always)' if key in needed else ''}",
            _type(value),
            _prose(value.get("description", "")) + _example(value),
        )
        for key, value in schema.get("properties", {}).items()
    ]
    table = _table(f"Attributes of {escape(name)}", ("Name", "Type", "Meaning"), rows)
    text = f"<p>{_prose(schema['description'])}</p>" if "description" in schema else ""
    summary = f"<summary><code>{escape(name)}</code></summary>"
    return f'<details id="{_anchor("type", name)}">{summary}{text}{table}</details>'


def _example(schema: dict[str, Json]) -> str:
    examples = schema.get("examples")
    return (
        f" For example <code>{escape(json.dumps(examples[0], ensure_ascii=False))}</code>."
        if examples
        else ""
    )


def _table(caption: str, heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _type(schema: dict[str, Json]) -> str:
    """A schema in a few words, with links to the types that have names."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(_SCHEMAS)
        return f'<a href="#{_anchor("type", name)}">{escape(name)}</a>'
    if "enum" in schema:
        return " | ".join(f"<code>{escape(json.dumps(value))}</code>" for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(option) for option in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    if schema.get("contentMediaType"):
        return "JSON in a text"
    return escape(str(schema.get("type", "anything")))


def _prose(text: str) -> str:
    """Text in which backquotes mark code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _anchor(kind: str, name: str) -> str:
    return f"{kind}-{name}"
