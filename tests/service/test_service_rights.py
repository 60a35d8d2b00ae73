"""Who may do what in the service: the whole OpenAPI document, tried as everybody and as nobody."""

import re
from pathlib import Path

import httpx
import pytest
from small_market import DAY, PERIOD

from gridbourse.service.rights import RIGHTS, SCOPE_OF, Kind, Right, Scope

PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
ACTORS = {"nobody": Kind.NOBODY, "Anna": Kind.NODE, "grid": Kind.MASTER, "regulator": Kind.REGULATOR}
EXAMPLES = {
    "period": PERIOD,
    "day": DAY,
    "order_id": "0" * 16,
    "deal_id": 999_999,
    "name": "main",
    "height": 1,
    "index": 0,
    "tx_hash": "0x" + "00" * 32,
    "token_id": "none",
    "node_id": "Anna",
    "reference": "0" * 64,
    "month": 202608,
    "program_id": "none",
    "event_id": "none",
}


@pytest.fixture(scope="module")
def document(shared):
    return httpx.get(f"{shared.url}/api/v1/openapi.json", timeout=60).json()


@pytest.fixture(scope="module")
def operations(document):
    return [
        (method, path, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
        if path != "/api/v1/events"
    ]


def call(client, method, path):
    filled = re.sub(r"\{(\w+)\}", lambda found: str(EXAMPLES[found[1]]), path)
    body = {"json": {}} if method in {"post", "put", "patch"} else {}
    return client.request(method, client.base_url.copy_with(path=filled), **body)


def is_refused(answer):
    """Whether the caller lacks the right, whatever else may be wrong."""
    lacks_right = answer.status_code == 403 and re.match(r"a \w+ may not|this token lacks", answer.json()["detail"])
    return answer.status_code == 401 or bool(lacks_right)


@pytest.mark.parametrize("actor", ACTORS)
def test_everybody_may_do_what_the_table_says_and_nothing_else(shared, operations, actor):
    kind = ACTORS[actor]
    with shared.browser(None if kind is Kind.NOBODY else actor) as client:
        for method, path, described in operations:
            if path.startswith("/api/v1/sign-in") or (method, path) == ("delete", "/api/v1/session"):
                continue
            answer = call(client, method, path)
            allowed = kind in RIGHTS[Right(described["x-right"])]
            assert is_refused(answer) is not allowed, (actor, method, path, answer.text)
            assert answer.status_code < 500, (actor, method, path, answer.text)


@pytest.mark.parametrize("scope", Scope)
def test_a_token_reaches_no_further_than_its_scope(shared, operations, scope):
    with shared.browser("grid") as client:
        made = client.post("/tokens", json={"name": "test", "scopes": [scope]})
    headers = {"Authorization": f"Bearer {made.json()['secret']}"}
    with httpx.Client(base_url=f"{shared.url}/api/v1", headers=headers, timeout=60) as program:
        for method, path, described in operations:
            right = Right(described["x-right"])
            if Kind.MASTER in RIGHTS[right] and not path.startswith("/api/v1/sign-in"):
                assert is_refused(call(program, method, path)) is (SCOPE_OF[right] is not scope), (method, path)


def test_every_operation_names_its_right_and_says_that_it_may_refuse(operations):
    for method, path, described in operations:
        right = Right(described["x-right"])
        if Kind.NOBODY not in RIGHTS[right]:
            assert {"401", "403"} <= set(described["responses"]), (method, path)
            assert described["security"], (method, path)


def test_the_page_shows_the_table_of_the_service():
    text = PAGE.read_text("utf-8").split("## In the service", 1)[1].split("\n## ", 1)[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    header, _, *body = rows
    assert header[1:] == [str(kind) for kind in Kind] + ["scope"]
    shown = {row[0]: (row[1:-1], row[-1]) for row in body}
    expected = {
        str(right): (["yes" if kind in RIGHTS[right] else "–" for kind in Kind], str(SCOPE_OF[right]))
        for right in Right
    }
    assert shown == expected
