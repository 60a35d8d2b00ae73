"""Who may do what: every cell of the table in docs/rights.md is tried, allowed or forbidden, on a region's chains.

A try is a real transaction, signed with the actor's own key, or a real record, opened with the actor's own key.
"""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from small_region import DAY, PAYMENT, SPEC, Clock, ask, bid

from gridbourse.chain.interface import Chain
from gridbourse.contracts.balancing import ImbalancePrice
from gridbourse.contracts.consortium import RegulatorKeys, SlaveChain
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.envelope import EncryptionKey
from gridbourse.crypto.keys import SigningKey
from gridbourse.crypto.node_keys import KeyFolder, NodeKeys
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import ContractReverted, EnvelopeError, OrderRefused
from gridbourse.ledger.balancing_records import MeteredTotal
from gridbourse.ledger.records import NodeReport
from gridbourse.ledger.sealing import open_record
from gridbourse.market.events import CandidatePassedOver, DealPassedOver, OrderPassedOver
from gridbourse.market.types import DealState, EnergyType, OrderId, OrderRequest, Reason, Role, Side, ZonePair
from gridbourse.node.folder.key_rotation import REGULATOR
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec
from gridbourse.regulator.audit import Regulator
from gridbourse.rules.rule_set import RuleHistory

ROLES = {"source": Role.SOURCE, "grid": Role.GRID, "aggregator": Role.AGGREGATOR, "user": Role.USER}
ACTORS = [*ROLES, "function node", "encryption node", "regulator", "stranger", "suspended"]
NAMES = {name: name for name in ROLES} | {"suspended": "idle"}
MASTERS = set(ROLES)
OWNERS = MASTERS | {"suspended"}
NOBODY: set[str] = set()
DEAL, CONFIRM, ABANDON, SETTLE, EXPIRE, ORDER = range(6)
"""What lies ready for every master, each in a delivery period of its own."""

REGION = replace(
    SPEC,
    masters=tuple(
        MasterSpec(
            name,
            ROLES.get(name, Role.USER),
            tuple(NodeSpec(f"{name} {number}", NodeKind.INDUSTRIAL, f"Street {number}") for number in (1, 2)),
        )
        for name in NAMES.values()
    ),
)


@dataclass(frozen=True)
class Actor:
    """One who tries, with the keys it has; `home` is the master whose chain and traders it takes for its own."""

    name: str
    signing: SigningKey
    encryption: EncryptionKey
    home: str

    @property
    def master_id(self):
        return list(NAMES.values()).index(self.home) + 1

    @property
    def next_home(self):
        """An active master that is not its own."""
        return list(ROLES)[self.master_id % len(ROLES)]


def period_of(home, kind):
    return DAY * 96 + 10 * list(NAMES.values()).index(home) + kind


def trader(region, home, number):
    return region.masters[home].trader(f"{home} {number}", DAY)


def request(region, home, side, kind, *, ticks=3_600):
    number, energy_types = (1, EnergyType.PV) if side is Side.ASK else (2, EnergyType.any())
    return OrderRequest(trader(region, home, number), side, energy_types, period_of(home, kind), ticks, 100)


def order_id(home):
    """The order that waits for nobody."""
    return OrderId(period_of(home, ORDER), Side.ASK, 3_600, 0)


def deal_id(region, home, kind):
    deals = {
        region.main.market.deal(number).ask.period: number for number in range(1, region.main.market.deal_count() + 1)
    }
    return deals[period_of(home, kind)]


