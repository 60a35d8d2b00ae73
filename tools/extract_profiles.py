"""Cut `src/gridbourse/simulation/data/profiles.csv` out of the SimBench data set.

Usage::

    pip download --no-deps simbench==1.6.3
    python tools/extract_profiles.py simbench-1.6.3-py3-none-any.whl

The wheel is read as an archive: neither SimBench nor what it needs has to be installed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

WHEEL_SHA256 = "8b48bdab2445286a96649eb18bb09476d000a0e212fd57fdba83399df54af4de"
GRID = "simbench/networks/1-complete_data-mixed-all-0-sw"
FIRST_DAY = "04.04.2016"
DAYS = 14
PERIODS_PER_DAY = 96
SHARES = 10_000
TARGET = Path(__file__).parents[1] / "src/gridbourse/simulation/data/profiles.csv"

RENEWABLES = {
    "pv_1": "PV1",
    "pv_3": "PV3",
    "pv_4": "PV4",
    "pv_5": "PV5",
    "pv_7": "PV7",
    "pv_8": "PV8",
    "wind_4": "WP4",
    "wind_7": "WP7",
    "wind_11": "WP11",
    "hydro_1": "Hydro1",
    "hydro_2": "Hydro2",
    "hydro_3": "Hydro3",
    "biomass_1": "BM1",
    "biomass_3": "BM3",
}
LOADS = {
    "household_a": "H0-A",
    "household_b": "H0-B",
    "household_c": "H0-C",
    "household_g": "H0-G",
    "household_l": "H0-L",
    "commerce_general": "G0-A",
    "commerce_weekday": "G1-B",
    "commerce_evening": "G2-A",
    "commerce_shop": "G4-A",
    "commerce_bakery": "G5-A",
    "commerce_weekend": "G6-A",
    "industry_low_voltage": "G3-A",
    "industry_medium_voltage": "G3-M",
    "industry_high_voltage": "G3-H",
    "farm_general": "L0-A",
    "farm_dairy": "L1-A",
    "ev_home_3_7_kw": "HLS_C_3.7",
    "ev_home_11_kw": "HLS_A_11.0",
    "ev_work_3_7_kw": "APLS_B_3.7",
    "ev_work_11_kw": "APLS_B_11.0",
}


def main(wheel: Path) -> None:
    """Write the extract.

    Raises
    ------
    SystemExit
        `wheel` is not the archive that the committed extract was cut from.
    """
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{wheel}: not simbench 1.6.3 (SHA-256 {WHEEL_SHA256})")
    with zipfile.ZipFile(wheel) as archive:
        renewables = columns(archive, "RESProfile.csv", RENEWABLES)
        loads = columns(archive, "LoadProfile.csv", {name: f"{source}_pload" for name, source in LOADS.items()})
        with TARGET.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            for left, right in zip(renewables, loads, strict=True):
                writer.writerow([*left, *right[1:]])


def columns(archive: zipfile.ZipFile, member: str, wanted: dict[str, str]) -> Iterator[list[str]]:
    """Yield a heading, then per period its time (ISO 8601) and the wanted columns in parts of 10,000."""
    yield ["time", *wanted]
    with archive.open(f"{GRID}/{member}") as raw:
        rows = iter(csv.DictReader(io.TextIOWrapper(raw, "utf-8"), delimiter=";"))
        row = next(row for row in rows if row["time"] == f"{FIRST_DAY} 00:00")
        for _ in range(DAYS * PERIODS_PER_DAY):
            day, month, year, clock = row["time"].replace(" ", ".").split(".")
            # The source has a few values of minus nought, the rest of its own rounding.
            shares = (max(0, round(float(row[source]) * SHARES)) for source in wanted.values())
            yield [f"{year}-{month}-{day}T{clock}", *map(str, shares)]
            row = next(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
