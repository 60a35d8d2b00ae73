"""Complementary schedules: examples worked by hand, whole Wh within every limit, and no cheaper plan left unseen."""

import re
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.grid.complement import complement
from gridbourse.grid.sub_nodes import Hydro, Renewable, Storage, Thermal

UNSERVED = 60_000
UNTIMED = settings(deadline=None)


def wind(forecast_wh, price_ticks=10, curtailment_ticks=0):
    return Renewable("wind", forecast_wh, price_ticks, curtailment_ticks)


def thermal(smallest_wh=0, largest_wh=1_000, ramp_wh=1_000, before_wh=0, price_ticks=3_000):
    return Thermal("thermal", smallest_wh, largest_wh, ramp_wh, before_wh, price_ticks)


def hydro(inflow_wh, largest_wh=1_000, reservoir_wh=1_000, start_wh=0, end_wh=0, price_ticks=100):
    return Hydro("hydro", inflow_wh, largest_wh, reservoir_wh, start_wh, end_wh, price_ticks)


def storage(charge=1_000, discharge=1_000, efficiencies=(1_000, 1_000), capacity=1_000, start=0, end=0, price_ticks=50):
    return Storage("storage", charge, discharge, *efficiencies, capacity, start, end, price_ticks)


def cover(commitments_wh, *sub_nodes):
    return complement(commitments_wh, sub_nodes, unserved_ticks=UNSERVED)


def test_the_cheapest_sub_node_serves_first_and_the_next_one_sets_the_price():
    schedule = cover([100, 100], wind([150, 20]), thermal())
    assert schedule.plans["wind"].delivered_wh == (100, 20)
    assert schedule.plans["wind"].curtailed_wh == (50, 0)
    assert schedule.plans["thermal"].delivered_wh == (0, 80)
    assert schedule.marginal_ticks == (10, 3_000)
    assert schedule.cost == 120 * 10 + 80 * 3_000


def test_what_nobody_can_serve_stays_unserved_at_its_penalty():
    schedule = cover([100], wind([30]), thermal(largest_wh=20))
    assert schedule.unserved_wh == (50,)
    assert schedule.residual_wh == (0,)
    assert schedule.marginal_ticks == (UNSERVED,)
    assert schedule.cost == 30 * 10 + 20 * 3_000 + 50 * UNSERVED


def test_a_penalty_on_curtailment_makes_the_dearer_of_two_renewables_run():
    schedule = cover([100], wind([100]), Renewable("pv", [80], 30, 25))
    assert schedule.plans["pv"].delivered_wh == (80,)
    assert schedule.plans["wind"].delivered_wh == (20,)
    assert schedule.marginal_ticks == (10,)
    assert schedule.cost == 80 * 30 + 20 * 10


def test_storage_moves_surplus_to_the_dear_period_and_loses_its_losses():
    schedule = cover([0, 100], wind([100, 0]), thermal(), storage(efficiencies=(900, 800)))
    plan = schedule.plans["storage"]
    assert (plan.charged_wh, plan.delivered_wh, plan.level_wh) == ((100, 0), (0, 72), (90, 0))
    assert schedule.plans["thermal"].delivered_wh == (0, 28)
    assert schedule.marginal_ticks == (round((3_000 - 50) * 0.72), 3_000)
    assert schedule.cost == 100 * 10 + 72 * 50 + 28 * 3_000


def test_storage_ends_at_least_as_full_as_it_must():
    schedule = cover([100, 100], thermal(), storage(start=0, end=95, efficiencies=(950, 1_000)))
    assert sum(schedule.plans["storage"].charged_wh) == 100
    assert schedule.plans["storage"].level_wh[-1] == 95
    assert schedule.cost == 300 * 3_000


def test_a_period_is_shared_between_charging_and_discharging():
    windy = wind([1_000], curtailment_ticks=5_000)
    schedule = cover([0], windy, storage(charge=100, discharge=50, efficiencies=(500, 1_000), capacity=0))
    plan = schedule.plans["storage"]
    assert (plan.charged_wh, plan.delivered_wh) == ((50,), (25,))


def test_water_is_kept_for_the_dear_period_and_the_reservoirs_end():
    schedule = cover([100, 100], wind([80, 0]), hydro([0, 50], start_wh=100, end_wh=30), thermal())
    plan = schedule.plans["hydro"]
    assert plan.delivered_wh == (20, 100)
    assert plan.level_wh == (80, 30)


