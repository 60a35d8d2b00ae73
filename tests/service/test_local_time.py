"""A delivery day is the region's local day, and people are shown its local time; chains and API count on."""

import re
import shutil

import pytest
from test_pages import text_of, visitor

from gridbourse.delivery import date_text
from service import Service

from small_market import DAY, PERIOD, ask  # isort: skip


@pytest.fixture(scope="module")
def in_shanghai(prepared, tmp_path_factory):
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("shanghai") / "region")
    described = (folder / "region.toml").read_text("utf-8")
    (folder / "region.toml").write_text(described.replace('"UTC"', '"Asia/Shanghai"'), "utf-8")
    service = Service(folder).start()
    yield service
    service.stop()


def test_pages_show_local_time_and_name_it(in_shanghai):
    with visitor(in_shanghai, "Anna") as client:
        with in_shanghai.browser("Anna") as api:
            assert api.post("/orders", json=ask()).json()["period"] == PERIOD
        market = text_of(client.get(f"/market?period={PERIOD}").text)
        assert f"Delivery {date_text(DAY)} 20:00–20:15" in market
        assert "Asia/Shanghai, UTC+08:00" in market
        assert f"{date_text(DAY)} 20:00–20:15" in text_of(client.get("/energy/orders").text)
        statement = client.get(f"/energy/statement?day={date_text(DAY)}").text
        assert date_text(DAY) in statement
        assert re.search(r'<time datetime="[^"]+\+08:00">', client.get("/network").text)


def test_the_api_says_which_time_is_local_and_its_days_are_local_days(in_shanghai):
    with in_shanghai.browser() as client:
        assert client.get("/market/settings").json()["time_zone"] == "Asia/Shanghai"
        assert client.get("/market/periods", params={"day": DAY}).json()[0]["starts_at"] == (DAY * 24 - 8) * 3_600
