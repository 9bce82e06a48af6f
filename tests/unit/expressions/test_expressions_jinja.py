from __future__ import annotations

import copy
from typing import Any

import pytest
from expressions_world import World, failure_of, value_of

TOO_LARGE = "it takes too much memory: more than 67108864 bytes for a value ([expressions] memory_quota)"

DATA: dict[str, Any] = {
    "d": {"n": 5, "k": {"deep": ["x", "y"]}, "b": 1},
    "l": ["b", "a", "c"],
    "rows": [{"id": 1, "zone": "a"}, {"id": 2, "zone": "b"}, {"id": 3, "zone": "a"}],
    "items": [1],
    "keys": "k",
}


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("_.d.n + 1", 6),
        ("_['d']['k'].deep[1]", "y"),
        ("'a' if _.d.n == 5 else 'b'", "a"),
        ("5 / 2", 2.5),
        ("_.l | join('-')", "b-a-c"),
        ("_.l | map('upper') | list", ["B", "A", "C"]),
        ("_.l | map('upper')", ["B", "A", "C"]),
        ("_.l | sort(reverse=true)", ["c", "b", "a"]),
        ("_.l | length", 3),
        ("_.l + ['d']", ["b", "a", "c", "d"]),
        ("_.l[1:]", ["a", "c"]),
        ("_.zzz | default(5)", 5),
        ("_.d.zzz is defined", False),
        ("_.d.k.deep is defined", True),
        ("_.rows | selectattr('zone', 'equalto', 'a') | map(attribute='id') | list", [1, 3]),
        ("_.rows | groupby('zone') | length", 2),
        ("_.rows | sum(attribute='id')", 6),
        ("_.rows | sort(attribute='zone') | first", {"id": 1, "zone": "a"}),
        ("_.rows | tojson", '[{"id": 1, "zone": "a"}, {"id": 2, "zone": "b"}, {"id": 3, "zone": "a"}]'),
        ("_.d | tojson", '{"b": 1, "k": {"deep": ["x", "y"]}, "n": 5}'),
        ("_.d | dictsort | first", ["b", 1]),
        ("_.d | items | list | length", 3),
        ("{'a b': 'c&d'} | urlencode", "a+b=c%26d"),
        ("_.rows[0] | urlencode", "id=1&zone=a"),
        ("_.d | string", "{'n': 5, 'k': {'deep': ['x', 'y']}, 'b': 1}"),
        ("'%s' | format(_.l)", "['b', 'a', 'c']"),
        ("'{0[b]}'.format(_.d)", "1"),
        ("_.d is mapping and _.l is sequence", True),
        ("_.rows[0] == {'id': 1, 'zone': 'a'}", True),
        ("_.rows[0] in _.rows", True),
        ("'n' in _.d", True),
        ("_.d.get('n')", 5),
        ("_.d.get('zzz', 7)", 7),
        ("dict(_.rows[0], id=9)", {"id": 9, "zone": "a"}),
        ("dict(**_.rows[0])", {"id": 1, "zone": "a"}),
        ("[1, 1, 2] | unique", [1, 2]),
        ("_.d.values() | first", 5),
        ("_['items']", [1]),
        ("_['keys']", "k"),
        ("_['copy']() | length", 5),
        ("_.keys() | list | sort | first", "d"),
        ("_.d[5] is defined", False),
        ("_.d[[1]] is defined", False),
        ("_ | length", 5),
        ("_.d | attr('zzz') is defined", False),
    ],
)
def test_expressions(expression: str, result: Any) -> None:
    assert value_of(f"{{{{ {expression} }}}}", **DATA) == result


def test_templates() -> None:
    text = (
        "{% set names = [] %}\n"
        "{% for row in _.rows if row.zone == 'a' %}\n"
        "  {% if names.append(row.id) %}{% endif %}\n"
        "{{ loop.index }}: {{ row }}\n"
        "{% endfor %}\n"
        "{% macro shout(text) %}{{ text | upper }}!{% endmacro %}\n"
        "{{ names }} {{ shout('done') }}\n"
    )
    assert value_of(text, **DATA) == "1: {'id': 1, 'zone': 'a'}\n2: {'id': 3, 'zone': 'a'}\n[1, 3] DONE!"


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("__env.region", "north"),
        ("__execution.id", "e"),
        ("_.__env.region", "north"),
        ("__env is defined", True),
    ],
)
def test_context_variables(expression: str, result: Any) -> None:
    assert (
        value_of(f"{{{{ {expression} }}}}", {"__env": {"region": "north"}, "__execution": {"id": "e"}})
        == result
    )


def test_context_variables_that_are_not_there_are_undefined() -> None:
    assert value_of("{{ __env is defined }}") is False
    assert "no variable or function '__env'" in failure_of("{{ __env }}")


@pytest.mark.parametrize(
    "expression",
    [
        "_.l.append(5)",
        "_.l.sort()",
        "_.l.clear()",
        "_.d.update({'x': 1})",
        "_.d.pop('n')",
        "_.d.k.deep.insert(0, 1)",
        "_.rows[0].clear()",
        "_.update(x=1)",
        "_.l['append'](1)",
    ],
)
def test_data_of_the_workflow_cannot_be_changed(expression: str) -> None:
    data = copy.deepcopy(DATA)
    message = failure_of(f"{{{{ {expression} }}}}", **data)
    assert "would change a variable of the workflow; expressions can only read them" in message
    assert data == DATA


