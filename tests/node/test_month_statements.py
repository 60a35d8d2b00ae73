"""Monthly statements of a region that runs: the job that writes them, corrections, the audit that makes them again."""

import shutil
from dataclasses import replace
from fractions import Fraction

import pytest
from month_region import MIDDLE, MONTH, OVER, RULES, SET, SettledMonth, spec
from small_region import records_of

from gridbourse.errors import InvalidValue
from gridbourse.ledger.month_records import MonthStatement
from gridbourse.node.folder.backup import back_up, restore
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.region import Region
from gridbourse.node.settling.month import MonthSettlement
from gridbourse.region.description_file import read_region, write_region
from gridbourse.region.rules import load_rules
from gridbourse.rules.grid_fee import grid_fee
from gridbourse.rules.month import Item
from gridbourse.rules.parameters import VoltageLevel
from gridbourse.rules.rule_set import SHIPPED, load_rule_set


@pytest.fixture
def month(tmp_path):
    scene = SettledMonth(tmp_path / "region")
    yield scene
    scene.region.close()


@pytest.fixture
def settled(month):
    month.meter()
    month.clock.now = OVER
    settle(month.region)
    return month


def settle(region):
    settlement = MonthSettlement(region)
    for name, due in list(settlement.due()):
        settlement.settle(name, due)
    return settlement


def statements(scene, node_id):
    name = scene.region.master_of(node_id).membership.name
    return [own for own in records_of(scene.region, name, MonthStatement) if own.user_id == node_id]


def line(statement, item):
    turn = statement.items.index(item)
    return statement.energies_wh[turn], statement.paid[turn] - statement.received[turn]


def findings(scene):
    scene.region.anchor()
    return scene.region.regulator.audit()


# What is written


def test_nothing_is_written_before_the_month_is_over_and_its_readings_were_due(month):
    month.meter()
    assert list(MonthSettlement(month.region).due()) == []
    month.clock.now = OVER - 1
    assert list(MonthSettlement(month.region).due()) == []
    month.clock.now = OVER
    assert list(MonthSettlement(month.region).due()) == [("roofs", MONTH), ("grid", MONTH)]


def test_a_round_of_the_node_writes_them(month):
    month.meter()
    month.clock.now = OVER
    loop = RegionLoop(month.region)
    loop.step()
    assert not [failure for failure in loop.failures if failure.job == "settle months"]
    for node_id in month.metered:
        assert len(statements(month, node_id)) == 1


def test_energy_and_fee_stand_apart_and_the_fee_is_what_the_pair_of_levels_makes(settled):
    (bea,) = statements(settled, "Bea")
    assert line(bea, Item.ENERGY_BOUGHT) == (1_000, 1_000 * 3_600)
    short_wh, _ = line(bea, Item.IMBALANCE_SHORT)
    assert short_wh == 200
    on = RULES.from_day
    fee = grid_fee(SET.parameters, MIDDLE.tariff, MIDDLE.level, VoltageLevel.KV35, on).price_ticks
    whole = SET.parameters.get(f"transmission.{MIDDLE.tariff}.{MIDDLE.level}", on).value
    tip = Fraction("1.92")
    assert line(bea, Item.NETWORK) == (1_200, round((1_000 * fee + 200 * whole) * tip))
    assert bea.rules == (SET.version,)


def test_buyers_pay_what_sellers_receive_and_the_rest_is_the_grid_companys(settled):
    newest = [statements(settled, node_id)[-1] for node_id in settled.metered]
    sums = dict.fromkeys(Item, 0)
    for one in newest:
        for item in one.items:
            sums[Item(item)] += line(one, item)[1]
    assert sums[Item.ENERGY_BOUGHT] == -sums[Item.ENERGY_SOLD]
    assert sums[Item.DEVIATION] == -sums[Item.DEVIATION_RETURN]
    assert sums[Item.NETWORK] > 0


def test_the_saving_is_the_retail_price_less_what_it_cost_at_the_meter(settled):
    (bert,) = statements(settled, "Bert")
    assert bert.compared_wh == 2_000
    beside = sum(line(bert, item)[1] for item in bert.items if item not in (Item.DEVIATION, Item.DEVIATION_RETURN))
    assert abs(bert.delivered - bert.delivered_back - beside) <= 4
    assert bert.retail > bert.delivered