def prepare(region):
    """A traced deal; for every master deals and an order to act on; and the last master suspended."""
    region.open_day(DAY)
    region.deposit({f"{name} 2": 10**9 for name in NAMES.values()}, DAY, PAYMENT)
    region.offer([("source 1", ask(period=period_of("source", DEAL)))])
    region.offer([("user 2", bid(period=period_of("source", DEAL)))])
    region.answer(region.deliver(), confirmed=True)
    region.settle()
    for home, master in region.masters.items():
        for kind in (CONFIRM, ABANDON, SETTLE, EXPIRE):
            seller = "idle" if kind == EXPIRE else home
            sold = replace(request(region, seller, Side.ASK, kind), period=period_of(home, kind))
            quota = region.main.market.set_quotas({(sold.trader, sold.period): 100})
            order = region.main.market.place_order(sold, bytes(32))
            region.masters[seller].main_wallet.send_many([quota, order])
            place(master, request(region, home, Side.BID, kind))
        confirm_both(master, deal_id(region, home, SETTLE))
        place(master, request(region, home, Side.ASK, ORDER))
        master.slave_wallet.send(master.slave.ledger.append(1, b"a record"))
    region.offer([("source 2", bid(period=period_of("source", 9)))])
    region.anchor()
    for name in ("source", "grid", "user"):
        region.masters[name].main_wallet.send(region.main.consortium.vote(region.main.consortium.suspend(5)))


def place(master, order):
    master.main_wallet.send(master.main.market.place_order(order, bytes(32)))


def confirm_both(master, deal):
    for side in Side:
        master.main_wallet.send(master.main.market.confirm([deal], side))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rights") / "region"
    with Region.create(folder, REGION, clock=Clock()) as region:
        prepare(region)
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "region")


@pytest.fixture
def actors(folder):
    masters, nodes = KeyFolder(folder / "keys" / "masters"), KeyFolder(folder / "keys" / "nodes")
    node, government = nodes.load_node("source 1"), KeyFolder(folder / "keys").load_node(REGULATOR)
    found = {name: (masters.load_master(home).node, home) for name, home in NAMES.items()}
    # Whoever runs the encryption node has its key alone; here it tries to sign with that.
    reading = found["source"][0].encryption
    found["encryption node"] = NodeKeys(SigningKey(reading.secret), reading), "source"
    found |= {"function node": (node, "source"), "regulator": (government, "source")}
    found["stranger"] = NodeKeys.generate(), "source"
    return [Actor(name, found[name][0].signing, found[name][0].encryption, found[name][1]) for name in ACTORS]


# What is tried on the main chain: each makes a call of an actor's.


def vote(region, actor):
    consortium = region.main.consortium
    return consortium.vote(consortium.admit(actor.signing.address[:19] + b"\x00", Role.USER))


def anchor(region, actor):
    anchors = region.main.anchors
    return anchors.anchor(region.masters[actor.home].slave.next_anchor(anchors.last_anchor(actor.master_id)))


def false_anchor(region, actor):
    last = region.main.anchors.last_anchor(actor.master_id)
    return region.main.anchors.anchor(replace(last, root=bytes(32)))


def by_vote(action):
    return lambda region, actor: action(region.main.consortium)


def on_market(method, *, own=True):
    """An act of a master for its users, on its own or on another master's."""
    return lambda region, actor: method(region, actor.home if own else actor.next_home)


def withdraw(region, home):
    return region.main.market.withdraw(trader(region, home, 2), 1, bytes(32))


def deposit(region, home):
    return region.main.market.deposit({trader(region, home, 2): 1}, bytes(32))


def move_deposit(region, home):
    return region.main.market.move_deposit(trader(region, home, 2), trader(region, home, 1), 1)


def set_quota(region, home):
    return region.main.market.set_quotas({(trader(region, home, 1), period_of(home, 8)): 5})


def place_order(region, home):
    return region.main.market.place_order(request(region, home, Side.ASK, 8), bytes(32))


def amend_order(region, home):
    return region.main.market.amend_order(order_id(home), 99, 3_500, bytes(32))


def cancel_order(region, home):
    return region.main.market.cancel_orders([order_id(home)])


def confirm(region, home):
    return region.main.market.confirm([deal_id(region, home, CONFIRM)], Side.ASK)


def abandon(region, home):
    return region.main.market.abandon([deal_id(region, home, ABANDON)], Side.ASK)