def test_a_full_reservoir_spills():
    schedule = cover([0, 500], hydro([300, 0], reservoir_wh=100), thermal())
    assert schedule.plans["hydro"].delivered_wh == (0, 100)
    assert schedule.plans["hydro"].level_wh == (100, 0)


def test_a_slow_unit_starts_before_it_is_needed():
    schedule = cover([50, 50, 50], wind([50, 50, 0]), thermal(ramp_wh=20))
    assert schedule.plans["thermal"].delivered_wh[-1] == 50
    assert schedule.plans["thermal"].delivered_wh[1] >= 30
    assert schedule.unserved_wh == (0, 0, 0)


def test_a_unit_keeps_to_its_minimum_though_wind_is_cheaper():
    schedule = cover([100], wind([100]), thermal(smallest_wh=40, before_wh=40))
    assert schedule.plans["thermal"].delivered_wh == (40,)
    assert schedule.plans["wind"].curtailed_wh == (40,)


def test_rounding_gives_nothing_away_and_says_what_it_leaves():
    schedule = cover([100, 100], wind([150, 20]), storage(charge=50, efficiencies=(900, 950)), thermal())
    assert schedule.plans["storage"].delivered_wh == (0, 42)  # of 42.75
    assert schedule.plans["thermal"].delivered_wh == (0, 37)  # of 37.25
    assert schedule.unserved_wh == schedule.residual_wh == (0, 1)


def test_energy_that_nobody_takes_is_named_by_period():
    with pytest.raises(InvalidValue, match=r"commitments_wh: \{1: 10\}.*\{1: 30\} Wh more to deliver"):
        cover([100, 10], thermal(smallest_wh=40, ramp_wh=0, before_wh=40))


def test_energy_that_a_store_cannot_get_is_named_by_period():
    with pytest.raises(InvalidValue, match=r"sub_nodes: 'short of \{0: 360\} Wh.*lower end_wh"):
        cover([100], wind([40]), storage(end=400))


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: wind([]), "wind.forecast_wh"),
        (lambda: wind([1.5]), "wind.forecast_wh"),
        (lambda: wind([-1]), r"wind.forecast_wh\[0\]"),
        (lambda: wind([1], price_ticks=65_536), "wind.price_ticks"),
        (lambda: wind([1], curtailment_ticks=-1), "wind.curtailment_ticks"),
        (lambda: thermal(smallest_wh=2, largest_wh=1), "thermal.smallest_wh"),
        (lambda: thermal(smallest_wh=50, ramp_wh=20, before_wh=29), "thermal.before_wh: 29 .* 30 to"),
        (lambda: thermal(largest_wh=50, ramp_wh=20, before_wh=71), "thermal.before_wh: 71 .* 70 Wh"),
        (lambda: hydro([5], start_wh=5, end_wh=11), "hydro.end_wh: 11 .* 10 Wh"),
        (lambda: hydro([5], start_wh=1_001), "hydro.start_wh"),
        (lambda: storage(efficiencies=(1_001, 900)), "storage.charging_permille"),
        (lambda: storage(efficiencies=(900, 0)), "storage.discharging_permille"),
        (lambda: storage(end=1_001), "storage.end_wh"),
        (lambda: cover([1, 1], storage(charge=10, efficiencies=(950, 950), end=20)), "storage.end_wh: 20 .* 19 Wh"),
        (lambda: cover([1, 1], wind([1])), "wind.forecast_wh: '1 periods'"),
        (lambda: cover([1, 1], hydro([1])), "hydro.inflow_wh: '1 periods'"),
        (lambda: cover([-1], wind([1])), r"commitments_wh\[0\]"),
        (lambda: cover([1]), "sub_nodes"),
        (lambda: cover([1], wind([1]), wind([2])), "sub_nodes: .*no two of the same name"),
        (lambda: complement([1], [wind([1])], unserved_ticks=-1), "unserved_ticks"),
    ],
)
def test_an_input_that_cannot_be_is_named(make, named):
    with pytest.raises(InvalidValue, match=named):
        make()


