"""Money goes out as it came in: carried from day to day, paid out on request or by standing order, to the unit."""

import pytest
from small_region import DAY, PAYMENT, ask, bid, write

from gridbourse.errors import InvalidValue
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.ledger.purse import leading_digit
from gridbourse.market.events import DepositMoved
from gridbourse.node.jobs.job import JobSchedule
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.jobs.money.pay_out import confirm_payout, open_payouts
from gridbourse.node.jobs.money.payout_files import ConfirmationFile, PayoutFile
from gridbourse.node.region import Region

YUAN = 10**7
PAYEE = "Bert Bird, DE02 1203 0000 0000 2020 51"
ALWAYS = JobSchedule(anchor_seconds=0.0)


class Bank:
    """A region with a clock that is set, its jobs, and the files that pass between it and a bank."""

    def __init__(self, region, clock, folder):
        self.region, self.clock = region, clock
        self.payouts, self.confirmations = folder / "payouts.csv", folder / "confirmations.csv"
        self.confirmations.write_text("reference,state\n")
        self.restart()

    def restart(self):
        self.loop = RegionLoop(self.region, ALWAYS, [ConfirmationFile(self.confirmations), PayoutFile(self.payouts)])

    def round(self, count=1):
        for _ in range(count):
            self.loop.step()
            assert self.loop.failures == ()

    def midnight(self, day=DAY):
        self.clock.now = self.region.calendar.ends_at(day)
        self.round(3)

    def instruct(self, money, *, user="Bert", payee=PAYEE, standing=False):
        self.region.write([PayoutInstruction(user, money, payee, standing)])

    def inside(self, user="Bert"):
        name = self.region.master_of(user).membership.name
        return self.region.purses[name].available().get(user, 0)

    def on_days(self, user="Bert"):
        master = self.region.master_of(user)
        days = sorted(day for node_id, day in master.traders if node_id == user)
        return {day: self.region.main.market.trader(master.trader(user, day)).free_money for day in days}

    def lines(self):
        rows = [line.split(",") for line in self.payouts.read_text("utf-8-sig").splitlines()[1:]]
        return [(row[0], row[-1]) for row in rows]

    def confirm(self, reference, state="paid"):
        with self.confirmations.open("a") as file:
            file.write(f"{reference},{state}\n")
        self.round()

    def held(self):
        market = self.region.main.market
        accounts = [market.trader(number) for number in range(1, market.trader_count() + 1)]
        return sum(account.free_money + account.held_money for account in accounts)

    def audit(self):
        credited, debited = self.region.main.market.money_moved()
        assert credited == debited + self.held()
        return self.region.regulator.audit()


@pytest.fixture
def bank(region, clock, tmp_path):
    """Bert and Bea have paid in 100 yuan each for a day."""
    return Bank(region, clock, tmp_path)


@pytest.mark.parametrize(
    ("money", "digit"),
    [(0, 0), (YUAN - 1, 0), (YUAN, 1), (19 * YUAN, 10), (99_874 * YUAN + 5, 90_000), (100 * YUAN, 100)],
)
def test_an_amount_of_one_digit_is_the_largest_that_is_not_above(money, digit):
    assert leading_digit(money) == digit * YUAN


def test_what_is_left_of_a_day_is_carried_to_the_days_that_are_open(bank):
    bank.round()
    assert bank.on_days() == {DAY - 1: 0, DAY: 100 * YUAN}
    bank.midnight()
    assert bank.on_days() == {DAY - 1: 0, DAY: 0, DAY + 1: 50 * YUAN, DAY + 2: 50 * YUAN}
    bank.midnight(DAY + 1)
    assert bank.on_days()[DAY + 3] == 50 * YUAN
    assert bank.audit() == []


def test_what_a_trade_left_is_carried_and_what_a_deal_holds_waits(bank):
    bank.round()
    write(bank.region, "Anna", ask(energy_wh=10_000, price_ticks=3_000))
    write(bank.region, "Bert", bid(energy_wh=10_000))
    bank.region.submit()
    bank.region.deliver()
    paid = 10_000 * 3_000
    bank.clock.now = bank.region.calendar.ends_at(DAY) - 200
    bank.midnight()
    assert bank.inside("Anna") + sum(bank.on_days("Anna").values()) in {0, paid}
    assert bank.audit() == []


