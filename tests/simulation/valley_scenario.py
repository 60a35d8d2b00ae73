"""A small scenario for tests: a roof, a wind turbine and three customers, for two hours of a summer day."""

from pathlib import Path

SCENARIO = """\
title = "A valley"
start = "2026-08-03T11:00"
periods = 8
seed = 5

[market]
mechanism = "continuous"

[tariff]
retail_yuan_per_kwh = "0.60"
feed_in_yuan_per_kwh = "0.30"

[carbon]
grid_g_per_kwh = 570
"""

REGION = """\
name = "valley"
chain_id = 9100
time_zone = "Asia/Shanghai"

[market]
cooling_off_seconds = 300
price_floor_yuan_per_kwh = "0.05"
price_cap_yuan_per_kwh = "0.9"
gate_closure_lead_seconds = 900

[[master]]
name = "grid"
role = "grid"

[[master]]
name = "valley"
role = "aggregator"
"""

PARTICIPANTS = """\
id,master,kind,generation,generation_scale,load,load_scale,sells_from_yuan_per_kwh,buys_up_to_yuan_per_kwh,strategy
Roof,valley,pv,sun,2,home,1,0.31,0.58,
Turbine,grid,wind,simbench:wind_4,20,,,0.33,,
Home,valley,residential,,,home,1,,0.59,
Shop,valley,commercial,,,home,3,,0.55,
Works,grid,industrial,,,simbench:industry_low_voltage,15,,0.52,
"""

PROFILES = "time,sun,home\n" + "".join(
    f"2026-08-03T{10 + place // 4:02}:{place % 4 * 15:02},{2 + place / 10},{0.5 + place % 3 / 10}\n"
    for place in range(20)
)


def write_valley(folder: Path, **changes: str | None) -> Path:
    """Write the scenario's files; `changes` are other texts for them by name, None for no such file."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = {"scenario": SCENARIO, "region": REGION, "participants": PARTICIPANTS, "profiles": PROFILES} | changes
    for name, text in texts.items():
        suffix = "toml" if name in {"scenario", "region"} else "csv"
        if text is not None:
            (folder / f"{name}.{suffix}").write_text(text, "utf-8")
    return folder