MAIN = {
    "vote": (MASTERS, vote),
    "admit a master without a vote": (NOBODY, by_vote(lambda members: members.admit(b"\x01" * 20, Role.USER))),
    "suspend a master without a vote": (NOBODY, by_vote(lambda members: members.suspend(1))),
    "change the market settings without a vote": (
        NOBODY,
        by_vote(lambda members: members.change_settings(SPEC.settings)),
    ),
    "name the settlement agent without a vote": (NOBODY, by_vote(lambda members: members.change_settlement_agent(1))),
    "name the dispatcher without a vote": (NOBODY, by_vote(lambda members: members.change_dispatcher(1))),
    "name the regulator without a vote": (
        NOBODY,
        by_vote(lambda members: members.change_regulator(RegulatorKeys(b"\x01" * 20, b"\x01" * 32))),
    ),
    "change its own key": (
        MASTERS,
        lambda region, actor: region.main.consortium.change_key(actor.master_id, SigningKey.generate()),
    ),
    "register a second slave chain": (
        NOBODY,
        by_vote(lambda members: members.register_slave(SlaveChain(7, b"\x01" * 32, b"\x01" * 20))),
    ),
    "name users for a day": (
        MASTERS,
        lambda region, actor: region.main.market.register_traders([actor.signing.address + bytes(12)]),
    ),
    "credit a deposit": ({"grid"}, on_market(deposit)),
    "debit a withdrawal": ({"grid"}, on_market(withdraw)),
    "publish transfer capacity": (
        {"grid"},
        lambda region, actor: region.main.market.publish_transfer_capacity({ZonePair(DAY * 96, 0, 1): 1_000}),
    ),
    "publish an imbalance price": (
        {"grid"},
        lambda region, actor: region.main.balancing.publish_imbalance_prices(
            [ImbalancePrice(DAY * 96, 4_000, 0, 0)], 1
        ),
    ),
    "submit a sum to another organisation": (
        MASTERS,
        lambda region, actor: region.main.balancing.submit(MeteredTotal.KIND, b"sealed"),
    ),
    "name its encryption node's key": (
        MASTERS,
        lambda region, actor: region.main.balancing.register_encryption_key(b"key"),
    ),
    "move money between its own users": (MASTERS, on_market(move_deposit)),
    "move money between another master's users": (NOBODY, on_market(move_deposit, own=False)),
    "set its own users' quotas": (MASTERS, on_market(set_quota)),
    "set another master's users' quotas": (NOBODY, on_market(set_quota, own=False)),
    "place an order of its own user": (MASTERS, on_market(place_order)),
    "place an order of another master's user": (NOBODY, on_market(place_order, own=False)),
    "amend an order of its own user": (MASTERS, on_market(amend_order)),
    "amend an order of another master's user": (NOBODY, on_market(amend_order, own=False)),
    "cancel an order of its own user": (MASTERS, on_market(cancel_order)),
    "cancel an order of another master's user": (NOBODY, on_market(cancel_order, own=False)),
    "have a waiting order matched again": (
        MASTERS,
        lambda region, actor: region.main.market.match_order(order_id("source")),
    ),
    "confirm a deal for its own user": (MASTERS, on_market(confirm)),
    "confirm a deal for another master's user": (NOBODY, on_market(confirm, own=False)),
    "abandon a deal for its own user": (MASTERS, on_market(abandon)),
    "abandon a deal for another master's user": (NOBODY, on_market(abandon, own=False)),
    "settle a confirmed deal": (
        MASTERS,
        lambda region, actor: region.main.market.settle([deal_id(region, actor.home, SETTLE)]),
    ),
    "end a deal that has a suspended party": (
        MASTERS,
        lambda region, actor: region.main.market.expire([deal_id(region, actor.home, EXPIRE)]),
    ),
    "anchor its own slave chain": (MASTERS, anchor),
    "take an anchor back": (NOBODY, false_anchor),
}


# What is tried on a slave chain: each makes a call to a ledger.

