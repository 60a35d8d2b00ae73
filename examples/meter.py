"""A smart meter of one's own, in software: it has a key, counts, signs a reading every quarter of an hour.

    python examples/meter.py mqtt://127.0.0.1:1883 "small valley" roof-meter

The folder keeps its key and its readings, so that it counts on where it ended. It prints its address, which the node's
master enters (`gridbourse meter register NODE ADDRESS --limit-kw 8`); the service then asks it for all that it has.
What flows through it here is a PV plant of the data set that comes with gridbourse; a real one reads its registers.
"""

import secrets
import sys
import time
from contextlib import closing
from pathlib import Path

from gridbourse.crypto.keys import SigningKey
from gridbourse.metering.journal import Journal
from gridbourse.metering.meter import Meter
from gridbourse.metering.mqtt import Broker, Concentrator
from gridbourse.metering.reading import SignedReading
from gridbourse.simulation.profiles import Profiles
from gridbourse.units import PERIOD_SECONDS

POWER_W = 8_000


def open_meter(folder: Path) -> tuple[Meter, Journal, int]:
    """A meter with what it remembers, or a new one, and the last period that it reported."""
    folder.mkdir(mode=0o700, exist_ok=True)
    key_file = folder / "key"
    if not key_file.exists():
        key_file.touch(mode=0o600)
        key_file.write_text(secrets.token_hex(32))
    memory = Journal(folder / "readings")
    history = [SignedReading.from_bytes(data) for data in memory.unread()]
    reported = history[-1].reading.period if history else 0
    return Meter(SigningKey(bytes.fromhex(key_file.read_text())), history), memory, reported


def report(meter: Meter, memory: Journal, line: Concentrator, period: int, exported_wh: int) -> None:
    """Count what was fed in during a period that has ended, sign, remember, publish."""
    meter.count(exported_wh=exported_wh)
    signed = meter.read(period)
    memory.append(signed)
    memory.sync()  # a number that was signed once is never signed again for another reading
    line.publish(signed)


def main(broker: str, region: str, folder: str) -> None:
    """Report every period as it ends, until stopped."""
    meter, memory, reported = open_meter(Path(folder))
    print(f"meter 0x{meter.address.hex()}")
    sun = Profiles.load().energies_wh("pv_1", POWER_W)
    with closing(Concentrator(Broker.at(broker), region, f"meter-{meter.address.hex()}", [meter])) as line:
        while True:
            period = max(reported + 1, int(time.time()) // PERIOD_SECONDS - 1)
            time.sleep(max(0.0, (period + 1) * PERIOD_SECONDS - time.time()))
            report(meter, memory, line, period, sun[period % len(sun)])
            reported = period


if __name__ == "__main__":
    main(*sys.argv[1:])