def sub_nodes(periods, most):
    """Any one to five sub-nodes whose energies do not exceed `most`."""
    energy, price = st.integers(0, most), st.integers(0, 5_000)
    series = st.lists(energy, min_size=periods, max_size=periods)
    efficiency = st.sampled_from([1_000, 950, 877, 500])
    kinds = st.one_of(
        st.builds(Renewable, st.just("renewable"), series, price, st.integers(0, 500)),
        st.builds(Thermal, st.just("thermal"), energy, energy, energy, energy, price),
        st.builds(Hydro, st.just("hydro"), series, energy, energy, energy, energy, price),
        st.builds(Storage, st.just("storage"), energy, energy, efficiency, efficiency, energy, energy, energy, price),
    )
    return st.lists(possible(kinds), min_size=1, max_size=5).map(numbered)


@st.composite
def possible(draw, kinds):
    try:
        return draw(kinds)
    except InvalidValue:
        assume(False)


def numbered(nodes):
    fields = [{name: getattr(node, name) for name in node.__slots__} for node in nodes]
    return [type(node)(**{**field, "name": f"{n}"}) for n, (node, field) in enumerate(zip(nodes, fields, strict=True))]


@st.composite
def cases(draw, most, periods=None):
    length = periods or draw(st.integers(1, 6))
    commitments = draw(st.lists(st.integers(0, 2 * most), min_size=length, max_size=length))
    return commitments, draw(sub_nodes(length, most))


def solved(commitments, nodes):
    try:
        return cover(commitments, *nodes)
    except InvalidValue:
        assume(False)


def check_plan(node, plan):
    steps = list(zip(plan.delivered_wh, plan.charged_wh, plan.level_wh, plan.curtailed_wh, strict=True))
    match node:
        case Renewable():
            assert [out + cut for out, _, _, cut in steps] == list(node.forecast_wh)
            assert min(plan.delivered_wh + plan.curtailed_wh) >= 0
        case Thermal():
            assert all(node.smallest_wh <= out <= node.largest_wh for out in plan.delivered_wh)
            assert np.abs(np.diff([node.before_wh, *plan.delivered_wh])).max() <= node.ramp_wh
        case Hydro():
            level = node.start_wh
            for (out, _, after, _), inflow in zip(steps, node.inflow_wh, strict=True):
                assert 0 <= out <= node.largest_wh
                assert 0 <= after == min(level + inflow - out, node.reservoir_wh)
                level = after
            assert level >= node.end_wh
        case Storage():
            level, lost = Fraction(node.start_wh), Fraction(0)
            for out, charged, after, _ in steps:
                assert 0 <= out <= node.largest_discharge_wh
                assert 0 <= charged <= node.largest_charge_wh
                shared = (charged - 1) * node.largest_discharge_wh + out * node.largest_charge_wh
                assert shared <= node.largest_charge_wh * node.largest_discharge_wh
                level += Fraction(charged * node.charging_permille, 1_000)
                level -= Fraction(out * 1_000, node.discharging_permille)
                assert level >= 0
                lost += max(level - node.capacity_wh, 0)
                level = min(level, node.capacity_wh)
                assert after == round(level)
            assert plan.level_wh[-1] >= node.end_wh
            assert lost < len(steps) * (1 + Fraction(1_000, node.discharging_permille))


@UNTIMED
@given(cases(most=300))
def test_every_schedule_balances_within_every_limit(case):
    commitments, nodes = case
    schedule = solved(commitments, nodes)
    for node in nodes:
        check_plan(node, schedule.plans[node.name])
    net = sum(np.array(plan.delivered_wh) - plan.charged_wh for plan in schedule.plans.values())
    assert (net + schedule.unserved_wh == commitments).all()
    assert all(0 <= wh <= 2 * len(nodes) for wh in schedule.residual_wh)
    assert all(rest <= short for rest, short in zip(schedule.residual_wh, schedule.unserved_wh, strict=True))


@UNTIMED
@given(cases(most=2**36, periods=4))
def test_large_schedules_balance_to_the_wh_too(case):
    commitments, nodes = case
    schedule = solved(commitments, nodes)
    for node in nodes:
        check_plan(node, schedule.plans[node.name])


@UNTIMED
@given(cases(most=300), st.integers(301, 2_000))
def test_the_energy_that_an_error_asks_for_is_enough(case, steady_wh):
    commitments, nodes = case
    nodes = [node for node in nodes if not isinstance(node, Storage)]
    nodes.append(Thermal("steady", steady_wh, steady_wh, 0, steady_wh, 1))
    commitments[-1] = 0
    with pytest.raises(InvalidValue, match="commitments_wh") as caught:
        cover(commitments, *nodes)
    asked = {int(period): int(wh) for period, wh in re.findall(r"(\d+): (\d+)", caught.value.remedy)}
    assert asked.keys() == caught.value.value.keys()
    cover([wh + asked.get(period, 0) for period, wh in enumerate(commitments)], *nodes)


