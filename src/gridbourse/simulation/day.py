"""One day of a region, from the meters to the regulator: 96 delivery periods, each traded an hour ahead.

Every quarter of an hour the meters send what they counted, every node expects from that what surplus or need it
will have four periods later, and offers it within its owner's limits. Plants that can be scheduled offer what their
master's plan says, which is made anew every four hours. Everything after the offer runs as in any region: records,
orders, deals, answers, settlement, anchors. Time is a number that the day sets; nothing waits.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path
from time import perf_counter

from gridbourse.errors import InvalidValue
from gridbourse.grid.dispatch import PowerNetwork, ZoneSchedule
from gridbourse.ledger.balancing_records import CapacityDetails
from gridbourse.market.events import CandidatePassedOver
from gridbourse.market.types import DealState, Offer, OrderId, Reason, Role, Side
from gridbourse.metering.forecast import forecast
from gridbourse.metering.mqtt import Broker
from gridbourse.node.dispatch import Scheduling
from gridbourse.node.offering import Agent, consents
from gridbourse.node.region import Region
from gridbourse.node.relay import PendingConfirmation
from gridbourse.node.settling.settle_day import settle_day
from gridbourse.region.description import NodeKind
from gridbourse.regulator.market_view import MarketView
from gridbourse.simulation.day_duties import Report, dispatch_report, evening_reports
from gridbourse.simulation.day_meters import Meters
from gridbourse.simulation.day_plan import Planner, expected_wh
from gridbourse.simulation.day_region import LINES, ZONES, Prosumer, prosumers, region_spec
from gridbourse.simulation.day_result import DayResult, PlacedOrder, Trade
from gridbourse.simulation.profiles import Profiles
from gridbourse.units import PERIOD_SECONDS, PERIODS_IN_24_HOURS, money_units, period_at, period_start

DAY = datetime(2016, 4, 12, tzinfo=UTC)
"""A Tuesday of the data set, with eight days before it to learn from. The source's clock is taken for UTC."""

AHEAD = 4
"""How many periods after the newest reading the period lies that is traded."""

PERIODS_PER_ANCHOR = 4
PERIODS_PER_PLAN = 16
DEPOSIT = money_units(10_000)
COUPLING = "coupling point"
"""The meter between the region and the grid outside."""

GRID = Role.GRID.name.lower()
"""The grid company: it meters the coupling point, and its function nodes serve all."""

LOSS_PERMILLE = 25
"""Losses of the region's lines, by what is drawn; no data set says."""

MARGIN_PERMILLE = 100
"""What of every line dispatch keeps back, for what flows besides the market's deals."""

ABANDONED_PERMILLE = 10
EXPIRED_PERMILLE = 10
"""How many deals a buyer abandons, and how many it lets expire."""


class Clock:
    """The time of day, as the day sets it, in seconds since the epoch."""

    def __init__(self, now: int) -> None:
        self.now = now

    def __call__(self) -> int:
        """What time it is."""
        return self.now


