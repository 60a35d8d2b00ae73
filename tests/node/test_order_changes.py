"""An order is amended or cancelled by its user's signed record, and by nothing else."""

from dataclasses import replace

import pytest
from small_region import COOLING_OFF, DAY, PERIOD, Clock, Fuse, PowerCut, ask, bid, records_of, trade, trader

from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import Cancellation, NodeRevoked, OrderDetails
from gridbourse.market.events import OrderCancelled, OrderPlaced, OrderRefused
from gridbourse.market.types import DealState, OrderId, Reason, Side
from gridbourse.node.order_changes import amend, cancel
from gridbourse.node.region import Region


@pytest.fixture
def waiting(region):
    """An order of Anna's that waits in the market."""
    (order_id,) = region.offer([("Anna", ask())])
    return order_id


def happened(region, kind):
    events = region.main.market.events_between(1, region.main.chain.head().height)
    return [event for event in events if isinstance(event, kind)]


def write(region, sign):
    """Let Anna write what she signs; it is not taken up yet."""
    roofs = region.masters["roofs"]
    (leaf,) = roofs.slave.submit_records([sign(roofs.nodes["Anna"])])
    return leaf


def require_audited(region, *words):
    (finding,) = region.regulator.audit()
    assert all(word in finding for word in words), finding


CHANGES = {
    "cancel": lambda waiting: lambda node: node.cancel(waiting),
    "amend": lambda waiting: lambda node: node.offer(ask(energy_wh=500), replaces=waiting),
}


# --- what the user signed takes place ---


def test_a_cancelled_order_leaves_the_market_and_its_user_has_signed_so(region, waiting):
    cancel(region, waiting)
    assert region.main.market.order(waiting) is None
    assert records_of(region, "roofs", Cancellation) == [Cancellation("Anna", waiting.pack())]
    region.anchor()
    assert region.regulator.audit() == []


def test_an_amended_order_stands_in_the_place_of_the_old_one_and_carries_the_leaf_of_its_record(region, waiting):
    amended = amend(region, waiting, energy_wh=700, price_ticks=3_500)
    market = region.main.market
    assert (market.order(waiting), market.order(amended).open_wh, amended.price_ticks) == (None, 700, 3_500)
    record = list(region.masters["roofs"].slave.records())[-1]
    assert happened(region, OrderPlaced)[-1].record_hash == record.leaf
    assert records_of(region, "roofs", OrderDetails)[-1].replaces == waiting.pack()
    region.anchor()
    assert region.regulator.audit() == []


def test_a_trade_of_an_amended_order_is_traced_to_the_record_that_amended_it(region, waiting):
    amend(region, waiting, energy_wh=700, price_ticks=3_500)
    region.offer([("Bert", bid())])
    trade(region)
    trace = region.regulator.trace(1)
    assert trace.holds
    assert trace.parties[0].details.energy_wh == 700
    assert any(f"in place of order {waiting.pack():x}" in step.finding for step in trace.parties[0].steps)
    assert region.regulator.audit() == []


def test_a_seller_may_still_sell_what_it_offers_anew_beside_what_it_has_sold(region, waiting):
    region.offer([("Bert", bid(energy_wh=400))])
    trade(region)
    amended = amend(region, waiting, energy_wh=800, price_ticks=3_600)
    region.offer([("Bea", bid(energy_wh=800))])
    assert region.main.market.deal(2).energy_wh == 800
    assert region.main.market.deal(2).ask == amended


def test_a_refused_amendment_leaves_the_order_and_is_nobodys_fault(region, waiting):
    assert amend(region, waiting, energy_wh=700, price_ticks=9_500) is None
    assert region.main.market.order(waiting).open_wh == 1_000
    assert happened(region, OrderRefused)[-1].reason is Reason.PRICE_OUT_OF_BOUNDS
    region.anchor()
    assert region.regulator.audit() == []


def test_what_one_order_was_changed_to_first_counts(region, waiting):
    node = region.masters["roofs"].nodes["Anna"]
    signed = [
        node.offer(ask(energy_wh=700), replaces=waiting),
        node.cancel(waiting),
        node.offer(ask(energy_wh=600), replaces=waiting),
    ]
    region.masters["roofs"].slave.submit_records(signed)
    region.submit()
    region.anchor()
    assert [event.energy_wh for event in happened(region, OrderPlaced)] == [1_000, 700]
    assert len(happened(region, OrderCancelled)) == 1
    assert region.regulator.audit() == []


