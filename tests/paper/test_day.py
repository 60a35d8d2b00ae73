"""A short day from end to end: 8 prosumers, 4 delivery periods, every kind of fault in the meters' readings."""

import csv
import json
from collections import Counter
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gridbourse.cli.day import day as day_command
from gridbourse.errors import InvalidValue
from gridbourse.market.types import DealState, Role, Side, ZonePair
from gridbourse.metering.broker import local_broker
from gridbourse.metering.intake import Anomaly
from gridbourse.metering.mqtt import Broker
from gridbourse.node.region import Region
from gridbourse.node.settling.settle_day import statement_of
from gridbourse.region.description import NodeKind
from gridbourse.region.description_file import read_region
from gridbourse.simulation.day import DEPOSIT, LOSS_PERMILLE, run_day
from gridbourse.simulation.day_meters import SPOILT, Meters
from gridbourse.simulation.day_region import ZONES, prosumers, region_spec
from gridbourse.simulation.day_report import by_type, flows_wh, write_day

NODES, PERIODS, SEED = 8, 4, 5
EXAMPLE = Path(__file__).parents[2] / "examples" / "region.toml"


@pytest.fixture(scope="module")
def broker():
    with local_broker() as broker:
        yield broker


@pytest.fixture(scope="module")
def day(tmp_path_factory, broker):
    """A day, the folder its region is in, and how often it told of its progress."""
    folder, told = tmp_path_factory.mktemp("day") / "region", []
    result = run_day(folder, NODES, PERIODS, SEED, broker, lambda: told.append(None))
    return result, folder, len(told)


@pytest.fixture(scope="module")
def result(day):
    return day[0]


@pytest.fixture(scope="module")
def region(day):
    with Region.open(day[1]) as region:
        yield region


@pytest.fixture(scope="module")
def traders(region, result):
    market, day = region.main.market, result.first_period // 96
    return {
        name: market.trader(master.trader(name, day)) for master in region.masters.values() for name in master.nodes
    }


def test_every_period_is_traded_and_told_of(day):
    result, _, told = day
    assert told == PERIODS
    assert {trade.period - result.first_period for trade in result.settled()} == set(range(PERIODS))


def test_money_only_changes_hands(result, traders):
    expected = Counter(dict.fromkeys((member.spec.node_id for member in prosumers(NODES, SEED)), DEPOSIT))
    for trade in result.settled():
        expected[trade.seller] += trade.money
        expected[trade.buyer] -= trade.money
    assert {name: trader.free_money for name, trader in traders.items() if trader.free_money} == expected


def test_nothing_is_held_when_the_day_is_over(result, traders):
    assert {trader.held_money for trader in traders.values()} == {0}
    assert {trade.state for trade in result.trades} <= {DealState.SETTLED, DealState.ABANDONED, DealState.EXPIRED}


def test_what_is_sold_is_bought_and_is_what_the_settled_deals_say(result, region):
    market = region.main.market
    positions = [
        market.position(trader, result.first_period + turn)
        for trader in range(1, market.trader_count() + 1)
        for turn in range(PERIODS)
    ]
    settled_wh = sum(trade.energy_wh for trade in result.settled())
    assert settled_wh > 0
    assert sum(position.sold_wh for position in positions) == settled_wh
    assert sum(position.bought_wh for position in positions) == settled_wh


def test_owners_limits_hold_for_every_order(result):
    limits = {member.spec.node_id: member.limits for member in prosumers(NODES, SEED)}
    for order in result.orders:
        own = limits[order.node]
        assert order.energy_wh >= own.smallest_wh
        assert order.price_ticks == (own.lowest_sell_ticks if order.side is Side.ASK else own.highest_buy_ticks)


def test_every_deal_traces_and_the_audit_finds_nothing(result, region):
    assert result.audit == ()
    for trade in result.trades:
        trace = region.regulator.trace(trade.deal_id)
        assert trace.holds, [step for party in trace.parties for step in party.steps if not step.holds]


