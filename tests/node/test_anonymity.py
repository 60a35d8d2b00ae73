"""A curious member of the consortium tries to tell which orders of two days are one user's.

It sees everything on the main chain: every transaction, event and number, in their order; and what its own slave
chain says of its own deals, which adds nothing to that. It tries whatever may identify a user, by likeness and by
rank. What quantities, prices and hours give away is another matter (docs/privacy.md): here they are drawn anew for
every user and day, so that an identifier is all there is to go by.
"""

import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment
from small_region import DAY, SPEC, Clock, ask, bid

from gridbourse.crypto.keys import keccak256
from gridbourse.crypto.pseudonym import DayKey, Pseudonym, PseudonymKey
from gridbourse.market.events import Deposited, OrderPlaced, QuotaSet, TraderRegistered
from gridbourse.market.types import EnergyType, Role
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

USERS, DAYS = 20, 12
CHANCE = DAYS - 1
"""Right links expected of a guess: one in every pair of days, whatever the number of users."""
BEYOND_CHANCE = CHANCE + 6 * CHANCE**0.5
"""Six standard deviations more, which guesses reach less than once in 10^5 attacks."""

VILLAGE = MasterSpec(
    "village",
    Role.AGGREGATOR,
    tuple(NodeSpec(f"Household {number}", NodeKind.RESIDENTIAL, f"Lane {number}") for number in range(USERS)),
)
CURIOUS = MasterSpec("curious", Role.GRID, (NodeSpec("Own plant", NodeKind.THERMAL, "Own yard"),))
TWO_MASTERS = RegionSpec("anonymous", 700, SPEC.settings, (VILLAGE, CURIOUS))


def run_days(folder):
    """Let the users trade on many days, each day in a random order and with random quantities and prices."""
    chosen = random.Random(2021)
    names = [node.node_id for node in VILLAGE.nodes]
    with Region.create(folder, TWO_MASTERS, clock=Clock()) as region:
        for day in range(DAY, DAY + DAYS):
            region.open_day(day)
            region.deposit(dict.fromkeys(names, 10**9), day, day.to_bytes(32))
            offers = []
            for name in chosen.sample(names, USERS):
                make, low, high = (ask, 3_000, 6_000) if chosen.random() < 0.5 else (bid, 4_000, 7_000)
                offer = make(
                    energy_wh=chosen.randrange(1_000, 9_000),
                    price_ticks=chosen.randrange(low, high),
                    period=day * 96 + chosen.randrange(96),
                )
                offers.append((name, offer))
            region.offer(offers)
            region.offer([("Own plant", ask(energy_wh=50_000, energy_type=EnergyType.THERMAL, period=day * 96 + 50))])
            region.answer(region.deliver(), confirmed=True)
            region.settle()
            region.anchor()
    return folder


@dataclass
class Seen:
    """What the main chain shows of one trader: numbers to compare by rank, and bytes to compare by likeness too."""

    numbers: dict[str, int] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)


def watch(region):
    """Everything about the village's traders, day by day, as any member reads it from the main chain."""
    main = region.main
    seen = defaultdict(Seen)
    day_of = {}
    village = region.masters["village"].membership.master_id
    for position, log in enumerate(main.chain.logs(address=main.market.address)):
        (event,) = main.market.events([log])
        signed = main.chain.transaction(log.transaction_hash)
        kind = type(event).__name__
        match event:
            case TraderRegistered(trader, master_id, pseudonym) if master_id == village:
                # All of a master's traders of a day are registered together.
                day_of[trader] = log.height
                seen[trader].texts["pseudonym"] = pseudonym
                seen[trader].numbers["trader number"] = trader
            case Deposited() | QuotaSet() | OrderPlaced() if event.trader in day_of:
                seen[event.trader].numbers[f"{kind} position"] = position
                seen[event.trader].numbers[f"{kind} nonce"] = signed.transaction.nonce
                seen[event.trader].texts[f"{kind} sender"] = signed.sender
                seen[event.trader].texts[f"{kind} transaction"] = log.transaction_hash
                seen[event.trader].texts[f"{kind} topics"] = keccak256(b"".join(log.topics[2:]))
                if isinstance(event, OrderPlaced):
                    seen[event.trader].texts["record hash"] = event.record_hash
                    seen[event.trader].numbers["turn"] = event.order_id.turn
                if isinstance(event, Deposited):
                    seen[event.trader].texts["payment reference"] = event.payment_reference
            case _:
                pass
    heights = sorted(set(day_of.values()))
    return [{trader: seen[trader] for trader in day_of if day_of[trader] == height} for height in heights]


def links_by_rank(first, second, value, chosen):
    """Say that those of equal rank are the same; equal values are told apart by lot."""
    ranked = [sorted(day, key=lambda trader: (value(day[trader]), chosen.random())) for day in (first, second)]
    return list(zip(*ranked, strict=False))


def links_by_likeness(first, second, value):
    """Say that those are the same whose bytes differ in the fewest bits altogether."""
    bits = [
        np.array([np.unpackbits(np.frombuffer(value(day[trader]), np.uint8)) for trader in day], int)
        for day in (first, second)
    ]
    distances = (bits[0][:, None, :] != bits[1][None, :, :]).sum(axis=2)
    rows, columns = linear_sum_assignment(distances)
    traders = list(first), list(second)
    return [(traders[0][row], traders[1][column]) for row, column in zip(rows, columns, strict=True)]