def test_an_order_that_is_no_nodes_of_the_folder_is_named(region):
    with pytest.raises(InvalidValue, match="order"):
        cancel(region, OrderId(PERIOD, Side.ASK, 3_600, 0))


# --- it happens once, whatever is interrupted ---


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("blows_at", [1, 2, 3], ids=["quota", "amendment", "cancellation"])
@pytest.mark.parametrize("restarts", [False, True], ids=["same process", "new process"])
def test_changes_that_are_interrupted_take_place_once(folder, blows_at, after, restarts):
    fuse = Fuse(after=after)
    with Region.open(folder, clock=Clock(), observe=fuse.observe) as region:
        first, second = region.offer([("Anna", ask(price_ticks=3_800)), ("Anna", ask(price_ticks=3_900))])
        amended = ask(energy_wh=1_700)
        write(region, lambda node: node.offer(amended, energy_quota_wh=2_700, replaces=first))
        write(region, lambda node: node.cancel(second))
        fuse.submissions, fuse.blows_at = 0, blows_at
        with pytest.raises(PowerCut):
            region.submit()
        if not restarts:
            region.submit()
    with Region.open(folder, clock=Clock()) as region:
        region.submit()
        region.submit()
        assert [event.energy_wh for event in happened(region, OrderPlaced)] == [1_000, 1_000, 1_700]
        assert [event.order_id for event in happened(region, OrderCancelled)] == [first, second]
        region.anchor()
        assert region.regulator.audit() == []


# --- what a master does by itself is seen ---


def test_an_order_amended_without_its_user(region, waiting):
    roofs = region.masters["roofs"]
    roofs.main_wallet.send(region.main.market.amend_order(waiting, 500, 3_600, bytes(32)))
    findings = region.regulator.audit()
    assert any(f"{waiting.pack():x}: withdrawn without a record" in finding for finding in findings)
    assert any("has no order record with its leaf" in finding for finding in findings)


@pytest.mark.parametrize("signed", ["another order", "by another user"])
def test_an_order_cancelled_for_which_something_else_was_signed(region, waiting, signed):
    (other,) = region.offer([("Anna", ask(price_ticks=4_000))])
    roofs = region.masters["roofs"]
    node = roofs.nodes["Arno" if signed == "by another user" else "Anna"]
    roofs.slave.submit_records([node.cancel(waiting if signed == "by another user" else other)])
    roofs.main_wallet.send(region.main.market.cancel_orders([waiting]))
    require_audited(region, f"main chain, order {waiting.pack():x}", "withdrawn without a record of its user")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_anchored_and_not_taken_up(region, waiting, change):
    write(region, CHANGES[change](waiting))
    assert region.regulator.audit() == [], "the master still may take it up"
    region.relays["roofs"].anchor()
    require_audited(region, "slave chain roofs, record", "did not take this")


def revoke(region):
    """Let the master of roofs write that Anna is revoked, and do nothing else of what belongs to it."""
    roofs = region.masters["roofs"]
    record = roofs.encryption_node.seal(roofs.slave_wallet.address, NodeRevoked("Anna"))
    roofs.slave_wallet.send(roofs.slave.ledger.append(*record))


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_dropped_before_its_user_is_revoked(region, waiting, change):
    """The revocation that comes after is no excuse, when the order has traded meanwhile."""
    write(region, CHANGES[change](waiting))
    record = list(region.masters["roofs"].slave.records())[-1]
    region.offer([("Bert", bid())])
    revoke(region)
    region.anchor()
    require_audited(region, f"slave chain roofs, record {record.index} in block {record.height}: the master did not")


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_node_changed_before_its_revocation_takes_place(region, waiting, change):
    write(region, CHANGES[change](waiting))
    revoke(region)
    region.relays["roofs"].submit()
    assert region.main.market.waiting_orders(PERIOD, Side.ASK) == []
    assert len(happened(region, OrderPlaced)) == (1 if change == "cancel" else 2)
    region.anchor()
    assert region.regulator.audit() == []


