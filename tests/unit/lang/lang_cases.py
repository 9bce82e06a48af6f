"""Definition texts that are refused or accepted, one rule each, for the parser and the JSON Schema.

`SHAPE`: refused for its shape, which a schema can say too. `MEANING`: refused for what only the parser can
tell (names that do not exist, the syntax of expressions, YAML). `ACCEPTED`: free of errors.
"""

from __future__ import annotations

from typing import Final


def _body(body: str) -> str:
    return f"version: '2.0'\nw:\n{_indented(body, 2)}"


def _indented(text: str, by: int) -> str:
    return "".join(f"{' ' * by}{line}\n" for line in text.strip("\n").splitlines())


def _task(*entries: str) -> str:
    lines = "".join(_indented(entry, 4) for entry in entries)
    return _body(f"tasks:\n  t:\n{lines}  b: {{action: std.noop}}\n")


def _reverse(entry: str) -> str:
    return _body(f"type: reverse\ntasks:\n  t: {{{entry}}}\n  b: {{action: std.noop}}\n")


def _section(section: str) -> str:
    return _body(f"{section}\ntasks: {{t: {{action: std.noop}}, b: {{action: std.noop}}}}\n")


def _action(entries: str) -> str:
    return f"version: '2.0'\na: {{{entries}}}\n"


def _book(entries: str) -> str:
    return f"version: '2.0'\nname: book\n{entries}\n"


_TASK_SHAPES: Final = (
    *("retry: {count: '3', delay: 1}", "retry: {count: 3}", "retry: {delay: 3}", "retry: {}", "retry: 3"),
    *("retry: {count: 1, delay: 1, times: 2}", "retry: {count: 1.5, delay: 1}", "retry: null", "retry: ''"),
    *("retry: {count: 1, delay: 1, break-on: true}", "retry: {count: 1, delay: 1, continue-on: x}"),
    *("retry: count=3", "retry: {count: -1, delay: 0}", "retry: {count: true, delay: 0}"),
    *("wait-before: 1.1", "wait-before: -1", "wait-before: soon", "wait-after: ''", "wait-after: [1]"),
    *("timeout: '300'", "timeout: true", "timeout: null", "concurrency: '{% if x %}1{% endif %}'"),
    *("timeout: ' <% 1 %>'", "timeout: 'x <% 1 %>'", "pause-before: 'False'", "pause-before: 1"),
    *("fail-on: null", "fail-on: 'x <% true %>'", "safe-rerun: 'no'", "keep-result: 'asd'", "keep-result: 0"),
    *("target: ''", "target: 5", "target: null", "description: ''", "description: 5", "description: null"),
    *("tags: []", "tags: x", "tags: [a, a]", "tags: ['']", "tags: [5]", "tags: null"),
    *("action: ''", "action: null", "action: 5", "action: [std.noop]", "action: '=x y'", "workflow: ''"),
    *("workflow: {a: b}", "workflow: null", "action: std.noop\nworkflow: w"),
    *("input: {}", "input: ''", "input: []", "input: [a]", "input: 5", "input: null"),
    *(
        "publish: {}",
        "publish: x",
        "publish: []",
        "publish: null",
        "publish-on-error: {}",
        "publish-on-skip: 1",
    ),
    *("with-items: 'x in y'", "with-items: ['<% $.y %>']", "with-items: ''", "with-items: []"),
    *(
        "with-items: 5",
        "with-items: [1]",
        "with-items: {x: [1]}",
        "with-items: null",
        "with-items: 'x in []'",
    ),
    *("with-items: ['x in [1]', 'x in [1]']", "with-items: 'x of [1]'", "with-items: ['x in [1]', '']"),
    *("join: '3'", "join: -1", "join: any", "join: null", "join: 1.5", "join: true", "join: [all]"),
    *("requires: b", "requires: [b]", "onsuccess: b", "policies: {retry: {count: 1, delay: 1}}"),
    *("on-success: null", "on-success: ''", "on-success: 5", "on-success: []", "on-success: {}"),
    *("on-success: [b, b]", "on-success: [{b: <% true %>}, {b: <% true %>}]", "on-success: [null]"),
    *("on-success: [5]", "on-success: ['']", "on-success: [[b]]", "on-success: [{}]"),
    *("on-success: {b: true}", "on-success: [{b: true}]", "on-success: [{b: yes please}]"),
    *("on-success: [{b: '{% if x %}1{% endif %}'}]", "on-success: [{b: <% 1 %>, t: <% 1 %>}]"),
    *("on-success: {next: {b: 'b'}}", "on-success: {next: []}", "on-success: {next: null}"),
    *("on-success: {next: [b, b]}", "on-success: {next: {}}", "on-success: {next: b, then: b}"),
    *("on-success: {publish: {}}", "on-success: {publish: {v: 1}}", "on-success: {publish: null}"),
    *("on-success: {publish: {branch: {}}}", "on-success: {publish: {global: 1}}", "on-success: two words"),
    "on-success: {publish: {branch: {a: 1}, other: {b: 1}}}",
    *("on-error: {next: 5}", "on-complete: [{b: 1}]", "on-skip: ''"),
)

