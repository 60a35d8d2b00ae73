"""The example in examples/trade.py trades, as its text says."""

import runpy
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "trade.py"


def test_the_example_trades(service, capsys):
    secrets = []
    for name in ("Anna", "Bert"):
        with service.browser(name) as client:
            made = client.post("/tokens", json={"name": "robot", "scopes": ["read", "trade"]})
            secrets.append(made.json()["secret"])
    runpy.run_path(str(EXAMPLE))["main"](service.url, *secrets)
    said = capsys.readouterr().out
    assert "it would buy 2 kWh for 0.6 yuan" in said
    assert "deal 1: bid, 2 kWh at 0.30 yuan/kWh, 0.6 yuan, settled" in said
