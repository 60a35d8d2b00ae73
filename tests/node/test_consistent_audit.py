"""An audit while others go on: it judges one moment of all chains, whatever is written between its readings."""

import pytest
from small_region import ask, bid

from gridbourse.market.types import DealState
from gridbourse.regulator.verified_records import VerifiedLedger


def order(region):
    region.offer([("Anna", ask(500)), ("Bert", bid(500))])


def confirm(region):
    region.answer(region.deliver(), confirmed=True)


STEPS = (
    order,
    confirm,
    lambda region: region.settle(),
    lambda region: region.deliver(),
    lambda region: region.anchor(),
)


@pytest.mark.parametrize("first", range(len(STEPS)))
def test_what_is_traded_told_and_anchored_meanwhile_breaks_no_proof(region, monkeypatch, first):
    for step in STEPS[:first]:
        step(region)
    assert region.regulator.audit() == []
    coming = iter([*STEPS[first:], *STEPS])
    read_on = VerifiedLedger.catch_up

    def read_while_it_goes_on(reading):
        for step in coming:
            step(region)
            break
        read_on(reading)

    monkeypatch.setattr(VerifiedLedger, "catch_up", read_while_it_goes_on)
    assert region.regulator.audit() == []
    assert region.main.market.deal(1).state is DealState.SETTLED


def test_a_trace_while_the_deal_is_settled_and_told_holds(region, monkeypatch):
    for step in STEPS[:2]:
        step(region)
    coming = iter(STEPS[2:])
    read_on = VerifiedLedger.catch_up

    def read_while_it_goes_on(reading):
        for step in coming:
            step(region)
        read_on(reading)

    monkeypatch.setattr(VerifiedLedger, "catch_up", read_while_it_goes_on)
    assert all(step.holds for party in region.regulator.trace(1).parties for step in party.steps)
