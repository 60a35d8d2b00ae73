"""The example in examples/trade.py trades, as its text says."""

import runpy
import time
from pathlib import Path

from gridbourse.node.region import Region

EXAMPLE = Path(__file__).parents[2] / "examples" / "trade.py"


def test_the_example_trades(service, capsys):
    # It trades for what is tomorrow now, which is not what it was if midnight has passed since this file was loaded.
    tomorrow = int(time.time()) // 86_400 + 1
    service.region(Region.open_day, tomorrow)
    service.region(Region.deposit, {"Bert": 10**12}, tomorrow, b"\x02" * 32)
    secrets = []
    for name in ("Anna", "Bert"):
        with service.browser(name) as client:
            made = client.post("/tokens", json={"name": "robot", "scopes": ["read", "trade"]})
            secrets.append(made.json()["secret"])
    runpy.run_path(str(EXAMPLE))["main"](service.url, *secrets)
    said = capsys.readouterr().out
    assert "it would buy 2 kWh for 0.6 yuan" in said
    assert "deal 1: bid, 2 kWh at 0.30 yuan/kWh, 0.6 yuan, settled" in said
