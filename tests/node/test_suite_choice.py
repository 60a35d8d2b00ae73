"""A region that chose the Chinese suite does all that another does."""

import tomllib
from dataclasses import replace

import pytest
from small_region import DAY, PAYMENT, SPEC, Clock, ask, bid, opened_records, trade, write

from gridbourse.crypto.suite import suite_named
from gridbourse.errors import InvalidValue
from gridbourse.market.types import DealState
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.region import Region
from gridbourse.region.description_file import read_region, write_region

pytest.importorskip("gmssl_pyx")


def test_a_region_with_the_chinese_suite_trades_traces_and_rotates_its_keys(tmp_path):
    clock, gmt = Clock(), suite_named("gmt")
    with Region.create(tmp_path / "region", replace(SPEC, suite="gmt"), clock=clock) as region:
        region.open_day(DAY)
        region.deposit({"Bert": 10**9}, DAY, PAYMENT)
        for name in ("Anna", "roofs", "roofs/encryption", REGULATOR):
            region.rotate_keys(name)
        write(region, "Anna", ask())
        write(region, "Bert", bid())
        trade(region)
        for master in region.masters.values():
            # Behind the commitment of 32 bytes an envelope begins with the number of its suite.
            assert {record.content[32] for record in master.slave.records()} == {gmt.number}
            assert None not in opened_records(region, master.membership.name)
    with Region.open(tmp_path / "region", clock=clock) as region:
        assert region.main.market.deal(1).state is DealState.SETTLED
        assert region.regulator.trace(1).holds
        assert region.regulator.audit() == []


def test_a_regions_file_says_its_suite(tmp_path):
    path = tmp_path / "region.toml"
    for suite in ("hpke", "gmt"):
        write_region(replace(SPEC, suite=suite), path)
        assert tomllib.loads(path.read_text("utf-8"))["suite"] == suite
        assert read_region(path).suite == suite


def test_an_unknown_suite_is_refused():
    with pytest.raises(InvalidValue, match="suite: 'sm2' is not valid; give one of hpke, gmt"):
        replace(SPEC, suite="sm2")