def test_the_plant_under_the_mechanism_gets_the_difference_to_its_technologys_average(settled):
    (anna,) = statements(settled, "Anna")
    price = SET.parameters.get("mechanism.price", RULES.from_day).value
    assert line(anna, Item.MECHANISM) == (640, -round(800 * Fraction("0.8") * (price - 3_600)))


# Corrections


def test_what_is_written_stands_after_a_restart(settled):
    assert list(MonthSettlement(settled.region).due()) == []
    settle(settled.region)
    assert len(statements(settled, "Bea")) == 1


def test_a_late_reading_makes_a_correction_under_a_new_number(settled):
    settled.meter(Bea=-1_000)
    settle(settled.region)
    first, second = statements(settled, "Bea")
    assert second.corrects == first.number
    assert second.number > first.number
    assert Item.IMBALANCE_SHORT not in second.items
    assert findings(settled) == []


def test_a_day_is_settled_by_the_set_of_its_day_alone(settled, tmp_path):
    later = replace(RULES, from_day=RULES.from_day.replace(day=4), within_zone=None)
    write_region(replace(spec(), rules=(RULES, later)), tmp_path / "region.toml")
    rules = load_rules(read_region(tmp_path / "region.toml").rules, tmp_path)
    assert rules.find(RULES.from_day.replace(day=3)).within_zone is VoltageLevel.KV35
    assert rules.find(RULES.from_day.replace(day=4)).within_zone is None


def test_another_set_than_was_agreed_on_is_refused(tmp_path):
    with pytest.raises(InvalidValue, match=r"rules\.set.*sichuan-2026@"):
        load_rules([replace(RULES, rule_set="sichuan-2026@000000000000")], tmp_path)
    with pytest.raises(InvalidValue, match=r"rules\.set"):
        load_rules([replace(RULES, rule_set="sichuan-2026")], tmp_path)


def test_a_set_called_by_its_name_is_pinned_and_one_of_the_regions_own_goes_with_it(tmp_path):
    own = tmp_path / "rules" / "valley"
    shutil.copytree(SHIPPED / "sichuan_2026", own)
    description = own / "rule_set.toml"
    description.write_text(description.read_text().replace("sichuan-2026", "valley"))
    later = replace(RULES, rule_set="valley", from_day=RULES.from_day.replace(month=9))
    named = replace(spec(), rules=(replace(RULES, rule_set="sichuan-2026"), later))
    with Region.create(tmp_path / "region", named, rules=tmp_path / "rules") as region:
        assert region.spec.rules == (RULES, replace(later, rule_set=load_rule_set(own).version))
        assert region.parts.rules.on(later.from_day).name == "valley"
        back_up(region, region.folder, tmp_path / "backup")
    restore(tmp_path / "backup", tmp_path / "restored")
    assert (tmp_path / "restored" / "rules" / "valley" / "calendar.csv").read_bytes() == (
        own / "calendar.csv"
    ).read_bytes()


# The audit


def test_the_audit_makes_every_figure_again(settled):
    assert findings(settled) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda own: {"paid": (own.paid[0] + 1, *own.paid[1:])},
        lambda own: {"energies_wh": (own.energies_wh[0] + 1, *own.energies_wh[1:])},
        lambda own: {"rules": ("another@0123456789ab",)},
        lambda own: {"trades": own.trades + 1},
        lambda own: {"retail": own.retail + 1},
        lambda own: {"gaps": ("nothing",)},
        lambda own: {"as_of_block": 2**40},
        lambda own: {"month": 202613},
    ],
)
def test_the_audit_finds_a_figure_that_is_another(settled, change):
    (bea,) = statements(settled, "Bea")
    false = replace(bea, number=bea.number + 10, corrects=bea.number, **change(bea))
    master = settled.region.masters["grid"]
    master.write([(false, ())])
    found = findings(settled)
    assert any("monthly statement" in one for one in found)
    assert any("otherwise than trades" in one or "were not there" in one for one in found)


def test_the_audit_finds_that_a_statement_is_missing(month):
    month.meter()
    month.clock.now = OVER + 90_000
    month.region.open_day(month.region.calendar.day_at(month.clock.now))
    assert sum("has no statement of the month" in one for one in findings(month)) == len(month.metered)
