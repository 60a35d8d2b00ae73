"""People are shown the region's local time; chains and API count on in UTC."""

import re
import shutil

import pytest
from test_pages import text_of, visitor

from gridbourse.service.local_time import LocalTime, date_day, date_text
from service import Service

from small_market import DAY, PERIOD, ask  # isort: skip

SUMMER = date_day("2026-06-01")


@pytest.mark.parametrize(
    ("zone", "turn", "span", "dated"),
    [
        ("UTC", 0, "00:00–00:15", "2026-06-01 00:00–00:15"),
        ("Asia/Shanghai", 0, "08:00–08:15", "2026-06-01 08:00–08:15"),
        ("Asia/Shanghai", 64, "06-02 00:00–00:15", "2026-06-02 00:00–00:15"),
        ("America/New_York", 0, "05-31 20:00–20:15", "2026-05-31 20:00–20:15"),
        ("Asia/Kathmandu", 0, "05:45–06:00", "2026-06-01 05:45–06:00"),
    ],
)
def test_a_period_is_told_by_the_regions_clocks(zone, turn, span, dated):
    local = LocalTime(zone)
    assert local.span(SUMMER * 96 + turn) == span
    assert local.dated_span(SUMMER * 96 + turn) == dated


def test_hours_that_come_twice_are_told_apart_by_their_offset():
    local, day = LocalTime("Europe/Berlin"), date_day("2026-10-25")
    spans = [local.span(period) for period in range(day * 96, (day + 1) * 96)]
    assert spans[0] == "02:00–02:15 +02:00"
    assert spans[4] == "02:00–02:15 +01:00"
    assert len(set(spans)) == 96


def test_a_delivery_day_lies_in_two_local_days():
    assert LocalTime("Asia/Shanghai").day_span(SUMMER) == "2026-06-01 08:00 – 2026-06-02 08:00"
    assert LocalTime("Asia/Shanghai").offset(0) == "UTC+08:00"
    assert LocalTime("UTC").offset(0) == "UTC"


@pytest.fixture(scope="module")
def in_shanghai(prepared, tmp_path_factory):
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("shanghai") / "region")
    described = (folder / "region.toml").read_text("utf-8")
    (folder / "region.toml").write_text(described.replace('"UTC"', '"Asia/Shanghai"'), "utf-8")
    service = Service(folder).start()
    yield service
    service.stop()


def test_pages_show_local_time_name_it_and_say_when_the_delivery_day_lasts(in_shanghai):
    with visitor(in_shanghai, "Anna") as client:
        with in_shanghai.browser("Anna") as api:
            assert api.post("/orders", json=ask()).json()["period"] == PERIOD
        market = text_of(client.get(f"/market?period={PERIOD}").text)
        assert f"Delivery {date_text(DAY)} 20:00–20:15" in market
        assert f"{date_text(DAY)} 08:00 – {date_text(DAY + 1)} 08:00" in market
        assert "Asia/Shanghai, UTC+08:00" in market
        assert f"{date_text(DAY)} 20:00–20:15" in text_of(client.get("/energy/orders").text)
        statement = client.get(f"/energy/statement?day={date_text(DAY)}").text
        assert f"{date_text(DAY)} 08:00 – {date_text(DAY + 1)} 08:00" in statement
        assert re.search(r'<time datetime="[^"]+\+08:00">', client.get("/network").text)


def test_the_api_says_which_time_is_local_and_counts_on_in_utc(in_shanghai):
    with in_shanghai.browser() as client:
        assert client.get("/market/settings").json()["time_zone"] == "Asia/Shanghai"
        assert client.get("/market/periods", params={"day": DAY}).json()[0]["starts_at"] == DAY * 86_400
