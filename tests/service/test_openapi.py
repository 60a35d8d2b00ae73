"""The OpenAPI document and the service agree, whatever is asked: no undocumented answer, and no 5xx."""

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from gridbourse.service.app import create_app
from gridbourse.service.settings import ServiceSettings
from gridbourse.service.use_cases.service import Exchange

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
ENDLESS = "/api/v1/events"
ACTORS = {"Anna": ["read", "trade"], "grid": ["read", "manage"], "regulator": ["read"]}


@pytest.fixture(scope="module")
def authorizations(shared):
    """What identifies each actor; the last one is nobody."""
    made = []
    for name, scopes in ACTORS.items():
        with shared.browser(name) as client:
            secret = client.post("/tokens", json={"name": "fuzz", "scopes": scopes}).json()["secret"]
        made.append({"Authorization": f"Bearer {secret}"})
    return [*made, {}]


schema = schemathesis.openapi.from_dict(create_app(Exchange.open, ServiceSettings()).openapi()).exclude(path=ENDLESS)
# One test with a name of its own for each operation: the tests run side by side, and are told apart by their names.
OPERATIONS = [result.ok() for result in schema.get_all_operations()]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(data=st.data())
def test_every_answer_is_as_documented(operation, data, shared, authorizations):
    case = data.draw(operation.as_strategy())
    for headers in authorizations:
        case.headers.pop("Authorization", None)
        case.call_and_validate(base_url=shared.url, headers=headers, checks=CHECKS, timeout=30)
