"""The clearings that the contract is driven with are those that the reference judges so today."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_committed_vectors_are_the_references(tmp_path):
    tool = runpy.run_path(str(ROOT / "tools" / "auction_vectors.py"))
    written = tmp_path / "clearings.json"
    tool["main"](written)
    committed = ROOT / "contracts" / "test" / "vectors" / "clearings.json"
    assert written.read_text("utf-8") == committed.read_text("utf-8")