def test_every_record_is_anchored(result, region):
    for master in region.masters.values():
        anchor = region.main.anchors.last_anchor(master.membership.master_id)
        assert anchor.leaf_count == master.slave.ledger.leaf_count() == result.records[master.membership.name]


def test_every_spoilt_reading_is_reported(result):
    assert {finding.fault for finding in result.findings} == {*SPOILT, Anomaly.BACKWARDS}


def test_what_was_lost_or_came_late_is_known_in_the_end(broker, tmp_path):
    draw = prosumers(NODES, SEED)
    flows = {member.spec.node_id: [turn * 10 - 50 for turn in range(12)] for member in draw}
    meters = Meters(
        lambda name, period: flows[name][period - 100],
        dict.fromkeys(flows, 4_000),
        {"all": list(flows)},
        range(100, 112),
        SEED,
        broker,
        tmp_path,
    )
    unknown = 0
    with closing(meters):
        for period in range(100, 112):
            meters.read(period)
        meters.ask_again(111)
        for name, flow in flows.items():
            for wh, metered in zip(flow, meters.surpluses_wh(name, 100, 111), strict=True):
                unknown += metered is None
                assert metered in {wh, None}
    # Only the absurd reading leaves doubt: about its own period and the one after it.
    assert unknown == 2


def test_the_function_nodes_reports_are_opened_by_the_regulator(result, region):
    assert region.regulator.reports() == list(result.reports)
    reports = {report.title: (report.user_id, json.loads(report.body)) for report in result.reports}
    node, capacity = reports["free transfer capacity"]
    assert node == "Dispatch"
    assert set(capacity["free_wh"]) == {f"{start} to {end}" for start in ZONES for end in ZONES if start != end}
    assert reports["energy-efficiency analysis"][0] == "Efficiency analysis"
    assert reports["energy-efficiency analysis"][1]["losses_wh"] > 0
    assert reports["comprehensive monitoring"][1]["meters"] == NODES + 1
    assert {title for title in reports if title.startswith("energy services")} == {
        f"energy services for {role.name.lower()}" for role in Role
    }


def test_dispatch_sums_what_was_settled(result):
    (body,) = (json.loads(report.body) for report in result.reports if report.title == "free transfer capacity")
    zones = {member.spec.node_id: member.zone for member in prosumers(NODES, SEED)}
    injected = Counter()
    for trade in result.settled():
        injected[zones[trade.seller]] += trade.energy_wh
        injected[zones[trade.buyer]] -= trade.energy_wh
    assert {zone: sum(energies) for zone, energies in body["injection_wh"].items()} == {
        zone: injected[zone] for zone in ZONES
    }


def test_deals_never_carry_more_between_zones_than_was_published(result, region):
    zones = {zone: number for number, zone in enumerate(ZONES)}
    assert any(any(series) for series in result.exchanged_wh().values())
    for (start, end), exchanged in result.exchanged_wh().items():
        for turn, wh in enumerate(exchanged):
            pair = ZonePair(result.first_period + turn, zones[start], zones[end])
            known = region.main.market.transfer_capacity(pair)
            assert wh == known.used_wh <= known.capacity_wh == result.capacity_wh[start, end][turn]


def test_a_capacity_leads_back_to_the_schedules_of_plants(result, region):
    trace = region.regulator.trace_capacity(result.first_period, "river", "city")
    assert trace.findings == ()
    assert trace.capacity_wh == result.capacity_wh["river", "city"][0]
    plants = {schedule.details.user_id for _, schedules in trace.nominations for schedule in schedules}
    assert plants == {member.spec.node_id for member in prosumers(NODES, SEED) if member.is_scheduled}