def run_day(
    folder: Path, nodes: int, periods: int, seed: int, broker: Broker, progress: Callable[[], None]
) -> DayResult:
    """Build a region and run a day in it.

    Parameters
    ----------
    folder
        Where the region goes; it stays there, to be opened again.
    nodes
        How many prosumers, 8 or more.
    periods
        How many delivery periods from midnight on, 1 to 96.
    seed
        Equal seeds give equal days: the same offers, deals and faults, though under new keys.
    broker
        The MQTT broker that the meters publish to.
    progress
        Told when a period is done.

    Raises
    ------
    InvalidValue
        A number is out of range, the folder is not empty, or the broker does not deliver.
    """
    if not 1 <= periods <= PERIODS_IN_24_HOURS:
        raise InvalidValue("periods", periods, f"1 to {PERIODS_IN_24_HOURS} delivery periods")
    members = prosumers(nodes, seed)
    clock = Clock(int(DAY.timestamp()) - PERIODS_IN_24_HOURS // 2 * PERIOD_SECONDS)
    seconds: dict[str, float] = {}
    with _timed(seconds, "setting up"):
        region = Region.create(folder, region_spec(members), clock=clock)
    with region:
        day = _Day(region, members, clock, periods, seed, seconds)
        with closing(day.start_meters(broker, folder / "readings")):
            day.prepare()
            for period in day.span:
                day.trade(period)
                progress()
            day.close()
        return day.result()


class _Day:
    """A day in a region: what happens in which order."""

    def __init__(
        self,
        region: Region,
        members: Sequence[Prosumer],
        clock: Clock,
        periods: int,
        seed: int,
        seconds: dict[str, float],
    ) -> None:
        first = period_at(DAY)
        self.span = range(first, first + periods)
        self._region = region
        self._members = {member.spec.node_id: member for member in members}
        self._clock = clock
        self._seed = seed
        self._seconds = seconds
        self._view = MarketView(region.main)
        self._happened = self._view.follow(CandidatePassedOver)
        self._agent = Agent(region, self._expected_wh)
        self._draw = random.Random(seed)  # noqa: S311 - a day to repeat, not a secret
        profiles = Profiles.load()
        self._known = (DAY.date() - profiles.start.date()).days * PERIODS_IN_24_HOURS - AHEAD
        self._curves_wh = {name: _curve_wh(profiles, member) for name, member in self._members.items()}
        self._scheduling = Scheduling(region, PowerNetwork(ZONES, LINES), margin_permille=MARGIN_PERMILLE)
        self._capacities: list[CapacityDetails] = []
        self._passed_over: set[tuple[OrderId, OrderId]] = set()
        planners = {role: Planner(role, members, periods) for role in (Role.SOURCE, Role.AGGREGATOR)}
        self._planners = tuple(planners.values())
        self._planner_of = {member.spec.node_id: planners[member.role] for member in members if member.is_scheduled}

    def start_meters(self, broker: Broker, folder: Path) -> Meters:
        """Switch on the meters; their head-ends keep what they accept in a folder."""
        with self._timed("meters"):
            limits_w = {name: max(member.source_w, member.load_w) for name, member in self._members.items()}
            limits_w[COUPLING] = sum(limits_w.values())
            points_of = {
                name: [node for node in master.nodes if node in limits_w]
                for name, master in self._region.masters.items()
            }
            points_of[GRID].append(COUPLING)
            metered = range(self.span[0] - AHEAD, self.span[-1] + 1)
            self._meters = Meters(self._flow_wh, limits_w, points_of, metered, self._seed, broker, folder)
        return self._meters

    def prepare(self) -> None:
        """The evening before: name the traders, take deposits."""
        with self._timed("setting up"):
            day = self._region.calendar.day_of(self.span[0])
            self._region.open_day(day)
            self._region.deposit(dict.fromkeys(self._members, DEPOSIT), day, day.to_bytes(32, "big"))
            self._region.set_limits({name: member.limits for name, member in self._members.items()})
            self._node_of = {
                master.trader(node_id, day): (node_id, name)
                for name, master in self._region.masters.items()
                for node_id in master.nodes
            }

    def trade(self, period: int) -> None:
        """Trade one delivery period, when the readings of the fourth one before it have come."""
        region = self._region
        self._clock.now = int(period_start(period - AHEAD + 1).timestamp())
        ends_hour = (period + 1) % PERIODS_PER_ANCHOR == 0 or period == self.span[-1]
        with self._timed("meters"):
            self._meters.read(period - AHEAD)
            if ends_hour:
                # What came last may still be under way.
                self._meters.ask_again(period - AHEAD - 1)
        if (period - self.span[0]) % PERIODS_PER_PLAN == 0:
            with self._timed("plans"):
                self._plan(period)
        if period % PERIODS_PER_ANCHOR == 0 or period == self.span[0]:
            with self._timed("schedules"):
                self._publish_capacities(period)
        with self._timed("forecasts"):
            offers = self._offers(period)
        self._clock.now += 30
        with self._timed("offers"):
            region.offer(offers, automatic=True)
        self._clock.now += 30
        with self._timed("deals"):
            self._answer(region.deliver())
        self._clock.now += 60
        with self._timed("settlement"):
            region.settle()
        if ends_hour:
            with self._timed("schedules"):
                self._report_flows(range(max(period - period % PERIODS_PER_ANCHOR, self.span[0]), period + 1))
            with self._timed("anchors"):
                region.anchor()

    def close(self) -> None:
        """After midnight: read the last meters, end what expired, report, anchor."""
        with self._timed("meters"):
            for period in range(self.span[-1] - AHEAD + 1, self.span[-1] + 1):
                self._clock.now = int(period_start(period + 1).timestamp())
                self._meters.read(period)
            self._meters.ask_again(self.span[-1])
            self._meters.report_doubts()
        with self._timed("settlement"):
            self._region.settle()
        with self._timed("settlement"):
            inflow_wh = self._meters.surpluses_wh(COUPLING, self.span[0], self.span[-1])
            self._settlement = settle_day(self._region, self.span, self._metered_wh(), inflow_wh)
        with self._timed("reports"):
            for report in self._evening_reports():
                self._region.report(*report)
        with self._timed("anchors"):
            self._region.anchor()

    def result(self) -> DayResult:
        """Let the regulator audit the day, and sum it up."""
        with self._timed("audit"):
            audit, reports = self._region.regulator.audit(), self._region.regulator.reports()
        self._catch_up()
        surpluses = [wh for series in self._metered_wh().values() for wh in series if wh is not None]
        masters, anchors = self._region.masters, self._region.main.anchors
        return DayResult(
            first_period=self.span[0],
            periods=len(self.span),
            nodes=len(self._members),
            orders=tuple(self._orders()),
            refused=len(self._view.refused),
            trades=tuple(self._trades(range(self.span[0], self.span[-1] + 1))),
            readings=self._meters.readings,
            findings=tuple(self._meters.findings),
            fed_in_wh=sum(wh for wh in surpluses if wh > 0),
            drawn_wh=-sum(wh for wh in surpluses if wh < 0),
            zone_of={name: member.zone for name, member in self._members.items()},
            capacity_wh={
                (start, end): tuple(
                    hour.capacity(start, end, period)
                    for hour in self._capacities
                    for period in range(hour.first_period, hour.first_period + hour.periods)
                )
                for start, end in permutations(ZONES, 2)
            },
            passed_over=self._count_passed_over(),
            settlement=tuple(self._settlement),
            records={name: master.slave.ledger.leaf_count() for name, master in masters.items()},
            anchors={name: len(anchors.anchors(master.membership.master_id)) for name, master in masters.items()},
            reports=tuple(reports),
            audit=tuple(audit),
            seconds=self._seconds,
        )

    # Before an offer

    def _flow_wh(self, name: str, period: int) -> int:
        """What flows through a meter: what the master plans, the weather makes, people use."""
        if name == COUPLING:
            flows = [self._flow_wh(member, period) for member in self._members]
            # What the grid outside has to feed in so that the region balances, losses included.
            return -sum(wh for wh in flows if wh < 0) * LOSS_PERMILLE // 1_000 - sum(flows)
        turn = period - self.span[0]
        if self._members[name].is_scheduled:
            return self._planner_of[name].flow_wh(name, turn) if turn >= 0 else 0
        return self._curves_wh[name][self._known + AHEAD + turn]

    def _plan(self, period: int) -> None:
        """Let every master plan its plants from a period on, by what is known before it is traded."""
        left = self.span[-1] + 1 - period
        histories = {name: self._history(name, period) for name in self._members}
        needs = [
            -sum(min(wh or 0, 0) for wh in column)
            for column in zip(*(histories[name] for name, member in self._members.items() if member.load), strict=True)
        ]
        forecasts = {
            name: expected_wh(histories[name], AHEAD, left)
            for name, member in self._members.items()
            if member.spec.kind in {NodeKind.WIND, NodeKind.PV, NodeKind.HYDRO}
        }
        expected_needs = expected_wh(needs, AHEAD, left)
        for planner in self._planners:
            planner.plan(period - self.span[0], forecasts, expected_needs)
        rest = range(period, self.span[-1] + 1)
        self._scheduling.plan(
            period, {name: [self._flow_wh(name, later) for later in rest] for name in self._planner_of}
        )

    def _publish_capacities(self, period: int) -> None:
        """Let the masters tell dispatch what is to be expected until the hour ends, and dispatch what may be sold."""
        hour = range(period, min(period - period % PERIODS_PER_ANCHOR + PERIODS_PER_ANCHOR, self.span[-1] + 1))
        energies = {name: self._expected_series(name, hour) for name in self._members}
        self._scheduling.nominate(period, energies)
        self._capacities.append(self._scheduling.publish(hour))

    def _expected_series(self, name: str, periods: range) -> list[int]:
        """What a node will do in periods of which the first is the next to be traded."""
        if self._members[name].is_scheduled:
            return [self._flow_wh(name, period) for period in periods]
        history = self._history(name, periods[0])
        found = [forecast(history, AHEAD + turn) for turn in range(len(periods))]
        return [expected.surplus_wh if expected else 0 for expected in found]

    def _history(self, name: str, period: int) -> list[int | None]:
        """What is known of a metering point when a period is traded: the days before, and the readings since.

        Of a hydro plant it is the inflow, which its own meter does not show.
        """
        curve = self._curves_wh[name]
        if self._members[name].is_scheduled:
            return list(curve[: self._known + 1 + period - self.span[0]])
        return [*curve[: self._known], *self._meters.surpluses_wh(name, self.span[0] - AHEAD, period - AHEAD)]

    def _offers(self, period: int) -> list[tuple[str, Offer]]:
        """What the nodes offer by themselves, in the order in which they happen to come."""
        offers = self._agent.proposals(period)
        self._draw.shuffle(offers)
        return offers

    def _expected_wh(self, name: str, period: int) -> int | None:
        if self._members[name].is_scheduled:
            return self._flow_wh(name, period)
        expected = forecast(self._history(name, period), AHEAD)
        return expected.surplus_wh if expected else None

    # After an offer

    def _answer(self, questions: Sequence[PendingConfirmation]) -> None:
        """Let the parties answer: most confirm by themselves; a few buyers' owners abandon, a few say nothing."""
        confirming, abandoning = [], []
        for question in consents(self._region, questions):
            fate = random.Random(f"{self._seed} {question.deal_id}").randrange(1_000)  # noqa: S311 - as above
            if question.side is Side.ASK or fate >= ABANDONED_PERMILLE + EXPIRED_PERMILLE:
                confirming.append(question)
            elif fate < ABANDONED_PERMILLE:
                abandoning.append(question)
        self._region.answer(confirming, confirmed=True)
        self._region.answer(abandoning, confirmed=False)

    def _report_flows(self, hour: range) -> None:
        """Let dispatch report how what was settled for an hour loads the lines, and what they leave free."""
        self._catch_up()
        injections = {zone: [0] * len(hour) for zone in ZONES}
        for trade in self._trades(hour):
            if trade.state is DealState.SETTLED:
                for node, sign in ((trade.seller, 1), (trade.buyer, -1)):
                    injections[self._members[node].zone][trade.period - hour.start] += sign * trade.energy_wh
        schedules = [ZoneSchedule(zone, energies) for zone, energies in injections.items()]
        self._region.report(*dispatch_report(self._service(NodeKind.DISPATCH), hour.start, schedules, len(hour)))

    def _evening_reports(self) -> list[Report]:
        nodes = {kind: self._service(kind) for kind in (NodeKind.EFFICIENCY, NodeKind.MONITORING, NodeKind.SERVICES)}
        metered = self._metered_wh()
        coupling = {COUPLING: self._meters.surpluses_wh(COUPLING, self.span[0], self.span[-1])}
        # Plants that are scheduled have no yesterday: their plans were not made then.
        history = {
            name: self._curves_wh[name][: self._known + AHEAD]
            for name, member in self._members.items()
            if not member.is_scheduled
        }
        return evening_reports(nodes, self.span[0], metered | coupling, history, self._members_of())

    def _members_of(self) -> dict[str, list[str]]:
        """Prosumers by master."""
        return {
            name: [node_id for node_id in master.nodes if node_id in self._members]
            for name, master in self._region.masters.items()
        }

    def _metered_wh(self) -> dict[str, list[int | None]]:
        return {name: self._meters.surpluses_wh(name, self.span[0], self.span[-1]) for name in self._members}

    def _service(self, kind: NodeKind) -> str:
        nodes = self._region.masters[GRID].nodes.values()
        return next(node.spec.node_id for node in nodes if node.spec.kind is kind)

    # What the main chain tells

    def _catch_up(self) -> None:
        self._view.catch_up()
        while self._happened:
            event = self._happened.popleft()
            if isinstance(event, CandidatePassedOver) and event.reason is Reason.NO_TRANSFER_CAPACITY:
                # The ask first, whoever of the two came later.
                ask, bid = sorted((event.order_id, event.candidate), key=lambda order: order.side)
                self._passed_over.add((ask, bid))

    def _orders(self) -> Iterator[PlacedOrder]:
        for order_id, placed in self._view.orders.items():
            node, master = self._node_of[placed.trader]
            yield PlacedOrder(
                node,
                master,
                order_id.side,
                order_id.period,
                placed.energy_types,
                placed.energy_wh,
                order_id.price_ticks,
            )

    def _trades(self, periods: range) -> Iterator[Trade]:
        for deal_id, deal in self._view.deals.items():
            if deal.ask.period in periods:
                energy_type = self._view.orders[deal.ask].energy_types
                yield Trade(
                    deal_id,
                    deal.ask.period,
                    *self._node_of[deal.seller],
                    *self._node_of[deal.buyer],
                    energy_type,
                    deal.energy_wh,
                    deal.price_ticks,
                    deal.state,
                )

    def _count_passed_over(self) -> dict[tuple[str, str], tuple[int, ...]]:
        """By pair of zones and period: who met and did not trade, each pair of orders once."""
        counts = {pair: [0] * len(self.span) for pair in permutations(ZONES, 2)}
        for ask, bid in self._passed_over:
            start, end = (self._members[self._node_of[self._view.orders[order].trader][0]].zone for order in (ask, bid))
            counts[start, end][ask.period - self.span[0]] += 1
        return {pair: tuple(series) for pair, series in counts.items()}

    def _timed(self, part: str) -> AbstractContextManager[None]:
        return _timed(self._seconds, part)


def _curve_wh(profiles: Profiles, member: Prosumer) -> Sequence[int]:
    """Surplus of every period of the data set; of a hydro plant the inflow, of thermal units and stores nothing."""
    periods = len(next(iter(profiles.totals.values()))) - 1
    none = (0,) * periods
    made = profiles.energies_wh(member.source, member.source_w) if member.source in profiles.totals else none
    used = profiles.energies_wh(member.load, member.load_w) if member.load else none
    return [out - drawn for out, drawn in zip(made, used, strict=True)]


@contextmanager
def _timed(seconds: dict[str, float], part: str) -> Iterator[None]:
    begin = perf_counter()
    yield
    seconds[part] = seconds.get(part, 0.0) + perf_counter() - begin