_SECTION_SHAPES: Final = (
    *("type: null", "type: sideways", "type: ''", "tags: []", "tags: a, b", "tags: [a, a]"),
    *(
        "input: ['a', 'a']",
        "input: [12345]",
        "input: []",
        "input: [{a: 1, b: 2}]",
        "input: {a: 1}",
        "input: a",
    ),
    *("input: ['']", "input: [{}]", "input: null", "input: [null]", "input: [{a: 1}, {a: 1}]"),
    *(
        "vars: {}",
        "vars: []",
        "vars: x",
        "vars: null",
        "output: {}",
        "output: x",
        "output: []",
        "output: null",
    ),
    *("output-on-error: {}", "output-on-error: x", "output-on-error: null"),
    *("task-defaults: {}", "task-defaults: null", "task-defaults: []", "task-defaults: {publish: {a: 1}}"),
    *("task-defaults: {target: x}", "task-defaults: {keep-result: false}", "task-defaults: {join: all}"),
    *("task-defaults: {action: std.noop}", "task-defaults: {input: {a: 1}}", "task-defaults: {timeout: '3'}"),
    *("task-defaults: {retry: {count: 1}}", "task-defaults: {on-error: []}", "task-defaults: {requires: []}"),
    *("task-defaults: {with-items: x in <% $.y %>}", "task-defaults: {tags: [a]}"),
)

_REVERSE_SHAPES: Final = (
    *("requires: ''", "requires: []", "requires: ['']", "requires: 12345", "requires: null"),
    *("requires: [b, b]", "requires: {b: 1}", "join: all", "on-success: b", "on-error: b", "on-complete: b"),
    *("on-skip: b",),
)

_ACTION_SHAPES: Final = (
    *("input: [x]", "base: ''", "base: null", "base: 5", "base: x, base-input: {}", "base: x, tags: []"),
    *("base: x, base-input: text", "base: x, base-input: null", "base: x, outputs: 1", "base: x, input: []"),
    *("base: x, input: [a, a]", "base: x, description: ''", "base: x, action: y", "base: '=x y'"),
)

_BOOK_SHAPES: Final = (
    *("actions: {}", "actions: []", "workflows: null", "other: 1", "tags: 'a, b'", "description: ''"),
    *("actions: {a.b: {base: x}}", "workflows: {a b: {tasks: {t: {action: std.noop}}}}", "actions: {a: {}}"),
    *("actions: {version: '1.0', a: {base: x}}", "workflows: {w: {}}", "workflows: {w: {tasks: {}}}"),
    *("workflows: {w: {tasks: {t: {}}}}", "triggers: {a: b}"),
)

