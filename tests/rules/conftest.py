import json
from pathlib import Path

import pytest

from gridbourse.rules.rule_set import find_rule_set

SPECIFIED = Path(__file__).parents[3] / "shared" / "data" / "market_rules.json"


@pytest.fixture(scope="session")
def rules():
    return find_rule_set("sichuan-2026")


@pytest.fixture(scope="session")
def specified():
    """The worked numbers of the specification, which lie beside the checkout."""
    if not SPECIFIED.is_file():
        pytest.skip(f"the specification's numbers are not at {SPECIFIED}")
    return json.loads(SPECIFIED.read_text("utf-8"))
