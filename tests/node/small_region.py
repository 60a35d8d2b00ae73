"""A region of two masters and four users, whose chains can fail on purpose."""

from collections import Counter
from contextlib import suppress

from gridbourse.market.types import EnergyType, Offer, Role, Settings, Side
from gridbourse.node.region import Region
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

NOON = 1_700_006_400
PERIOD = NOON // 900 + 96
DAY = PERIOD // 96
COOLING_OFF = 300
PAYMENT = b"\x01" * 32
SPEC = RegionSpec(
    "small",
    500,
    Settings(COOLING_OFF, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64, least_wh=1),
    (
        MasterSpec(
            "roofs",
            Role.AGGREGATOR,
            (NodeSpec("Anna", NodeKind.PV, "Roof 1"), NodeSpec("Arno", NodeKind.STORAGE, "Cellar 2")),
        ),
        MasterSpec(
            "grid",
            Role.GRID,
            (NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 3"), NodeSpec("Bea", NodeKind.INDUSTRIAL, "Works 4")),
        ),
    ),
)


def ask(energy_wh=1_000, price_ticks=3_600, energy_type=EnergyType.PV, period=PERIOD):
    return Offer(Side.ASK, energy_type, period, energy_wh, price_ticks)


def bid(energy_wh=1_000, price_ticks=3_700, period=PERIOD):
    return Offer(Side.BID, EnergyType.any(), period, energy_wh, price_ticks)


class Clock:
    def __init__(self):
        self.now = NOON

    def __call__(self):
        return self.now


class PowerCut(Exception):
    """The process ends here."""


class Fuse:
    """Cuts the power at one submission to any chain, before or after the chain took it."""

    def __init__(self, blows_at=0, *, after=False):
        self.blows_at = blows_at
        self.after = after
        self.submissions = 0

    def observe(self, _, chain):
        return FusedChain(chain, self)


class FusedChain:
    def __init__(self, chain, fuse):
        self._chain = chain
        self._fuse = fuse

    def submit(self, raw_transactions):
        self._fuse.submissions += 1
        if self._fuse.submissions != self._fuse.blows_at:
            return self._chain.submit(raw_transactions)
        if self._fuse.after:
            self._chain.submit(raw_transactions)
        raise PowerCut

    def __getattr__(self, name):
        return getattr(self._chain, name)


def write(region, node_id, *offers):
    """Let a node write orders to its slave chain; they are not taken up yet. Returns their leaves."""
    master = region.master_of(node_id)
    return master.slave.submit_records([master.nodes[node_id].offer(offer) for offer in offers])


def trader(region, node_id, day=DAY):
    return region.master_of(node_id).trader(node_id, day)


def opened_records(region, master_name):
    """What lies on a slave chain, as its encryption node reads it; None for what does not open."""
    master = region.masters[master_name]
    records = []
    for record in master.slave.records():
        records.append(None)
        with suppress(Exception):
            records[-1] = master.encryption_node.open(record)
    return records


def records_of(region, master_name, kind):
    return [details for details in opened_records(region, master_name) if isinstance(details, kind)]


def times_written(region, master_name):
    """How often each detail stands on a slave chain."""
    return Counter(opened_records(region, master_name))


def trade(region: Region) -> None:
    """One round of everything a region does after its users wrote their orders."""
    for relay in region.relays.values():
        relay.submit()
    region.answer(region.deliver(), confirmed=True)
    region.settle()
    region.anchor()