_TOP_SHAPES: Final = (
    *("", "[a]", "just text", "5", "version: '2.0'", "w: {tasks: {t: {action: std.noop}}}"),
    *(f"version: {version}\nw: {{tasks: {{t: {{}}}}}}" for version in ("''", "null", "true", "[2.0]", "-1")),
    *("version: '2.0'\nw: null", "version: '2.0'\nw: {}", "version: '2.0'\nw: []", "version: '2.0'\nname: x"),
    *(
        "version: '2.0'\nw: {tasks: {}}",
        "version: '2.0'\nw: {tasks: null}",
        "version: '2.0'\nw: {input: [a]}",
    ),
    *("version: '2.0'\nw: {tasks: {t: null}}", "version: '2.0'\nw: {tasks: {t: {}}}"),
    *("version: '2.0'\nw: {tasks: {t: [a]}}", "version: '2.0'\nw: {tasks: {version: {action: std.noop}}}"),
    *("version: '2.0'\na b: {tasks: {t: {action: std.noop}}}", "version: '2.0'\nw: {tasks: [t]}"),
    *(
        f"version: '2.0'\n{name}: {{tasks: {{t: {{action: std.noop}}}}}}"
        for name in (
            "0123456789abcdef0123456789abcdef",
            "b9a1cdd4-6f1e-4d5c-9d9f-3f9fbb9d3c1A",
            "'{b9a1cdd4-6f1e-4d5c-9d9f-3f9fbb9d3c1a}'",
            "x" * 256,
            "''",
        )
    ),
)

SHAPE: Final[list[tuple[str, str]]] = [
    *(("workflow", _task(entry)) for entry in _TASK_SHAPES),
    *(("workflow", _section(section)) for section in _SECTION_SHAPES),
    *(("workflow", _reverse(entry)) for entry in _REVERSE_SHAPES),
    *(("workflow", text) for text in _TOP_SHAPES),
    *(("action", _action(entries)) for entries in _ACTION_SHAPES),
    *(("action", text) for text in ("", "version: '2.0'", "a: {base: x}", "version: '2.0'\na b: {base: x}")),
    *(("workbook", _book(entries)) for entries in _BOOK_SHAPES),
    *(("workbook", f"version: {version}\nname: b\n") for version in ("1.0", "'two'", "''", "null", "3")),
    *(("workbook", text) for text in ("version: '2.0'", "name: b", "version: '2.0'\nname: a b")),
    *(("workbook", f"version: '2.0'\nname: {name}") for name in ("''", "5", "null", "x" * 256)),
]

MEANING: Final[list[tuple[str, str]]] = [
    *(
        ("workflow", _task(entry))
        for entry in (
            *("wait-before: '<% * %>'", "wait-before: '{{ * }}'", "publish: {x: '<% $.a + %>'}"),
            *("on-success: ['email%']", "on-success: nowhere", "on-error: [{nowhere: <% true %>}]"),
            *(
                "input: {x: '<% $.a %> and {{ _.b }}'}",
                "on-success: [{b: <% 1 + %>}]",
                "join: all",
                "join: 1",
            ),
            *(
                "retry: coun=3 delay=1",
                "retry: count=x delay=1",
                "with-items: x in [a, b]",
                "on-success: <%x%>",
            ),
            *("publish: {on: 1}", "on-success: [{off: <% true %>}]", "action: std.echo output=<% $.a + %>"),
            *("on-success: fail()", "input: {5: x}", 'retry: count="3" delay=1'),
        )
    ),
    *(
        ("workflow", _section(section))
        for section in ("vars: {a: '<% 1 + %>'}", "output: {a: '{{ _.b | }}'}")
    ),
    *(("workflow", _reverse(entry)) for entry in ("requires: nowhere", "requires: [b, fail]")),
    ("workflow", _body("tasks:\n  t1: {on-success: t2}\n  t2: {on-success: t1}")),
    ("workflow", _body("tasks:\n  t1: {on-success: t1}")),
    ("workflow", _body(f"tasks:\n  {'x' * 256}: {{action: std.noop}}")),
    ("workflow", _body(f"tasks:\n  a: {{on-success: {'x' * 209}}}\n  {'x' * 209}: {{join: all}}")),
    ("workflow", _body("tasks:\n  on: {action: std.noop}")),
    ("workflow", "version: '2.0'\nw: {tasks: {t: {action: std.noop}}}\n---\nversion: '2.0'\n"),
    ("workflow", "version: '2.0'\nw:\n  tasks: &x\n    t: {action: std.noop}\n"),
    ("workflow", "version: '2.0'\nw:\n\ttasks: {}\n"),
    ("workflow", "version: '2.0'\nw: {tasks: {t: {publish: {{ _.x }}}}}\n"),
    ("action", _action("base: std.echo output=<% $.a + %>")),
    ("action", _action("base: x, base-input: {a: '<% 1 + %>'}")),
    ("action", _action("base: x, output: '<% 1 + %>'")),
    ("workbook", _book("workflows: {w: {tasks: {t: {on-success: nowhere}}}}")),
    ("workbook", _book("workflows: {b9a1cdd46f1e4d5c9d9f3f9fbb9d3c1a: {tasks: {t: {action: std.noop}}}}")),
    ("workbook", _book(f"actions: {{{'x' * 251}: {{base: y}}}}")),
]

