"""The regulator follows all money: what was moved, debited or ordered against its rules is named."""

import pytest
from small_region import DAY

from gridbourse.ledger.payout_records import PayoutInstruction, PayoutOrder
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.loop import RegionLoop

YUAN = 10**7
ALWAYS = JobSchedule(anchor_seconds=0.0)


@pytest.fixture
def region(region, clock):
    """After a day: Bert's and Bea's money went through the purse of their master, and Bert wants some of it."""
    loop = RegionLoop(region, ALWAYS)
    loop.step()
    clock.now = region.calendar.ends_at(DAY)
    region.write([PayoutInstruction("Bert", 10 * YUAN, "Bert's bank", standing=False)])
    for _ in range(4):
        loop.step()
    assert loop.failures == ()
    return region


def findings(region):
    region.anchor()
    return region.regulator.audit()


def accounts(region, *users):
    master = region.masters["grid"]
    return [master.trader(user, DAY + 1) for user in users]


def order(region, **changes):
    """Order once more what Bert wants, otherwise than it is."""
    master, (leaf,) = region.masters["grid"], region.relays["grid"].instructions
    said = {"account": master.purse(), "money": 10 * YUAN, "payee": "Bert's bank", "day": 0}
    stated = PayoutOrder(**(said | {"instruction_hex": leaf.hex()} | changes))
    master.submit([stated], region.main.consortium.settlement_agent())
    return next(submission.record.leaf for submission in reversed(list(submissions(region))))


def submissions(region):
    main = region.main
    return [entry for entry in main.balancing.entries(1, main.chain.head().height) if hasattr(entry, "record")]


def debit(region, account, money, reference):
    region.masters["grid"].main_wallet.send(region.main.market.withdraw(account, money, reference))


def test_money_that_went_its_way_is_no_finding(region):
    assert region.main.market.money_moved() == (200 * YUAN, 10 * YUAN)
    assert findings(region) == []


def test_a_master_that_moves_a_users_money_to_another_is_named(region):
    giver, taker = accounts(region, "Bert", "Bea")
    region.masters["grid"].main_wallet.send(region.main.market.move_deposit(giver, taker, 1))
    assert any("another user's" in finding for finding in findings(region))


def test_a_master_that_takes_more_out_of_the_purse_for_a_user_than_it_has_there_is_named(region):
    (taker,) = accounts(region, "Bea")
    purse = region.masters["grid"].purse()
    free = region.main.market.trader(purse).free_money
    region.masters["grid"].main_wallet.send(region.main.market.move_deposit(purse, taker, free))
    told = findings(region)
    assert free == 0 or any("more out of its purse for Bea" in finding for finding in told)


def test_an_agent_that_debits_without_an_order_is_named(region):
    debit(region, accounts(region, "Bea")[0], YUAN, b"\x07" * 32)
    assert any("without an order" in finding for finding in findings(region))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"instruction_hex": "00" * 32}, "no user signed"),
        ({"payee": "somebody else's bank", "day": DAY}, "otherwise than Bert wants"),
    ],
)
def test_a_master_that_orders_what_its_user_did_not_sign_is_named(region, changes, words):
    account = accounts(region, "Bea")[0]
    reference = order(region, account=account, money=YUAN, **changes)
    debit(region, account, YUAN, reference)
    assert any(words in finding for finding in findings(region))


def test_an_agent_that_debits_otherwise_than_ordered_or_twice_is_named(region):
    account = accounts(region, "Bea")[0]
    reference = order(region, account=account, money=10 * YUAN)
    debit(region, account, 9 * YUAN, reference)
    told = findings(region)
    assert any("otherwise than grid ordered" in finding for finding in told)
    assert any("a second time" in finding for finding in told)
