"""What an API answers that was taken for dead and does not know it yet."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api_service import Api, serving

from maestrale.store import leases

WORKFLOW = """
version: '2.0'
one: {tasks: {t: {action: std.noop}}}
"""

pytestmark = pytest.mark.postgresql


@pytest.fixture
def api(lent_url: str) -> Iterator[Api]:
    with serving(lent_url) as found:
        yield found


def test_nothing_is_done_and_it_says_to_try_again(api: Api) -> None:
    """A text is written by the API itself, a command as mail."""
    api.define(WORKFLOW)
    key = api.run("one")["id"]
    membership = api.service.presence._membership  # type: ignore[attr-defined]
    with membership._beating:  # it hears nothing for a while
        gone = [api.service.lease.process_id]
        api.service.database.aside(leases.condemn, [], gone, 0)
        for answer in (
            api("POST", "/v2/workflows", content=WORKFLOW.replace("one", "two").encode()),
            api("PUT", f"/v2/executions/{key}", json={"description": "told"}),
        ):
            assert answer.status_code == 503, answer.text
            assert "try again" in answer.json()["faultstring"]
            assert answer.headers["Retry-After"] == "1"
    membership.beat()
    assert api.names("workflows") == ["one"]
    assert api.put(f"/v2/executions/{key}", description="told")["description"] == "told"
    assert api.run("one")["state"] == "SUCCESS"