def test_copies_can_be_changed() -> None:
    data = copy.deepcopy(DATA)
    text = (
        "{% set d = _.d.copy() %}{% set l = _.l | list %}{% if d.update(n=6) or l.append('d') %}{% endif %}"
    )
    assert value_of(text + "{{ d.n }} {{ l }}", **data) == "6 ['b', 'a', 'c', 'd']"
    assert data == DATA


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__.__mro__",
        "_.__class__",
        "_.d.stored",
        "_.d.evaluation",
        "_.l.stored",
        "_.d | attr('stored')",
        "_.d | attr('_stored')",
        "_.l | attr('__class__')",
        "_.d.items.__self__",
        "'{0.stored}'.format(_.d)",
        "'{0.__class__}'.format(_.l)",
        "cycler.__init__.__globals__",
        "lipsum()",
    ],
)
def test_the_sandbox_is_closed(expression: str) -> None:
    assert "Can not evaluate Jinja expression" in failure_of(f"{{{{ {expression} }}}}", **DATA)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("{{ _.vm_idd }}", "no variable 'vm_idd'; did you mean 'vm_id'?; available: d, l, vm_id"),
        ("x {{ _.vm_idd }}", "no variable 'vm_idd'; did you mean 'vm_id'?; available: d, l, vm_id"),
        ("{{ _['vm_idd'] }}", "no variable 'vm_idd'; did you mean 'vm_id'?; available: d, l, vm_id"),
        ("{{ _.nope.deeper }}", "no variable 'nope'; available: d, l, vm_id"),
        ("{{ _.d.nn }}", "no key 'nn'; did you mean 'n'?; available: n"),
        ("{{ {'a': 1}.b }}", "no key 'b'; available: a"),
        ("{{ vm_id }}", "no variable 'vm_id'; variables of the workflow are read as '_.vm_id'"),
        ("{{ nope() }}", "no variable or function 'nope'; variables of the workflow are read as '_.name'"),
        ("{{ _.l[7] }}", "no element 7: there are 3"),
        ("{{ _.l.x }}", "a list has no 'x'"),
        ("{{ _.vm_id.x }}", "a text has no 'x'"),
        ("{{ _.d.n.x }}", "a number has no 'x'"),
        ("{{ true.x }}", "a boolean has no 'x'"),
        ("{{ none.x }}", "null has no 'x'"),
        ("{{ range.x }}", "a function has no 'x'"),
        ("{{ 1 / 0 }}", "division by zero"),
        ("{{ 1 + 'a' }}", "operator '+' cannot take a number and a text; texts are joined with ~"),
        ("{{ 'a' * 10 ** 15 }}", TOO_LARGE),
        ("{{ _.vm_id * 10 ** 15 }}", TOO_LARGE),
        ("{{ _.d() }}", "a map is no function to call"),
        ("{{ _.items }}", "the result holds a function, which is no data; call it with ()"),
        ("x {{ _.items }}", "the result holds a function, which is no data; call it with ()"),
        ("{{ [] | random }}", "random: there is nothing to choose from"),
        ("{{ [_.nope] }}", "no variable 'nope'; available: d, l, vm_id"),
        ("{{ {(1, 2): 3} }}", "a key of a map must be text, not tuple"),
    ],
)
def test_causes_are_told_in_words(text: str, cause: str) -> None:
    message = failure_of(text, d={"n": 1}, l=[1, 2, 3], vm_id="x", __internal=1)
    expression = text[2:-2].strip() if text.startswith("{{") else text
    assert message.startswith(f"Can not evaluate Jinja expression [expression={expression}, error={cause}]")


def test_errors_in_long_texts_name_the_line() -> None:
    message = failure_of("one\ntwo\nthree {{ _.x }}\n")
    assert "error=no variable 'x'" in message
    assert message.endswith("(line 3, column 12 of the expression)")
    message = failure_of("{% for row in _.rows %}\n{{ row.k }}\n{% endfor %}", rows=[{}])
    assert "error=no key 'k'" in message
    assert message.endswith("(line 2, column 8 of the expression)")


def test_messages_show_names_but_no_values() -> None:
    data = {"token": "do-not-show", "list": ["do-not-show"], "map": {"a": "do-not-show"}}
    for expression in (
        "_.tokn",
        "_.list.nope()",
        "_.list + 1",
        "_.map.b",
        "_.map()",
        "_.token.x",
        "_.map + 1",
    ):
        assert "do-not-show" not in failure_of(f"{{{{ {expression} }}}}", data)


def test_dice_come_from_the_surroundings() -> None:
    assert value_of("{{ ['a', 'b', 'c'] | random }}", world=World()) == "b"
    assert "random() is not available here" in failure_of("{{ [1] | random }}")


def test_an_attribute_error_is_an_error() -> None:
    class Broken(World):
        def env(self) -> Any:
            raise AttributeError("inside")

    for text in ("{{ env() }}", "<% env() %>", "x {{ env().a }}", "x <% env() %>"):
        assert "error=inside" in failure_of(text, world=Broken())