def test_a_payout_on_request_is_debited_written_for_the_bank_once_and_confirmed(bank):
    bank.round()
    bank.instruct(30 * YUAN + 1)
    bank.round(3)
    ((reference, yuan),) = bank.lines()
    assert yuan == "30.0000001"
    assert PAYEE in bank.payouts.read_text("utf-8-sig")
    assert bank.region.main.market.money_moved() == (200 * YUAN, 30 * YUAN + 1)
    bank.restart()
    bank.round(3)
    assert bank.lines() == [(reference, yuan)]
    bank.confirm(reference)
    bank.confirm(reference)
    assert bank.lines() == []
    assert bank.region.main.market.money_moved() == (200 * YUAN, 30 * YUAN + 1)
    assert bank.audit() == []


def test_what_the_bank_returns_is_the_users_again(bank):
    bank.round()
    bank.instruct(30 * YUAN)
    bank.round(3)
    ((reference, _),) = bank.lines()
    bank.confirm(reference, "returned")
    bank.confirm(reference, "returned")
    assert bank.lines() == []
    assert bank.inside() + sum(bank.on_days().values()) == 100 * YUAN
    assert bank.region.main.market.money_moved() == (230 * YUAN, 30 * YUAN)
    assert bank.audit() == []


def test_a_standing_instruction_pays_what_is_above_what_is_to_stay_after_every_day(bank):
    bank.round()
    bank.instruct(40 * YUAN, standing=True)
    bank.round()
    bank.midnight()
    ((_, yuan),) = bank.lines()
    assert yuan == "60"
    assert bank.inside() + sum(bank.on_days().values()) == 40 * YUAN
    bank.midnight(DAY + 1)
    assert len(bank.lines()) == 1
    bank.instruct(0, payee="", standing=True)
    bank.midnight(DAY + 2)
    assert len(bank.lines()) == 1
    assert bank.audit() == []


def test_a_request_above_what_is_there_waits_and_the_newest_one_counts(bank):
    bank.round()
    bank.instruct(101 * YUAN)
    bank.round(3)
    assert bank.lines() == []
    bank.instruct(20 * YUAN)
    bank.round(3)
    assert [yuan for _, yuan in bank.lines()] == ["20"]
    bank.round(3)
    assert len(bank.lines()) == 1


def test_a_confirmation_of_nothing_or_the_opposite_is_refused_and_stops_no_other(bank):
    bank.round()
    bank.instruct(10 * YUAN)
    bank.round(3)
    ((reference, _),) = bank.lines()
    with bank.confirmations.open("a") as file:
        file.write(f"{'0' * 64},paid\n{reference},maybe\n{reference},paid\n{reference},returned\n")
    bank.round()
    told = bank.confirmations.with_name("confirmations.refused.csv").read_text("utf-8-sig").splitlines()[1:]
    assert [line.split(",")[0] for line in told] == ["2", "3", "5"]
    assert bank.lines() == []
    with pytest.raises(InvalidValue, match="as was told before"):
        confirm_payout(bank.region, bytes.fromhex(reference), paid=False)


def test_no_move_on_the_main_chain_joins_two_days_of_one_user(bank):
    bank.round()
    bank.midnight()
    bank.midnight(DAY + 1)
    market = bank.region.main.market
    moves = [event for event in market.events_between(1, market.chain.head().height) if isinstance(event, DepositMoved)]
    purses = {master.purse() for master in bank.region.masters.values()}
    assert all(purses & {move.from_trader, move.to_trader} for move in moves)
    placed = [move.money for move in moves if move.from_trader in purses]
    assert placed
    assert all(money == leading_digit(money) for money in placed)


@pytest.mark.parametrize(
    "wrong",
    [{"money": 0}, {"money": -1}, {"money": 2**96}, {"payee": ""}, {"payee": "a\nb"}, {"payee": "x" * 201}],
)
def test_an_instruction_that_says_nothing_possible_is_refused(wrong):
    with pytest.raises(InvalidValue):
        PayoutInstruction(**{"user_id": "Bert", "money": 1, "payee": PAYEE, "standing": False} | wrong)


def test_what_is_open_is_for_the_settlement_agent_alone(region):
    del region.masters["grid"]
    with pytest.raises(InvalidValue, match="settlement agent"):
        open_payouts(region)


def test_the_days_money_is_paid_in_once(bank):
    bank.region.deposit({"Bert": 10**9, "Bea": 10**9}, DAY, PAYMENT)
    assert bank.region.main.market.money_moved() == (200 * YUAN, 0)
    assert isinstance(bank.region, Region)
