"""The relay's process is killed at each of its steps and at any moment; whoever opens the region next goes on."""

import random
from collections import Counter
from itertools import pairwise

import pytest
from relay_process import let_live, work
from small_region import DAY, Clock, opened_records

from gridbourse.ledger.records import DayOpened, DealDetails, OrderDetails
from gridbourse.market.events import DealSettled, OrderPlaced, OrderRefused, PartyConfirmed, TraderRegistered
from gridbourse.market.types import DealState, Side
from gridbourse.node.region import Region

SUBMISSIONS = 21
"""How often naming a day's users and one round of trading hand something to a chain."""
ROUNDS = 12


def require_everything_once(region, rounds):
    """Each round has two deals and one order that is above the market's price cap."""
    events = region.main.market.events_between(1, region.main.chain.head().height)
    happened = Counter(type(event) for event in events)
    assert (happened[OrderPlaced], happened[OrderRefused]) == (3 * rounds, rounds)
    assert (happened[PartyConfirmed], happened[DealSettled]) == (4 * rounds, 2 * rounds)
    assert happened[TraderRegistered] == 8, "four users on two days"
    leaves = [event.record_hash for event in events if isinstance(event, OrderPlaced | OrderRefused)]
    assert len(set(leaves)) == len(leaves) == 4 * rounds
    for name, side in (("roofs", Side.ASK), ("grid", Side.BID)):
        written = opened_records(region, name)
        assert len(set(written)) == len(written)
        assert sum(isinstance(details, OrderDetails) for details in written) == 2 * rounds
        assert sorted(
            (details.deal_id, details.side, details.state) for details in written if isinstance(details, DealDetails)
        ) == [
            (deal_id, side, state)
            for deal_id in range(1, 2 * rounds + 1)
            for state in (DealState.INTENT, DealState.SETTLED)
        ]
        assert [details.day for details in written if isinstance(details, DayOpened)] == [DAY, DAY + 1]
        require_anchored(region, region.masters[name])
    assert region.regulator.audit() == []
    assert all(region.regulator.trace(deal_id).holds for deal_id in range(1, 2 * rounds + 1))


def require_anchored(region, master):
    anchors = region.main.anchors.anchors(master.membership.master_id)
    assert anchors[0].first_block == 1
    assert all(later.first_block == earlier.last_block + 1 for earlier, later in pairwise(anchors))
    assert anchors[-1].last_block == master.slave.chain.head().height
    assert anchors[-1].leaf_count == master.slave.ledger.leaf_count()


@pytest.mark.parametrize("submission", range(1, SUBMISSIONS + 1))
def test_killed_before_and_after_any_step_everything_happens_once(folder, submission):
    assert let_live(folder, 1, dies_at=submission)
    assert let_live(folder, 1, dies_at=1, after=True), "the next process begins with the step that did not take place"
    with Region.open(folder, clock=Clock()) as region:
        work(region, 1)
        require_everything_once(region, 1)


def test_the_work_is_done_in_as_many_steps_as_are_killed_above(folder):
    assert not let_live(folder, 1, dies_at=SUBMISSIONS + 1)
    with Region.open(folder, clock=Clock()) as region:
        require_everything_once(region, 1)


def test_killed_at_random_moments_everything_happens_once(folder):
    moments, killed = random.Random(9), 0
    while let_live(folder, ROUNDS, seconds=moments.uniform(0, 0.1 * (killed + 1))):
        killed += 1
    assert killed, "the first lives are too short for all the rounds"
    with Region.open(folder, clock=Clock()) as region:
        require_everything_once(region, ROUNDS)