def whole_plans(node, periods):
    """Every plan in whole Wh that a sub-node has: pairs of net deliveries and cost."""
    match node:
        case Renewable():
            for out in product(*(range(most + 1) for most in node.forecast_wh)):
                yield out, sum(out) * node.price_ticks + (sum(node.forecast_wh) - sum(out)) * node.curtailment_ticks
        case Thermal():
            for out in product(range(node.smallest_wh, node.largest_wh + 1), repeat=periods):
                if np.abs(np.diff([node.before_wh, *out])).max() <= node.ramp_wh:
                    yield out, sum(out) * node.price_ticks
        case Hydro():
            for out in product(range(node.largest_wh + 1), repeat=periods):
                levels = [node.start_wh]
                for wh, inflow in zip(out, node.inflow_wh, strict=True):
                    levels.append(min(levels[-1] + inflow - wh, node.reservoir_wh))
                if min(levels) >= 0 and levels[-1] >= node.end_wh:
                    yield out, sum(out) * node.price_ticks
        case Storage():
            yield from whole_storage_plans(node, periods)


def whole_storage_plans(node, periods):
    charge, discharge = node.largest_charge_wh, node.largest_discharge_wh
    energies = product(range(charge + 1), range(discharge + 1))
    shared = [(a, b) for a, b in energies if a * discharge + b * charge <= charge * discharge]
    for steps in product(shared, repeat=periods):
        levels = [Fraction(node.start_wh)]
        for a, b in steps:
            gained = Fraction(a * node.charging_permille, 1_000)
            levels.append(levels[-1] + gained - Fraction(b * 1_000, node.discharging_permille))
        if min(levels) >= 0 and max(levels) <= node.capacity_wh and levels[-1] >= node.end_wh:
            yield tuple(b - a for a, b in steps), sum(b for _, b in steps) * node.price_ticks


def least_cost_of_all_plans(commitments, nodes):
    best = {(0,) * len(commitments): 0}
    for node in nodes:
        wider = {}
        for (net, cost), (own, own_cost) in product(best.items(), whole_plans(node, len(commitments))):
            total = tuple(map(sum, zip(net, own, strict=True)))
            wider[total] = min(wider.get(total, cost + own_cost), cost + own_cost)
        best = wider
    return min(
        cost + (sum(commitments) - sum(net)) * UNSERVED
        for net, cost in best.items()
        if all(0 <= wh <= most for wh, most in zip(net, commitments, strict=True))
    )


def rounding(schedule, nodes):
    """The most that rounding to whole Wh can have added to a schedule's cost."""
    curtailed = sum(node.curtailment_ticks for node in nodes if isinstance(node, Renewable))
    return sum(schedule.residual_wh) * UNSERVED + curtailed * len(schedule.residual_wh)


@UNTIMED
@given(cases(most=3, periods=2))
def test_no_plan_in_whole_wh_is_cheaper(case):
    commitments, nodes = case
    nodes = nodes[:3]
    schedule = solved(commitments, nodes)
    try:
        least = least_cost_of_all_plans(commitments, nodes)
    except ValueError:  # only fractions of a Wh fit
        assume(False)
    assert schedule.cost - rounding(schedule, nodes) <= least
    if not any(schedule.residual_wh):
        assert schedule.cost == least


@UNTIMED
@given(cases(most=100_000), st.data())
def test_more_freedom_never_costs_more(case, data):
    commitments, nodes = case
    helper = data.draw(
        st.sampled_from(
            [
                Renewable("helper", [50_000] * len(commitments), 100, 0),
                Thermal("helper", 0, 50_000, 10_000, 0, 500),
                Hydro("helper", [1_000] * len(commitments), 9_000, 50_000, 20_000, 0, 300),
                Storage("helper", 20_000, 20_000, 950, 930, 80_000, 40_000, 0, 20),
            ]
        )
    )
    alone = solved(commitments, nodes)
    helped = cover(commitments, *nodes, helper)
    assert helped.cost <= alone.cost + rounding(helped, nodes)