SLAVE = {
    "write a record on its own slave chain": (OWNERS | {"function node"}, True, lambda ledger: ledger.append(1, b"")),
    "write a record on another slave chain": (NOBODY, False, lambda ledger: ledger.append(1, b"")),
    "decide who writes on its own slave chain": (
        OWNERS,
        True,
        lambda ledger: ledger.set_writers([b"\x01" * 20], allowed=True),
    ),
    "decide who writes on another slave chain": (
        NOBODY,
        False,
        lambda ledger: ledger.set_writers([b"\x01" * 20], allowed=True),
    ),
    "hand its own slave chain over to its next key": (
        OWNERS,
        True,
        lambda ledger: ledger.change_master(b"\x01" * 20),
    ),
    "hand another slave chain over": (NOBODY, False, lambda ledger: ledger.change_master(b"\x01" * 20)),
}

REFUSALS = {
    "NotActiveMaster",
    "OnlyByVote",
    "NotSettlementAgent",
    "NotDispatcher",
    "NotYourOrder",
    "NotYourTrader",
    Reason.NOT_YOUR_TRADER,
    Reason.NOT_YOUR_ORDER,
    Reason.NOT_YOUR_DEAL,
    "SlaveRegisteredAlready",
    "AnchoredOtherwise",
    "NotWriter",
    "NotMaster",
}


def succeeds(chain: Chain, actor, call):
    """Whether what the actor's own transaction asks for takes place; if not, it is refused for want of a right."""
    try:
        receipt = Wallet(chain, actor.signing).send(call)
        events = EnergyMarket(chain, call.to).events(receipt.logs) if call.contract == EnergyMarket.NAME else []
        passed = [event for event in events if isinstance(event, OrderPassedOver | DealPassedOver)]
        if passed:
            raise OrderRefused(passed[0].reason)
    except ContractReverted as refused:
        reason = refused.error
    except OrderRefused as refused:
        reason = refused.reason
    else:
        return True
    assert reason in REFUSALS, f"{actor.name}: {reason!r}"
    return False


@pytest.mark.parametrize("action", MAIN)
def test_on_the_main_chain(action, folder, actors):
    allowed, call = MAIN[action]
    with Region.open(folder, clock=Clock()) as region:
        if action == "anchor its own slave chain":
            for master in region.masters.values():
                master.slave_wallet.send(master.slave.ledger.append(1, b"one more"))
        calls = [(actor, call(region, actor)) for actor in actors]
        # Who may not tries first, so that nobody is refused only because the thing is done already.
        calls.sort(key=lambda tried: tried[0].name in allowed)
        assert {actor.name for actor, tried in calls if succeeds(region.main.chain, actor, tried)} == allowed


@pytest.mark.parametrize("action", SLAVE)
def test_on_a_slave_chain(action, folder, actors):
    allowed, own, call = SLAVE[action]
    with Region.open(folder, clock=Clock()) as region:
        succeeded = set()
        for actor in sorted(actors, key=lambda actor: actor.name in OWNERS):
            slave = region.masters[actor.home if own else actor.next_home].slave
            if succeeds(slave.chain, actor, call(slave.ledger)):
                succeeded.add(actor.name)
        assert succeeded == allowed


# What is tried with an encryption key: each says whose record it is.

READING = {
    "open its own user's record, or its own": (
        OWNERS | {"function node", "encryption node", "regulator"},
        lambda actor: (actor.home, 1),
    ),
    "open the record of another function node of its slave chain": (
        OWNERS | {"encryption node", "regulator"},
        lambda actor: (actor.home, 2),
    ),
    "open a record of another slave chain": ({"regulator"}, lambda actor: (actor.next_home, 1)),
}
TRACING = {"trace a deal": {"regulator"}}


