"""The evening settlement: statements are records, read back as they were, and checked against the main chain."""

from dataclasses import replace

import pytest
from small_region import DAY, PERIOD, ask, bid, records_of, trade, write

from gridbourse.errors import InvalidValue
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.node.settling.settle_day import settle_day, statement_of

PERIODS = range(PERIOD, PERIOD + 2)
METERED = {"Anna": [900, 0], "Arno": [0, None], "Bert": [-1_000, -300], "Bea": [-50, 0]}


@pytest.fixture
def traded(region):
    region.open_day(DAY)
    region.deposit({"Bert": 10**9}, DAY, bytes(32))
    write(region, "Anna", ask())
    write(region, "Bert", bid())
    trade(region)
    return region


def test_deals_and_meters_become_a_statement_for_every_user(traded):
    first, second = settle_day(traded, PERIODS, METERED, inflow_wh=[160, 310])
    assert (first.traded_wh, first.imbalance_wh, first.losses_wh) == (1_000, -150, 10)
    assert (second.price_ticks, second.losses_wh, second.open_traders) == (4_400, None, ("Arno",))
    anna = statement_of(traded, "Anna", DAY)
    assert (anna.totals.sold_wh, anna.totals.received) == (1_000, 1_000 * 3_600)
    assert (anna.lines[0].imbalance_wh, anna.lines[0].imbalance_money) == (-100, -100 * 3_960)
    assert anna.totals.money == 1_000 * 3_600 - 100 * 3_960
    assert statement_of(traded, "Arno", DAY).totals.open_periods == 1


def test_all_money_of_all_statements_is_what_the_settlement_agent_does_not_get(traded):
    settled = settle_day(traded, PERIODS, METERED)
    money = sum(statement_of(traded, node_id, DAY).totals.money for node_id in METERED)
    assert money + sum(period.agent_money for period in settled) == 0


def test_a_statement_lies_on_its_users_slave_chain_and_opens_for_it_alone(traded):
    settle_day(traded, PERIODS, METERED)
    assert [details.user_id for details in records_of(traded, "roofs", StatementDetails)] == ["Anna", "Arno"]
    assert [details.user_id for details in records_of(traded, "grid", StatementDetails)] == ["Bert", "Bea"]
    roofs = traded.masters["roofs"]
    statements = [record for record in roofs.slave.records() if record.kind == StatementDetails.KIND]
    assert roofs.nodes["Anna"].read(statements[0]).user_id == "Anna"
    with pytest.raises(Exception, match="not sealed"):
        roofs.nodes["Anna"].read(statements[1])


def test_a_day_that_is_settled_again_writes_what_is_new_and_nothing_else(traded):
    settle_day(traded, PERIODS, METERED)
    settle_day(traded, PERIODS, METERED)
    assert len(records_of(traded, "roofs", StatementDetails)) == 2
    settle_day(traded, PERIODS, METERED | {"Arno": [0, 20]})
    assert len(records_of(traded, "roofs", StatementDetails)) >= 3
    assert statement_of(traded, "Arno", DAY).lines[1].imbalance_wh == 20


def test_the_audit_believes_true_statements_and_names_a_false_one(traded):
    settle_day(traded, PERIODS, METERED)
    assert traded.regulator.audit() == []
    roofs = traded.masters["roofs"]
    true = records_of(traded, "roofs", StatementDetails)[0]
    roofs.write([(replace(true, received=(true.received[0] - 1, 0)), ())])
    (finding,) = traded.regulator.audit()
    assert "slave chain roofs" in finding
    assert "deals of Anna" in finding


def test_what_cannot_be_settled_is_refused(traded):
    with pytest.raises(InvalidValue, match="one local day"):
        settle_day(traded, range(DAY * 96 - 1, DAY * 96 + 1), METERED)
    with pytest.raises(InvalidValue, match="Anna"):
        settle_day(traded, PERIODS, {"Bert": [0, 0]})
    with pytest.raises(InvalidValue, match="none yet"):
        statement_of(traded, "Anna", DAY)
    with pytest.raises(InvalidValue, match="node_id"):
        statement_of(traded, "Nobody", DAY)
