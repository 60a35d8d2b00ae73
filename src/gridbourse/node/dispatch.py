"""From the plants' schedules to the transfer capacities of the market, every step a record.

======================= ==================== =============================================================
record                  written by           says
======================= ==================== =============================================================
`ScheduleDetails`       a plant              what it is to do, as its master planned; on its slave chain
`Nomination`            a master             what all its nodes of a zone feed in and draw, and which schedules
                                             are part of that; submitted to the dispatcher on the main chain
`CapacityDetails`       the dispatch node    the sums of all nominations, and what every pair of zones may exchange
======================= ==================== =============================================================

Each names the leaves of the records that it was summed from. So the regulator walks from a capacity back to the plants
(`gridbourse.regulator.capacity_audit`), and nobody else sees what a single node does. Every master does its part in
its own folder; who does not nominate is taken as feeding in and drawing nothing, until it does and dispatch publishes
again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import permutations

from gridbourse.contracts.balancing import Submission
from gridbourse.errors import EnvelopeError, InvalidValue
from gridbourse.grid.capacity import transfer_capacities
from gridbourse.grid.dispatch import PowerNetwork
from gridbourse.ledger.balancing_records import CapacityDetails, Nomination, ScheduleDetails
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.market.types import ZonePair
from gridbourse.node.master import Master
from gridbourse.node.region import Region
from gridbourse.node.relay import Relay
from gridbourse.region.description import NodeKind
from gridbourse.regulator.balance_view import newest_nominations

CAPACITIES_PER_TRANSACTION = 240

Energies = Mapping[str, Sequence[int]]
"""By node, shape (periods,), in Wh: fed in, negative for drawn; the same periods for all."""


class Scheduling:
    """Brings schedules to dispatch, for the masters whose keys lie in a folder.

    Parameters
    ----------
    region
        The region, or one organisation's share of it.
    network
        Its zones, in the order of their numbers on the main chain, and the lines between them.
    margin_permille
        Part of every line that the market does not get.

    Raises
    ------
    InvalidValue
        A node is in a zone that the network does not have.
    """

    def __init__(self, region: Region, network: PowerNetwork, *, margin_permille: int = 0) -> None:
        self._region = region
        self._network = network
        self._margin_permille = margin_permille
        self._zone_of = {
            node_id: _zone(node, network)
            for master in region.masters.values()
            for node_id, node in master.nodes.items()
        }
        self._begin()

    def _begin(self) -> None:
        self._view = self._region.balance
        self._read = 0
        self._fresh: dict[range, None] = {}
        self._own: dict[str, set[range]] = {}
        self._own_read: dict[str, int] = {}
        self._nominations: list[tuple[Submission, Nomination]] = []

    def _catch_up(self) -> int:
        """Read what was submitted; returns the block up to which."""
        if self._view is not self._region.balance:
            # Keys were rotated, and all parts made anew.
            self._begin()
        self._region.catch_up()
        return self._region.indexed_height

    def plan(self, first_period: int, energies_wh: Energies) -> None:
        """Let plants sign what their masters planned for them; it takes the place of what they signed before."""
        stated = [
            ScheduleDetails(node_id, self._zone_of[node_id], first_period, *_parts([series]))
            for node_id, series in energies_wh.items()
        ]
        self._region.write(stated)

    def nominate(self, first_period: int, energies_wh: Energies) -> None:
        """Let every master of this folder tell the dispatcher what its nodes will do, zone by zone.

        Parameters
        ----------
        first_period
            Of the series.
        energies_wh
            Of all nodes that feed in or draw: as scheduled, or as expected.
        """
        for name, master in self._region.masters.items():
            own = {node_id: energies_wh[node_id] for node_id in master.nodes if node_id in energies_wh}
            self.nominate_for(name, first_period, own)

    def nominate_for(self, name: str, first_period: int, energies_wh: Energies) -> None:
        """The same for one master and nodes of its own."""
        relay, dispatcher = self._region.relays[name], self._region.main.consortium.dispatcher()
        relay.catch_up()
        self._region.masters[name].submit(list(self._sums(relay, first_period, energies_wh)), dispatcher)

    def publish(self, periods: range) -> CapacityDetails:
        """Let dispatch sum the newest nominations of periods, and record what every pair of zones may exchange.

        Its master then publishes that on the main chain, where the market passes over what does not fit.

        Raises
        ------
        InvalidValue
            The master that the main chain names as dispatcher has no dispatch node, or is not in this folder.
        """
        dispatcher, dispatch = _dispatcher(self._region)
        as_of_block = self._read_nominations()
        nominations = newest_nominations(self._nominations, periods)
        details = self._capacities(dispatch, periods, nominations, as_of_block)
        self._region.write([details])
        self._fresh.pop(periods, None)
        zones, market = self._network.zones, self._region.main.market
        capacities = [
            (ZonePair(period, zones.index(start), zones.index(end)), details.capacity(start, end, period))
            for period in periods
            for start, end in permutations(zones, 2)
        ]
        batches = range(0, len(capacities), CAPACITIES_PER_TRANSACTION)
        dispatcher.main_wallet.send_many(
            [
                market.publish_transfer_capacity(dict(capacities[start : start + CAPACITIES_PER_TRANSACTION]))
                for start in batches
            ]
        )
        return details

    @property
    def stale(self) -> list[range]:
        """The periods of which there are nominations that no capacity published here has summed."""
        self._read_nominations()
        published: dict[range, set[str]] = {}
        for relay in self._region.relays.values():
            relay.catch_up()
            for own in relay.capacities:
                published[range(own.first_period, own.first_period + own.periods)] = set(own.nominations_hex)
        return [
            periods
            for periods in self._fresh
            if published.get(periods) != {leaf.hex() for leaf in newest_nominations(self._nominations, periods)}
        ]

    def nominated(self, name: str) -> set[range]:
        """The stretches of periods that a master of this folder has nominated for."""
        self._catch_up()
        master = self._region.masters[name]
        own = self._own.setdefault(name, set())
        for submission in self._view.submissions[self._own_read.get(name, 0) :]:
            if submission.master_id == master.membership.master_id and submission.record.kind == Nomination.KIND:
                details = master.encryption_node.open_submitted(submission.record)
                if isinstance(details, Nomination):
                    own.add(details.periods)
        self._own_read[name] = len(self._view.submissions)
        return own

    def _read_nominations(self) -> int:
        dispatcher, _ = _dispatcher(self._region)
        as_of_block = self._catch_up()
        opened = list(_opened(self._view.submissions[self._read :], dispatcher))
        self._nominations += opened
        self._read = len(self._view.submissions)
        self._fresh.update(dict.fromkeys(nomination.periods for _, nomination in opened))
        return as_of_block

    def _capacities(
        self, dispatch: FunctionNode, periods: range, nominations: Mapping[bytes, Nomination], as_of_block: int
    ) -> CapacityDetails:
        zones, stated, count = self._network.zones, nominations.values(), len(periods)
        delivered = {zone: _summed([own.delivered_wh for own in stated if own.zone == zone], count) for zone in zones}
        drawn = {zone: _summed([own.drawn_wh for own in stated if own.zone == zone], count) for zone in zones}
        capacities = transfer_capacities(self._network, delivered, drawn, margin_permille=self._margin_permille)
        none = (0,) * count
        return CapacityDetails(
            user_id=dispatch.spec.node_id,
            first_period=periods.start,
            periods=count,
            nominations_hex=tuple(leaf.hex() for leaf in nominations),
            as_of_block=as_of_block,
            zones=zones,
            delivered_wh=tuple(wh for zone in zones for wh in delivered[zone]),
            drawn_wh=tuple(wh for zone in zones for wh in drawn[zone]),
            capacity_wh=tuple(wh for start in zones for end in zones for wh in capacities.get((start, end), none)),
        )

    def _sums(self, relay: Relay, first_period: int, energies_wh: Energies) -> Iterator[Nomination]:
        day = self._region.calendar.day_of(first_period)
        for zone in self._network.zones:
            own = [node_id for node_id in energies_wh if self._zone_of[node_id] == zone]
            if own:
                scheduled = (relay.schedules.get((node_id, day)) for node_id in own)
                leaves = sorted(known[0].hex() for known in scheduled if known is not None)
                parts = _parts([energies_wh[node_id] for node_id in own])
                yield Nomination(zone, first_period, *parts, tuple(leaves))


def _opened(submissions: Iterable[Submission], dispatcher: Master) -> Iterator[tuple[Submission, Nomination]]:
    """The nominations; what is not sealed to this dispatcher is none."""
    for submission in submissions:
        if submission.record.kind == Nomination.KIND:
            with suppress(EnvelopeError):
                details = dispatcher.encryption_node.open_submitted(submission.record)
                if isinstance(details, Nomination):
                    yield submission, details


def _dispatcher(region: Region) -> tuple[Master, FunctionNode]:
    named = region.main.consortium.dispatcher()
    for master in region.masters.values():
        for node in master.nodes.values():
            if master.membership.master_id == named and node.spec.kind is NodeKind.DISPATCH:
                return master, node
    raise InvalidValue(
        "region", region.spec.name, f"one whose master {named}, the dispatcher, has a dispatch node here"
    )


def _zone(node: FunctionNode, network: PowerNetwork) -> str:
    if node.spec.zone >= len(network.zones):
        raise InvalidValue(f"zone of node {node.spec.node_id}", node.spec.zone, f"0 to {len(network.zones) - 1}")
    return network.zones[node.spec.zone]


def _parts(series: Sequence[Sequence[int]]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sum what is fed in, and what is drawn, per period."""
    columns = list(zip(*series, strict=True))
    fed_in = tuple(sum(wh for wh in column if wh > 0) for column in columns)
    return fed_in, tuple(-sum(wh for wh in column if wh < 0) for column in columns)


def _summed(series: Sequence[Sequence[int]], periods: int) -> tuple[int, ...]:
    return tuple(sum(column) for column in zip(*series, strict=True)) if series else (0,) * periods