ACCEPTED: Final[list[tuple[str, str]]] = [
    *(
        ("workflow", _task(entry))
        for entry in (
            *(
                "description: x",
                "retry: {count: 3, delay: 1}",
                "retry: count=3 delay=1",
                "retry: {count: 0, delay: 0}",
            ),
            *("retry: count=3 delay=1 break-on=<% $.x > 1 %>", "retry: {count: <% 1 %>, delay: '{{ 1 }}'}"),
            *(
                "retry: {count: 3, delay: 1, break-on: '{{ a }}', continue-on: <% true %>}",
                "wait-before: 1.0",
            ),
            *("wait-before: 0", "wait-after: <% 1 %>", "timeout: '<% a %> <% b %>'", "timeout: '{{ 1 }} '"),
            *("pause-before: true", "pause-before: <% true %>", "fail-on: '{{ _.x }}'", "safe-rerun: no"),
            *("keep-result: '<% 1 + 2 %>'", "keep-result: false", "target: here", "target: '<% $.where %>'"),
            *("tags: [a, b]", "action: std.noop", "action: std.echo output=1", "action: <% $.name %>"),
            *("action: '{{ _.name }} x=1'", "action: a(b)=c", "workflow: w", 'workflow: w x=1 y="z"'),
            *("input: {a: null}", "input: <% $.args %>", "input: plain text", "publish: {x: null}"),
            *("publish: {x: {deep: ['<% 1 + %>']}}", "publish-on-error: {e: 1}", "publish-on-skip: {e: 1}"),
            *("with-items: x in <% $.y %>", "with-items: 'x in {{ _.y }}'", "with-items: 'x in [ ]'"),
            *("with-items: ['x in [1, 2, 3]', 'i in <% $.j %>']", 'with-items: x in [1, "a"]'),
            *("with-items: xin<% $.y %>", "with-items: '  my-x  in  <% $.y %> and more'"),
            *(
                "on-success: b",
                "on-success: [b]",
                "on-success: {b: <% $.x > 1 %>}",
                "on-success: b\nwith-items: x in [1]",
            ),
            *("on-success: [b, {b: <% true %>}]", 'on-success: [{b: "{{ _.ok }}"}, fail]'),
            *(
                "on-success: {next: b}",
                "on-success: {next: {b: <% true %>}}",
                "on-success: {next: [b, noop]}",
            ),
            *(
                "on-success: {publish: {branch: {a: 1}}}",
                "on-success: {publish: {global: {a: 1}, atomic: {b: 1}}}",
            ),
            *("on-success: {publish: {branch: {v: 1}}, next: [b, {fail: <% $.x %>}]}", "on-error: noop"),
            *('on-success: fail msg="x y"', 'on-success: fail(msg="x y")', 'on-success: pause(msg="hold")'),
            *("on-success: [succeed(msg=<% $.a %>)]", 'on-error: [{fail msg="no": <% true %>}]'),
            *("on-complete: [pause, b]", "on-skip: {next: b}", "join: 0", "join: 0.0", "concurrency: 3"),
            *("type: direct", "name: other", "version: 1.0"),
        )
    ),
    *(
        ("workflow", _section(section))
        for section in (
            *(
                "type: direct",
                "description: 5",
                "description: {any: thing}",
                "tags: [a]",
                "input: ['a', {b: 2}]",
            ),
            *("input: [{a: null}]", "input: [{a: <% anything %>}, {b: {c: [1]}}]", "vars: {a: <% 1 %>}"),
            *(
                "output: {a: null}",
                "output-on-error: {a: '<% 1 + %>'}",
                "unknown: 1",
                "name: x",
                "version: 7",
            ),
            *("task-defaults: {retry: {count: 1, delay: 1}}", "task-defaults: {on-error: [b]}"),
            *("task-defaults: {wait-before: 1, wait-after: 1, timeout: 1, pause-before: false}",),
            *("task-defaults: {concurrency: 2, fail-on: false, safe-rerun: true, requires: [t]}",),
            *(
                "task-defaults: {on-success: noop, on-complete: b, on-skip: b}",
                "task-defaults: {requires: t}",
            ),
        )
    ),
    *(
        ("workflow", _reverse(entry))
        for entry in ("requires: b", "requires: [b]", "action: std.noop", "requires: t")
    ),
    ("workflow", _body("type: reverse\ntasks: {t: {requires: b}, b: {requires: t}}")),
    (
        "workflow",
        _body("type: reverse\ntask-defaults: {on-error: t, requires: [t]}\ntasks: {t: {action: std.noop}}"),
    ),
    (
        "workflow",
        _body(
            "tasks: {t: {on-success: [t5+task, 't4,task', 't6$task']}, t5+task: {action: std.noop}, "
            "'t4,task': {action: std.noop}, t6$task: {action: std.noop}}"
        ),
    ),
    (
        "workflow",
        _body("tasks: {a: {on-success: noop}, noop: {action: std.noop}, 'a b': {action: std.noop}}"),
    ),
    ("workflow", _body("tasks: {t: {on-success: {next: <% true %>}}, next: {action: std.noop}}")),
    (
        "workflow",
        "version: '2.0'\na.dotted-name: {tasks: {t: {action: std.noop}}}\nb: {tasks: {t: {tags: [x]}}}\n",
    ),
    ("workflow", '{"version": "2.0", "w": {"tasks": {"t": {"action": "std.noop"}}}}'),
    *(
        ("workflow", f"version: {version}\nw: {{tasks: {{t: {{action: std.noop}}}}}}\n")
        for version in ("2.0", "2", "'2'", "1.0", "'two'", "'v2.0'")
    ),
    ("action", _action("base: std.noop")),
    ("action", _action('base: std.echo output="<% $.x %>", input: [x, {y: 1}], output: null, tags: [a]')),
    (
        "action",
        _action("base: std.echo, base-input: {output: <% $.x %>}, output: {a: <% $ %>}, description: x"),
    ),
    ("action", _action("base: x, output: {a: '<% 1 + %>'}")),
    (
        "action",
        "version: '2.0'\nstd.my_http: {base: std.http}\nb9a1cdd4-6f1e-4d5c-9d9f-3f9fbb9d3c1a: {base: x}\n",
    ),
    *(("workbook", f"version: {version}\nname: b\n") for version in ("'2.0'", "2.0", "2", "'2'")),
    ("workbook", _book("description: x\ntags: [a]")),
    (
        "workbook",
        _book(
            "actions: {version: '2.0', a: {base: x}}\nworkflows: {version: 2, w-1: {tasks: {t: {tags: [x]}}}}"
        ),
    ),
    (
        "workbook",
        _book("workflows: {žluť: {type: reverse, tasks: {t: {requires: b}, b: {action: std.noop}}}}"),
    ),
]