def test_every_prosumer_has_a_statement_of_what_it_traded_and_metered(result, region):
    for member in prosumers(NODES, SEED):
        name = member.spec.node_id
        statement = statement_of(region, name, result.first_period // 96)
        own = [trade for trade in result.settled() if name in {trade.seller, trade.buyer}]
        assert statement.totals.sold_wh == sum(trade.energy_wh for trade in own if trade.seller == name)
        assert statement.totals.bought_wh == sum(trade.energy_wh for trade in own if trade.buyer == name)
        assert [line.imbalance_wh for line in statement.lines] == [
            settled.imbalances[name].imbalance_wh for settled in result.settlement
        ]


def test_the_energy_of_every_fully_metered_period_closes_with_its_losses(result):
    closed = [settled for settled in result.settlement if settled.losses_wh is not None]
    assert closed
    for settled in closed:
        drawn_wh = -sum(min(own.metered_wh, 0) for own in settled.imbalances.values())
        assert settled.losses_wh == drawn_wh * LOSS_PERMILLE // 1_000


def test_the_same_seed_gives_the_same_day_and_another_seed_another_one(result, broker, tmp_path):
    def comparable(one):
        return replace(one, findings=tuple(finding.fault for finding in one.findings), seconds={})

    again = run_day(tmp_path / "again", NODES, PERIODS, SEED, broker, lambda: None)
    assert comparable(again) == comparable(result)
    other = run_day(tmp_path / "other", NODES, 1, SEED + 1, broker, lambda: None)
    assert other.trades != tuple(trade for trade in result.trades if trade.period == result.first_period)


def test_files_and_picture_say_what_the_result_says(result, tmp_path):
    written = write_day(tmp_path, result)
    assert all(path.exists() for path in written)
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "day_deals.csv").open(encoding="utf-8") as file:
        deals = list(csv.DictReader(file))
    assert [deal["state"] for deal in deals] == [trade.state.name.lower() for trade in result.trades]
    assert sum(summary.energy_wh for summary in by_type(result.settled())) == sum(flows_wh(result).values())


def test_the_command_ends_with_the_audit_and_the_files(tmp_path):
    arguments = [
        "--output",
        str(tmp_path / "out"),
        "--nodes",
        "8",
        "--periods",
        "1",
        "--region",
        str(tmp_path / "region"),
    ]
    outcome = CliRunner().invoke(day_command, arguments, catch_exceptions=False)
    assert outcome.exit_code == 0
    assert "The regulator's audit finds nothing wrong." in outcome.output
    assert (tmp_path / "out" / "day.png").exists()
    Region.open(tmp_path / "region").close()


@pytest.mark.parametrize(("nodes", "periods", "field"), [(7, 1, "nodes"), (8, 0, "periods"), (8, 97, "periods")])
def test_a_day_that_cannot_be_is_refused(broker, tmp_path, nodes, periods, field):
    with pytest.raises(InvalidValue, match=field):
        run_day(tmp_path / "region", nodes, periods, SEED, broker, lambda: None)
    assert list(tmp_path.iterdir()) == []


def test_a_broker_that_nobody_serves_ends_the_day_with_an_error_that_names_it(tmp_path, monkeypatch):
    monkeypatch.setattr("gridbourse.simulation.day_meters._PATIENCE_SECONDS", 0.5)
    with pytest.raises(InvalidValue, match=r"broker: '127.0.0.1:1'"):
        run_day(tmp_path / "region", NODES, 1, SEED, Broker("127.0.0.1", 1), lambda: None)


def test_a_region_of_the_day_has_every_role_and_two_hundred_prosumers_every_kind():
    assert {master.role for master in region_spec(prosumers(8, SEED)).masters} == set(Role)
    spec = region_spec(prosumers(200, SEED))
    assert {node.kind for master in spec.masters for node in master.nodes} == set(NodeKind) - {NodeKind.OWN}


def test_a_small_region_is_the_beginning_of_a_large_one():
    assert prosumers(60, SEED)[:20] == prosumers(20, SEED)


def test_the_example_region_has_four_masters_and_nodes_of_every_kind():
    spec = read_region(EXAMPLE)
    assert [master.role for master in spec.masters] == list(Role)
    assert {node.kind for master in spec.masters for node in master.nodes} == set(NodeKind) - {NodeKind.OWN}