@pytest.mark.parametrize("action", READING)
def test_of_sealed_records(action, folder, actors):
    allowed, whose = READING[action]
    with Region.open(folder, clock=Clock()) as region:
        opened = set()
        for actor in actors:
            home, number = whose(actor)
            slave = region.masters[home].slave
            node = region.masters[home].nodes[f"{home} {number}"]
            # It writes once more, so that there is one of every node.
            slave.submit_records([node.sign(NodeReport(node.spec.node_id, "title", "{}"))])
            record = list(slave.records())[-1]
            try:
                assert open_record(slave.ledger, record, actor.encryption).user_id == node.spec.node_id
                opened.add(actor.name)
            except EnvelopeError:
                pass
        assert opened == allowed


def test_of_tracing(folder, actors):
    with Region.open(folder, clock=Clock()) as region:
        slaves = {master.membership.master_id: master.slave for master in region.masters.values()}
        names = {master.membership.master_id: name for name, master in region.masters.items()}
        traced = set()
        for actor in actors:
            keys = NodeKeys(actor.signing, actor.encryption)
            deal = deal_id(region, "source", DEAL)
            if Regulator(keys, region.main, slaves, names, DeliveryCalendar(), RuleHistory([])).trace(deal).holds:
                traced.add(actor.name)
        assert traced == TRACING["trace a deal"]


# What is written down


def test_the_documented_table_is_the_one_that_is_tried():
    rights = {action: cell[0] for action, cell in [*MAIN.items(), *SLAVE.items(), *READING.items()]} | TRACING
    expected = [
        [action, *("yes" if actor in allowed else "–" for actor in ACTORS)] for action, allowed in rights.items()
    ]
    text = (Path(__file__).parents[2] / "docs" / "rights.md").read_text("utf-8")
    table = text.split("## The table")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines() if line[:1] == "|"]
    assert rows[0] == ["", *ACTORS]
    assert rows[2:] == expected


# A suspended master


@pytest.fixture
def region(folder):
    with Region.open(folder, clock=Clock()) as region:
        yield region


def test_a_suspended_masters_order_is_passed_over(region):
    grid = region.masters["grid"]
    waiting = order_id("idle")
    bought = replace(request(region, "grid", Side.BID, ORDER), period=waiting.period)
    receipt = grid.main_wallet.send(region.main.market.place_order(bought, bytes(32)))
    passed = [event for event in region.main.market.events(receipt.logs) if isinstance(event, CandidatePassedOver)]
    assert [(event.candidate, event.reason) for event in passed] == [(waiting, Reason.PARTY_SUSPENDED)]
    assert region.main.market.order(waiting).open_wh == 100


def test_a_suspended_masters_confirmed_deal_does_not_settle_and_ends_by_expiry(region):
    grid, market, deal = region.masters["grid"], region.main.market, deal_id(region, "idle", SETTLE)
    buyer = market.trader(trader(region, "idle", 2))
    assert market.deal(deal).state is DealState.CONFIRMED
    receipt = grid.main_wallet.send(market.settle([deal]))
    assert market.events(receipt.logs) == [DealPassedOver(deal, Reason.PARTY_SUSPENDED)]
    grid.main_wallet.send(market.expire([deal]))
    assert market.deal(deal).state is DealState.EXPIRED
    after = market.trader(trader(region, "idle", 2))
    assert (after.held_money, after.free_money) == (buyer.held_money - 360_000, buyer.free_money + 360_000)
    assert market.position(trader(region, "idle", 1), period_of("idle", SETTLE)).held_wh == 0


def test_a_suspended_masters_open_deals_end_at_once(region):
    grid, market, deal = region.masters["grid"], region.main.market, deal_id(region, "idle", CONFIRM)
    grid.main_wallet.send(market.expire([deal]))
    assert market.deal(deal).state is DealState.EXPIRED


def test_a_suspended_master_that_is_admitted_again_has_its_rights_back(region):
    consortium, idle = region.main.consortium, region.masters["idle"]
    for name in ("source", "grid", "user"):
        region.masters[name].main_wallet.send(consortium.vote(consortium.admit(idle.main_wallet.address, Role.USER)))
    idle.main_wallet.send(region.main.market.cancel_orders([order_id("idle")]))
    assert region.main.market.order(order_id("idle")) is None
