"""How a master's plan goes on when it is made anew."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gridbourse.market.types import Role
from gridbourse.region.description import NodeKind
from gridbourse.simulation.day_plan import RAMP_PERIODS, RESERVOIR_HOURS, Planner, expected_wh
from gridbourse.simulation.day_region import prosumers

PERIODS, SECOND = 12, 6
MEMBERS = prosumers(40, 1)
SCHEDULED = [member for member in MEMBERS if member.is_scheduled and member.role is Role.SOURCE]
WEATHER = [member for member in MEMBERS if member.spec.kind in {NodeKind.WIND, NodeKind.PV, NodeKind.HYDRO}]


def forecasts(share_permille, periods):
    return {member.spec.node_id: [member.source_w * share_permille // 4_000] * periods for member in WEATHER}


def flows(planner, member):
    return [planner.flow_wh(member.spec.node_id, turn) for turn in range(PERIODS)]


@pytest.fixture
def planner():
    return Planner(Role.SOURCE, MEMBERS, PERIODS)


@settings(max_examples=25, deadline=None)
@given(
    needs=st.lists(st.integers(0, 400_000), min_size=PERIODS, max_size=PERIODS),
    later=st.lists(st.integers(0, 400_000), min_size=PERIODS - SECOND, max_size=PERIODS - SECOND),
    weather=st.tuples(st.integers(0, 1_000), st.integers(0, 1_000)),
)
def test_whatever_weather_and_need_turn_out_to_be_the_plan_goes_on_from_where_it_was(needs, later, weather):
    planner = Planner(Role.SOURCE, MEMBERS, PERIODS)
    planner.plan(0, forecasts(weather[0], PERIODS), needs)
    first = {member.spec.node_id: flows(planner, member) for member in SCHEDULED}
    planner.plan(SECOND, forecasts(weather[1], PERIODS - SECOND), later)
    for member in SCHEDULED:
        found = flows(planner, member)
        assert found[:SECOND] == first[member.spec.node_id][:SECOND]
        assert all(abs(wh) <= member.source_w // 4 for wh in found)
        if member.spec.kind is NodeKind.THERMAL:
            ramp_wh = member.source_w // 4 // RAMP_PERIODS
            assert all(abs(after - before) <= ramp_wh for before, after in zip([0, *found], found, strict=False))
        if member.spec.kind is NodeKind.HYDRO:
            inflow_wh = sum(
                member.source_w * share // 4_000 * length
                for share, length in zip(weather, (SECOND, PERIODS - SECOND), strict=True)
            )
            assert sum(found) <= RESERVOIR_HOURS * member.source_w // 2 + inflow_wh


def test_thermal_units_run_when_the_wind_does_not_suffice_and_only_then(planner):
    thermal = [member for member in SCHEDULED if member.spec.kind is NodeKind.THERMAL]
    planner.plan(0, forecasts(1_000, PERIODS), [50_000] * PERIODS)
    assert sum(sum(flows(planner, member)) for member in thermal) == 0
    planner.plan(SECOND, forecasts(0, PERIODS - SECOND), [400_000] * (PERIODS - SECOND))
    assert sum(sum(flows(planner, member)) for member in thermal) > 0


def test_a_master_without_plants_to_schedule_plans_nothing():
    members = [member for member in MEMBERS if not member.is_scheduled]
    Planner(Role.SOURCE, members, PERIODS).plan(0, {}, [1] * PERIODS)


def test_what_lies_more_than_a_day_ahead_is_expected_like_what_lies_a_day_ahead():
    history = [*range(96), *range(96)]
    assert expected_wh(history, 4, 96)[:92] == list(range(3, 95))
    assert len(set(expected_wh(history, 95, 4)[1:])) == 1