def test_an_amendment_placed_beside_the_order_that_it_replaces(region, waiting):
    leaf = write(region, lambda node: node.offer(ask(energy_wh=500), replaces=waiting))
    roofs = region.masters["roofs"]
    details = records_of(region, "roofs", OrderDetails)[-1]
    roofs.main_wallet.send(region.main.market.place_orders([details.request(trader(region, "Anna"))], [leaf]))
    region.anchor()
    require_audited(region, f"stands beside {waiting.pack():x}")


@pytest.mark.parametrize("wrong", [{"period": PERIOD + 1}, {"energy_wh": 1}], ids=["another period", "another's order"])
def test_a_change_of_what_is_not_to_be_changed_is_void(region, waiting, wrong):
    node = region.masters["roofs"].nodes["Arno" if "energy_wh" in wrong else "Anna"]
    region.masters["roofs"].slave.submit_records([node.offer(ask(**wrong), replaces=waiting)])
    region.submit()
    region.anchor()
    assert len(happened(region, OrderPlaced)) == 1
    assert region.main.market.order(waiting).open_wh == 1_000
    assert region.regulator.audit() == []


# --- a book that a deal leaves crossed ---


def abandon(region):
    """The buyers abandon their deals."""
    region.answer([asked for asked in region.deliver() if asked.side is Side.BID], confirmed=False)
    region.deliver()


@pytest.fixture
def crossed(region, waiting):
    """Bert abandoned his deal with Anna, and meanwhile Arno's order waits, which crosses hers as well."""
    region.deposit({"Arno": 10**9}, DAY, b"\x03" * 32)
    region.offer([("Bert", bid()), ("Arno", bid(price_ticks=3_650))])
    abandon(region)
    assert region.main.market.order(waiting).open_wh == 1_000
    return region


def test_a_book_that_an_abandoned_deal_leaves_crossed_is_matched_again(crossed, waiting):
    crossed.rematch()
    market = crossed.main.market
    assert (market.deal_count(), market.deal(2).ask) == (2, waiting)
    assert market.order(market.deal(2).bid).trader == trader(crossed, "Arno")


def test_who_abandons_loses_the_turn_and_the_other_is_kept_from_the_same_master(region, waiting):
    (bought,) = region.offer([("Bert", bid())])
    abandon(region)
    region.rematch()
    market = region.main.market
    assert (market.order(waiting).open_wh, market.order(bought)) == (1_000, None)
    region.offer([("Bea", bid())])
    region.rematch()
    assert market.deal_count() == 1


def test_an_order_trades_as_soon_as_its_buyer_has_the_money(region, waiting):
    region.deposit({"Arno": 500 * 3_700}, DAY, b"\x03" * 32)
    (poor,) = region.offer([("Arno", bid())])
    region.rematch()
    assert region.main.market.deal(1).energy_wh == 500 * 3_700 // 3_600
    region.deposit({"Arno": 10**9}, DAY, b"\x04" * 32)
    region.rematch()
    assert region.main.market.deal(2).bid == poor


def test_an_order_behind_more_candidates_than_a_search_looks_at_is_reached(region, clock):
    """Seventeen bids of one master, each abandoned in its last second, once blocked it for good."""
    settings = replace(region.main.consortium.settings(), max_candidates=2)
    for master in region.masters.values():
        master.main_wallet.send(region.main.consortium.vote(region.main.consortium.change_settings(settings)))
    region.deposit({"Arno": 10**9}, DAY, b"\x03" * 32)
    *_, honest = region.offer([*[("Bert", bid())] * 7, ("Arno", bid(price_ticks=3_650))])
    (sold,) = region.offer([("Anna", ask())])
    clock.now += COOLING_OFF
    abandon(region)
    region.rematch()
    market = region.main.market
    assert (market.deal(2).ask, market.deal(2).bid) == (sold, honest)


def test_a_process_that_knows_the_chains_alone_matches_again(folder, crossed):
    crossed.close()
    with Region.open(folder, clock=Clock()) as reopened:
        reopened.rematch()
        reopened.rematch()
        assert reopened.main.market.deal_count() == 2
        assert reopened.main.market.deal(2).state is DealState.INTENT


def test_a_closed_gate_ends_it(crossed, region, clock):
    clock.now = PERIOD * 900 - 900
    height = region.main.chain.head().height
    region.rematch()
    assert region.main.market.deal_count() == 1
    assert region.main.chain.head().height <= height + 2, "one attempt for each order, and no more"
