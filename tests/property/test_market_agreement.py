"""The reference market and the contract agree: same operations, same events, same refusals, same end.

Few traders, prices and periods, little money and small quotas: so orders meet, lack and collide all the time.
"""

from itertools import product, starmap
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.contracts.abi import Call, contract_abi
from gridbourse.contracts.consortium import Consortium, RegulatorKeys
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ContractReverted, MarketError, OrderRefused
from gridbourse.market import consortium as reference
from gridbourse.market.events import MatchingStopped, OrderPlaced
from gridbourse.market.reference import ReferenceMarket
from gridbourse.market.types import DealState, EnergyType, OrderId, OrderRequest, Reason, Role, Settings, Side, ZonePair

START = 2_340
PERIODS = (3, 40)
# Some steps of the clock lead exactly to the gate of period 3, and to the last moment of a cooling-off time.
CLOCK_STEPS = (1, 60, 300, 300, 2_000)
FIRST_SETTINGS = Settings(
    cooling_off_seconds=300,
    floor_ticks=10,
    cap_ticks=14,
    gate_lead_seconds=60,
    max_candidates=2,
    fallback_ticks=12,
    least_wh=1,
    bid_multiple=1,
)
REGULATOR = RegulatorKeys(SigningKey(b"\x0e" * 32).address, b"\x0e" * 32)
SEALER = SigningKey(b"\x0f" * 32)
KEYS = {number: SigningKey(bytes([number]) * 32) for number in range(1, 5)}
NUMBERS = {key.address: number for number, key in KEYS.items()}
FOUNDERS = {1: Role.SOURCE, 2: Role.GRID, 3: Role.USER}  # number 4 is a stranger
AGENT = 2
TRADERS = {1: 1, 2: 1, 3: 2, 4: 2, 5: 3, 6: 3}
"""The first traders and their masters."""
ZONES = {trader: trader % 3 // 2 for trader in TRADERS}
"""Traders 2 and 5 are in zone 1, the others in zone 0."""
PAYMENT = b"\xaa" * 32

OWN = 0
"""Stands for the master that may make the call."""
callers = st.sampled_from([OWN] * 40 + list(KEYS))
agents = st.sampled_from([AGENT] * 20 + list(KEYS))
traders = st.sampled_from([*TRADERS] * 3 + [0, 9])
sides = st.sampled_from(Side)
prices = st.integers(9, 15)
energies = st.integers(0, 6)
hashes = st.binary(min_size=1, max_size=1).map(lambda byte: byte * 32)


def legal_requests(traders):
    common = {
        "trader": st.sampled_from(traders),
        "period": st.sampled_from([40, 40, 3]),
        "energy_wh": st.integers(1, 6),
    }
    asks = st.builds(
        OrderRequest,
        side=st.just(Side.ASK),
        energy_types=st.sampled_from([1, 2]).map(EnergyType),
        price_ticks=st.integers(11, 13),
        **common,
    )
    bids = st.builds(
        OrderRequest,
        side=st.just(Side.BID),
        energy_types=st.sampled_from([1 | 2, 1, 2, 1 | 2 | 64]).map(EnergyType),
        price_ticks=st.integers(12, 14),
        **common,
    )
    return asks | bids


wild_requests = st.builds(
    OrderRequest,
    trader=traders,
    side=sides,
    energy_types=st.sampled_from([1, 2, 1 | 2, 0]).map(EnergyType),
    period=st.sampled_from([2, *PERIODS]),
    price_ticks=prices,
    energy_wh=energies,
)
some_requests = legal_requests([*TRADERS])
requests = st.one_of(some_requests, some_requests, wild_requests)
batches = st.sampled_from([[1, 2], [3, 4], [5, 6], [1, 4, 9]]).flatmap(
    lambda traders: st.lists(legal_requests(traders) | wild_requests, max_size=6)
)
counted_back = st.integers(0, 5)
"""Names an order or a deal: 0 is the newest."""
several = st.lists(counted_back, min_size=1, max_size=2)
changed_settings = st.builds(
    Settings,
    cooling_off_seconds=st.sampled_from([0, 300]),
    floor_ticks=st.sampled_from([10, 11]),
    cap_ticks=st.sampled_from([12, 14]),
    gate_lead_seconds=st.sampled_from([0, 60]),
    max_candidates=st.integers(1, 3),
    trading_roles=st.sampled_from([frozenset(Role)] * 5 + [frozenset(Role) - {Role.USER}]),
    fallback_ticks=st.just(12),
    apart_seconds=st.sampled_from([0, 600, 86_400]),
    least_wh=st.sampled_from([1, 1, 3]),
    bid_multiple=st.sampled_from([1, 2, 255]),
)


def comparable(argument):
    """An argument of the contract's error in the reference's terms, or the other way round."""
    if isinstance(argument, OrderId):
        return argument.pack()
    if isinstance(argument, str) and argument.startswith("0x"):
        return NUMBERS[bytes.fromhex(argument[2:])]
    return argument


def outcome(call):
    """None if `call` went through, else what refused it: the same for the reference and the contract."""
    try:
        call()
    except MarketError as refusal:
        return (refusal.rule, *map(comparable, refusal.arguments))
    except ContractReverted as refusal:
        # The market hands on what the consortium says.
        error = contract_abi("Consortium").explain(refusal)
        return (error.error, *map(comparable, error.arguments))
    return None


def has_deal(*states):
    return precondition(lambda machine: machine.deals_in(states))


class MarketAgreement(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.now = START
        self.agreed = True
        self.order_ids = []
        self.folder = TemporaryDirectory()
        self.chain = EmbeddedChain(
            Path(self.folder.name) / "chain.db", Genesis(1, SEALER.address), SEALER, clock=lambda: self.now
        )
        self.wallets = {number: Wallet(self.chain, key) for number, key in KEYS.items()}
        accounts = {KEYS[number].address: role for number, role in FOUNDERS.items()}
        creation = Consortium.creation(accounts, REGULATOR, FIRST_SETTINGS)
        self.consortium = Consortium(self.chain, self.wallets[1].send(creation).contract_address)
        self.contract = EnergyMarket(self.chain, self.wallets[1].deploy("EnergyMarket", self.consortium.address))
        self.reference = ReferenceMarket(reference.Consortium(list(FOUNDERS.values()), FIRST_SETTINGS))
        self.suspended = None

    @initialize(changed=changed_settings, batch=st.lists(some_requests, max_size=12))
    def open_market(self, changed, batch):
        self.change_settings(changed)
        for master_id in FOUNDERS:
            own = [trader for trader, below in TRADERS.items() if below == master_id]
            pseudonyms = [bytes([trader]) * 32 for trader in own]
            zones = [ZONES[trader] for trader in own]
            registration = self.contract.register_traders(pseudonyms, zones)
            self.both(master_id, registration, "register_traders", pseudonyms, zones)
            quotas = {(trader, period): 8 for trader in own for period in PERIODS}
            self.both(master_id, self.contract.set_quotas(quotas), "set_quotas", quotas)
        moneys = dict.fromkeys(TRADERS, 100)
        self.both(AGENT, self.contract.deposit(moneys, PAYMENT), "deposit", moneys, PAYMENT)
        self.publish_transfer_capacity(OWN, {ZonePair(40, 0, 1): 6, ZonePair(40, 1, 0): 2})
        self.place_each_below_its_master(batch, bytes(32))

    def both(self, caller, call, method, *arguments):
        """Make the same call on both sides; what happens must be the same."""
        self.agreed = False
        seen = len(self.reference.events)
        expected = outcome(lambda: getattr(self.reference, method)(caller, *arguments))
        receipts = []
        assert outcome(lambda: receipts.append(self.wallets[caller].send(call))) == expected
        happened = self.reference.events[seen:]
        assert [event for receipt in receipts for event in self.contract.events(receipt.logs)] == happened
        self.order_ids += [event.order_id for event in happened if isinstance(event, OrderPlaced)]
        self.agreed = True

    # Whom and what an operation names

    def master_of(self, trader):
        known = 1 <= trader <= self.reference.trader_count
        return self.reference.trader(trader).master_id if known else 1

    def caller_for(self, caller, trader):
        return caller if caller != OWN else self.master_of(trader)

    def caller_for_order(self, caller, order_id):
        standing = order_id in self.reference.book
        return self.caller_for(caller, self.reference.book[order_id].trader if standing else 1)

    def caller_for_deals(self, caller, deal_ids, side):
        deal = self.reference.deal(deal_ids[0])
        return self.caller_for(caller, deal.seller if side is Side.ASK else deal.buyer)

    def order_id(self, back):
        """Mostly an order whose search stopped, the newest first; then one that waits; any; one that never was."""
        book = self.reference.book
        stopped = [event.order_id for event in self.reference.events if isinstance(event, MatchingStopped)]
        waiting = [order_id for order_id in self.order_ids + stopped if order_id in book and book[order_id].open_wh]
        choice = [OrderId(40, Side.BID, 10, 999), *self.order_ids, *waiting]
        return choice[max(-1 - back, -len(choice))]

    def deals_in(self, states):
        every = range(1, self.reference.deal_count + 1)
        return [deal_id for deal_id in every if self.reference.deal(deal_id).state in states]

    def deal_ids(self, backs, *states):
        """Mostly deals in one of `states`, counted back from the newest; then any; then one that never was."""
        choice = [*range(self.reference.deal_count + 1), *self.deals_in(states)]
        return [choice[max(-1 - back, -len(choice))] for back in backs]

    # Orders

    @rule(caller=callers, request=requests, record_hash=hashes)
    def place(self, caller, request, record_hash):
        caller = self.caller_for(caller, request.trader)
        call = self.contract.place_order(request, record_hash)
        self.both(caller, call, "place", request, record_hash, self.now)

    @rule(caller=callers, batch=batches, record_hash=hashes, missing=st.sampled_from([0] * 9 + [1]))
    def place_many(self, caller, batch, record_hash, missing):
        caller = self.caller_for(caller, batch[0].trader if batch else 1)
        record_hashes = [record_hash] * (len(batch) + missing)
        call = self.contract.place_orders(batch, record_hashes)
        self.both(caller, call, "place_many", batch, record_hashes, self.now)

    @rule(batch=st.lists(some_requests, min_size=1, max_size=6), record_hash=hashes)
    def place_each_below_its_master(self, batch, record_hash):
        for request in batch:
            self.place(OWN, request, record_hash)

    @rule(caller=callers, back=counted_back, energy_wh=energies, price_ticks=prices, record_hash=hashes)
    def amend(self, caller, back, energy_wh, price_ticks, record_hash):
        order_id = self.order_id(back)
        caller = self.caller_for_order(caller, order_id)
        call = self.contract.amend_order(order_id, energy_wh, price_ticks, record_hash)
        self.both(caller, call, "amend", order_id, energy_wh, price_ticks, record_hash, self.now)

    @rule(caller=callers, backs=several)
    def cancel(self, caller, backs):
        order_ids = [self.order_id(back) for back in backs]
        caller = self.caller_for_order(caller, order_ids[0])
        self.both(caller, self.contract.cancel_orders(order_ids), "cancel", order_ids)

    @rule(caller=callers, back=counted_back)
    def match(self, caller, back):
        order_id = self.order_id(back)
        caller = self.caller_for_order(caller, order_id)
        self.both(caller, self.contract.match_order(order_id), "match", order_id, self.now)

    # Deals

    @has_deal(DealState.INTENT)
    @rule(caller=callers, backs=several, side=sides)
    def confirm(self, caller, backs, side):
        deal_ids = self.deal_ids(backs, DealState.INTENT)
        caller = self.caller_for_deals(caller, deal_ids, side)
        self.both(caller, self.contract.confirm(deal_ids, side), "confirm", deal_ids, side, self.now)

    @has_deal(DealState.INTENT, DealState.CONFIRMED)
    @rule()
    def conclude_all(self):
        for deal_id, side in product(self.deals_in({DealState.INTENT}), Side):
            caller = self.caller_for_deals(OWN, [deal_id], side)
            self.both(caller, self.contract.confirm([deal_id], side), "confirm", [deal_id], side, self.now)
        deal_ids = self.deals_in({DealState.CONFIRMED})
        self.both(AGENT, self.contract.settle(deal_ids), "settle", deal_ids)

    @has_deal(DealState.INTENT)
    @rule(caller=callers, backs=several, side=sides)
    def abandon(self, caller, backs, side):
        deal_ids = self.deal_ids(backs, DealState.INTENT)
        caller = self.caller_for_deals(caller, deal_ids, side)
        self.both(caller, self.contract.abandon(deal_ids, side), "abandon", deal_ids, side, self.now)

    @has_deal(DealState.INTENT, DealState.CONFIRMED)
    @rule(caller=agents, backs=several)
    def expire(self, caller, backs):
        deal_ids = self.deal_ids(backs, DealState.INTENT, DealState.CONFIRMED)
        self.both(caller, self.contract.expire(deal_ids), "expire", deal_ids, self.now)

    @has_deal(DealState.CONFIRMED)
    @rule(caller=agents, backs=several)
    def settle(self, caller, backs):
        deal_ids = self.deal_ids(backs, DealState.CONFIRMED)
        self.both(caller, self.contract.settle(deal_ids), "settle", deal_ids)

    # Accounts

    @precondition(lambda self: self.reference.trader_count < len(TRADERS) + 2)
    @rule(caller=st.sampled_from(list(KEYS)), pseudonyms=st.lists(st.integers(0, 9), max_size=2))
    def register_traders(self, caller, pseudonyms):
        pseudonyms = [bytes([pseudonym]) * 32 for pseudonym in pseudonyms]
        self.both(caller, self.contract.register_traders(pseudonyms), "register_traders", pseudonyms)

    @rule(
        caller=agents,
        moneys=st.dictionaries(traders, st.integers(0, 50), max_size=2),
    )
    def deposit(self, caller, moneys):
        call = self.contract.deposit(moneys, PAYMENT)
        self.both(caller, call, "deposit", moneys, PAYMENT)

    @rule(caller=agents, trader=traders, money=st.integers(0, 100))
    def withdraw(self, caller, trader, money):
        call = self.contract.withdraw(trader, money, PAYMENT)
        self.both(caller, call, "withdraw", trader, money, PAYMENT)

    @rule(caller=callers, from_trader=traders, to_trader=traders, money=st.integers(0, 100))
    def move_deposit(self, caller, from_trader, to_trader, money):
        caller = self.caller_for(caller, from_trader)
        call = self.contract.move_deposit(from_trader, to_trader, money)
        self.both(caller, call, "move_deposit", from_trader, to_trader, money)

    @rule(
        caller=callers,
        quotas_wh=st.dictionaries(st.tuples(traders, st.sampled_from(PERIODS)), st.integers(0, 8), max_size=2),
    )
    def set_quotas(self, caller, quotas_wh):
        trader, _ = next(iter(quotas_wh), (1, None))
        caller = self.caller_for(caller, trader)
        self.both(caller, self.contract.set_quotas(quotas_wh), "set_quotas", quotas_wh)

    # Zones

    @rule(
        caller=agents,
        capacities_wh=st.dictionaries(
            st.builds(ZonePair, st.sampled_from(PERIODS), *[st.sampled_from([0, 1, 1, 9])] * 2),
            st.integers(0, 12),
            max_size=3,
        ),
    )
    def publish_transfer_capacity(self, caller, capacities_wh):
        call = self.contract.publish_transfer_capacity(capacities_wh)
        caller = AGENT if caller == OWN else caller
        self.both(caller, call, "publish_transfer_capacity", capacities_wh)

    # The consortium and the clock

    @rule(changed=changed_settings)
    def change_settings(self, changed):
        self.carry(self.consortium.change_settings(changed))
        self.reference.consortium.settings = changed

    @precondition(lambda self: self.suspended is None)
    @rule(master_id=st.sampled_from([number for number in FOUNDERS if number != AGENT]))
    def suspend(self, master_id):
        self.carry(self.consortium.suspend(master_id))
        self.reference.consortium.suspend(master_id)
        self.suspended = master_id

    @precondition(lambda self: self.suspended is not None)
    @rule(role=st.sampled_from([Role.SOURCE, Role.USER]))
    def admit_again(self, role):
        self.carry(self.consortium.admit(KEYS[self.suspended].address, role))
        self.reference.consortium.admit_again(self.suspended, role)
        self.suspended = None

    def carry(self, action):
        """Let the active masters vote until the action is carried."""
        active = [number for number in FOUNDERS if number != self.suspended]
        for number in active[:2]:
            self.wallets[number].send(self.consortium.vote(action))

    @rule(seconds=st.sampled_from(CLOCK_STEPS))
    def pass_time(self, seconds):
        self.now += seconds

    # The end

    def teardown(self):
        try:
            if self.agreed:
                self.compare_states()
        finally:
            self.chain.close()
            self.folder.cleanup()

    def compare_states(self):
        contract, market = self.contract, self.reference
        assert contract.deal_count() == market.deal_count
        for deal_id in range(1, market.deal_count + 1):
            assert contract.deal(deal_id) == market.deal(deal_id)
        standing = {order_id: market.book[order_id] for order_id in self.order_ids if order_id in market.book}
        orders = {order_id: contract.order(order_id) for order_id in self.order_ids}
        assert {order_id: order for order_id, order in orders.items() if order is not None} == standing
        assert contract.trader_count() == market.trader_count
        for trader in range(1, market.trader_count + 1):
            assert contract.trader(trader) == market.trader(trader)
            for period in PERIODS:
                assert contract.position(trader, period) == market.position(trader, period)
        for pair in starmap(ZonePair, product(PERIODS, (0, 1), (0, 1))):
            assert contract.transfer_capacity(pair) == market.transfer_capacity(pair)
        assert contract.money_moved() == (market.credited, market.debited)
        for period, side, types in product(PERIODS, Side, (1, 2, 1 | 2)):
            waiting = list(market.book.waiting(period, side, EnergyType(types)))
            assert contract.waiting_orders(period, side, energy_types=EnergyType(types)) == waiting


RUN = settings(deadline=None, suppress_health_check=list(HealthCheck), stateful_step_count=50)


def test_reference_and_contract_agree_event_for_event():
    run_state_machine_as_test(MarketAgreement, settings=settings(RUN, max_examples=200))


@pytest.mark.nightly
def test_reference_and_contract_agree_event_for_event_over_a_million_operations():
    run_state_machine_as_test(MarketAgreement, settings=settings(RUN, max_examples=20_000))


@pytest.mark.parametrize("word", [1 << 128, 2 << 16], ids=["a bit too many", "no such side"])
def test_a_word_that_is_no_request_is_refused(word):
    market = MarketAgreement()
    call = Call(market.contract.address, market.contract.abi.encode("placeOrder", word, bytes(32)), "EnergyMarket")
    with pytest.raises(OrderRefused) as refused:
        market.wallets[1].send(call)
    assert refused.value.reason is Reason.MALFORMED_REQUEST
    market.teardown()