def attack(days, user_of):
    """How many links between consecutive days each identifier gets right."""
    chosen = random.Random(54)
    right = defaultdict(int)
    for first, second in pairwise(days):
        attempts = {}
        for name in sorted({name for seen in first.values() for name in seen.numbers}):
            attempts[f"{name}, rank"] = links_by_rank(first, second, lambda s, n=name: s.numbers.get(n, 0), chosen)
        for name in sorted({name for seen in first.values() for name in seen.texts}):
            attempts[f"{name}, rank"] = links_by_rank(first, second, lambda s, n=name: s.texts.get(n, b""), chosen)
            longest = max(len(text) for seen in first.values() if (text := seen.texts.get(name)))
            attempts[f"{name}, likeness"] = links_by_likeness(
                first, second, lambda s, n=name, m=longest: s.texts.get(n, b"").ljust(m, b"\0")
            )
        for attempt, links in attempts.items():
            right[attempt] += sum(user_of[one] == user_of[other] for one, other in links)
    return right


def measure(folder):
    with Region.open(folder, clock=Clock()) as region:
        village = region.masters["village"]
        user_of = {village.trader(name, day): name for name in village.nodes for day in range(DAY, DAY + DAYS)}
        return attack(watch(region), user_of)


@pytest.fixture(scope="module")
def villages(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(PseudonymKey, "generate", lambda: PseudonymKey(b"\x07" * 32))
        return run_days(tmp_path_factory.mktemp("anonymous") / "region")


def test_no_identifier_links_two_days_of_a_user_better_than_chance(villages):
    right = measure(villages)
    assert len(right) > 20
    assert {attempt: hits for attempt, hits in right.items() if hits > BEYOND_CHANCE} == {}


def test_the_attack_finds_users_whose_pseudonyms_begin_alike_every_day(tmp_path, monkeypatch):
    def named(day_key, user_id):
        return Pseudonym(keccak256(user_id)[:4] + keccak256(day_key.secret + user_id)[:28])

    monkeypatch.setattr(DayKey, "pseudonym", named)
    right = measure(run_days(tmp_path / "region"))
    everything = CHANCE * USERS
    assert right["trader number, rank"] == right["pseudonym, rank"] == right["Deposited position, rank"] == everything
    assert right["pseudonym, likeness"] > everything / 2
    assert right["record hash, likeness"] <= BEYOND_CHANCE


def test_the_attack_finds_users_who_keep_their_pseudonym(tmp_path, monkeypatch):
    """The market gives a pseudonym one trader number: who keeps the one keeps the other, and needs no linking."""
    monkeypatch.setattr(PseudonymKey, "day_key", lambda key, day: DayKey(key.secret))
    with Region.open(run_days(tmp_path / "region"), clock=Clock()) as region:
        (only_day,) = watch(region)
        events = region.main.market.events_between(1, region.main.chain.head().height)
        orders = Counter(event.trader for event in events if isinstance(event, OrderPlaced))
        assert [orders[trader] for trader in only_day] == [DAYS] * USERS


def test_no_bytes_of_a_trader_come_back_on_another_day(villages):
    with Region.open(villages, clock=Clock()) as region:
        days = watch(region)
    for name in ("pseudonym", "record hash", "OrderPlaced transaction"):
        texts = [text for day in days for text in {seen.texts[name] for seen in day.values()}]
        assert len(set(texts)) == len(texts), name


# --- no plaintext of a person, a place or a quota ---


def plaintexts(spec):
    """Whoever looks for a name or a place may try these spellings."""
    for node in (node for master in spec.masters for node in master.nodes):
        for text in (node.node_id, node.location):
            yield from (text.encode(), text.encode("utf-16-le"), text.encode().hex().encode(), text.upper().encode())


def found_in(folder, needles, chains="*.chain*"):
    files = {file.name: file.read_bytes() for file in sorted(folder.glob(chains))}
    assert files
    return {(needle, name) for needle in needles for name, data in files.items() if needle in data}


def test_no_chain_file_holds_the_name_or_the_place_of_anybody(villages):
    assert found_in(villages, plaintexts(TWO_MASTERS)) == set()


def test_a_quota_stands_on_no_slave_chain_and_on_the_main_chain_under_a_pseudonym_only(folder):
    quota_wh = 123_456_789_012
    with Region.open(folder, clock=Clock()) as region:
        region.offer([("Anna", ask())], energy_quota_wh=quota_wh)
    spellings = [str(quota_wh).encode(), quota_wh.to_bytes(5, "big"), quota_wh.to_bytes(5, "little")]
    assert found_in(folder, spellings, "roofs.chain*") == set()
    assert {name for _, name in found_in(folder, spellings)} == {"main.chain"}, "the market has to check it"


def test_the_search_finds_a_name_that_somebody_does_write(folder):
    with Region.open(folder, clock=Clock()) as region:
        anna = region.masters["roofs"].nodes["Anna"]
        anna._wallet.send(region.masters["roofs"].slave.ledger.append(1, b"I am Anna, Roof 1"))
    assert {needle for needle, _ in found_in(folder, plaintexts(SPEC))} == {b"Anna", b"Roof 1"}
