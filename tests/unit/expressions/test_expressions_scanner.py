from __future__ import annotations

import pytest

from maestrale.expressions.scanner import has_jinja, has_yaql, yaql_spans


def yaql_parts(text: str) -> list[str]:
    return [text[span.start : span.end] for span in yaql_spans(text)]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("plain", []),
        ("100% <sure>", []),
        ("<%>", []),
        ("<% $.a %>", ["<% $.a %>"]),
        ("a <% 1 %> b <% 2 %>", ["<% 1 %>", "<% 2 %>"]),
        ("<% '%>' %>", ["<% '%>' %>"]),
        ('<% "%>" + `%>` %>', ['<% "%>" + `%>` %>']),
        (r"<% 'it\'s %>' %> x", [r"<% 'it\'s %>' %>"]),
        ("<% 1\n+ 2 %>", ["<% 1\n+ 2 %>"]),
        ("<% 5 % 2 %>", ["<% 5 % 2 %>"]),
        ("<% it's %> more", ["<% it's %>"]),
        ("<% 1 %> and <% open", ["<% 1 %>"]),
    ],
)
def test_yaql_is_found_up_to_its_real_end(text: str, parts: list[str]) -> None:
    assert yaql_parts(text) == parts
    assert has_yaql(text) == bool(parts)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("plain", False),
        ("{# only a comment #}", False),
        ("{{ open", False),
        ("{% open }}", False),
        ("}} {{", False),
        ("{{ a }}", True),
        ("{% if a %}b{% endif %}", True),
        ("x\n{{ a }}\ny", True),
        ("{{ a\n}}", True),
        ("{% if a\n%}b", True),
        ("{{ it's }}", True),
        ("{{ 'one\ntwo' }}", False),
        ("{{ 'one\ntwo' }} {{ a }}", True),
        ("{{ a,\n'}}' }}", True),
        ("{{ a\n", False),
        ("{{ a\n | b('x') }}", True),
    ],
)
def test_jinja_is_found_where_a_tag_closes(text: str, found: bool) -> None:
    assert has_jinja(text) is found


@pytest.mark.parametrize("piece", ["{{", "<%", "{%\n", "<% ' ", "{{ '\n", "<% '\" "])
def test_long_texts_of_opening_delimiters_take_no_long_time(piece: str) -> None:
    text = piece * 50_000
    has_jinja(text)
    has_yaql(text)
    yaql_spans(text + "%>" * 2)
