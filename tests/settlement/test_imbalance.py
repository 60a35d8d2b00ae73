"""Traded against metered: the rules of imbalance settlement, and what must sum up to nothing."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.settlement.imbalance import ImbalanceRule, SettledDeal, reference_of, settle_period
from gridbourse.settlement.statement import Statement, StatementLine
from gridbourse.units import MAX_PRICE_TICKS

TRADERS = ("Anna", "Bert", "Carl", "Dora")
PERIOD = 1_620_288
RULE = ImbalanceRule(fallback_ticks=3_000, incentive_permille=100)

energies_wh = st.integers(1, 10**7)
deals = st.lists(
    st.tuples(st.permutations(TRADERS), energies_wh, st.integers(0, 9_000)).map(
        lambda drawn: SettledDeal(PERIOD, drawn[0][0], drawn[0][1], drawn[1], drawn[2])
    ),
    max_size=12,
)
metered = st.fixed_dictionaries(dict.fromkeys(TRADERS, st.none() | st.integers(-(10**7), 10**7)))
complete = st.fixed_dictionaries(dict.fromkeys(TRADERS, st.integers(-(10**7), 10**7)))
rules = st.builds(ImbalanceRule, st.integers(0, MAX_PRICE_TICKS), st.integers(0, 1_000))


def statement_of(user_id, day, periods):
    lines = (StatementLine(settled.period, settled.imbalances[user_id], settled.price_ticks) for settled in periods)
    return Statement(user_id, day, tuple(lines))


def worked(metered_wh, inflow_wh=0):
    """Anna sold Bert 1,000 Wh at 0.30 and Carl 3,000 Wh at 0.38: 0.36 yuan/kWh in the mean."""
    done = [SettledDeal(PERIOD, "Anna", "Bert", 1_000, 3_000), SettledDeal(PERIOD, "Anna", "Carl", 3_000, 3_800)]
    return settle_period(PERIOD, done, metered_wh, RULE, inflow_wh=inflow_wh)


def test_who_feeds_in_too_little_pays_for_it_more_than_the_energy_was_worth():
    settled = worked({"Anna": 3_500, "Bert": -1_000, "Carl": -3_000}, inflow_wh=600)
    assert settled.price_ticks == 3_960
    assert settled.imbalances["Anna"].imbalance_wh == -500
    assert settled.imbalances["Anna"].money(settled.price_ticks) == -500 * 3_960
    assert settled.agent_money == 500 * 3_960
    assert settled.losses_wh == 100


def test_who_draws_less_than_it_bought_is_paid_for_it_less_than_the_energy_was_worth():
    settled = worked({"Anna": 4_000, "Bert": -400, "Carl": -3_000}, inflow_wh=-500)
    assert settled.price_ticks == 3_240
    assert settled.imbalances["Bert"].imbalance_wh == 600
    assert settled.agent_money == -600 * 3_240
    assert settled.losses_wh == 100


def test_who_is_off_the_other_way_than_the_region_gains_by_helping_it():
    settled = worked({"Anna": 3_000, "Bert": -800, "Carl": -3_000})
    assert settled.imbalance_wh == -800
    assert settled.imbalances["Bert"].money(settled.price_ticks) == 200 * 3_960 > 200 * 3_600


def test_a_region_in_balance_settles_at_the_mean_price():
    settled = worked({"Anna": 3_900, "Bert": -900, "Carl": -3_000})
    assert (settled.imbalance_wh, settled.price_ticks, settled.agent_money) == (0, 3_600, 0)


def test_a_period_without_trades_takes_the_price_that_the_rule_falls_back_to():
    settled = settle_period(PERIOD, [], {"Anna": 100, "Bert": -300}, RULE)
    assert (settled.price_ticks, settled.traded_wh) == (3_300, 0)


def test_a_reading_in_doubt_leaves_its_period_open_and_costs_nothing_yet():
    settled = worked({"Anna": None, "Bert": -1_000, "Carl": -3_100})
    assert settled.open_traders == ("Anna",)
    assert (settled.imbalances["Anna"].imbalance_wh, settled.imbalances["Anna"].money(settled.price_ticks)) == (None, 0)
    assert settled.losses_wh is None
    assert settled.imbalance_wh == -100


@given(done=deals, metered_wh=metered, rule=rules)
def test_money_only_changes_hands(done, metered_wh, rule):
    settled = settle_period(PERIOD, done, metered_wh, rule)
    trade = sum(own.traded.received - own.traded.paid for own in settled.imbalances.values())
    imbalance = sum(own.money(settled.price_ticks) for own in settled.imbalances.values())
    assert trade == 0
    assert imbalance + settled.agent_money == 0
    assert all(isinstance(own.money(settled.price_ticks), int) for own in settled.imbalances.values())


@given(done=deals, metered_wh=complete, losses_wh=st.integers(0, 10**6))
def test_energy_closes_what_comes_in_is_drawn_or_lost(done, metered_wh, losses_wh):
    inflow_wh = losses_wh - sum(metered_wh.values())
    settled = settle_period(PERIOD, done, metered_wh, RULE, inflow_wh=inflow_wh)
    assert settled.losses_wh == losses_wh
    assert settled.imbalance_wh + inflow_wh == losses_wh
    assert settled.traded_wh == sum(own.traded.bought_wh for own in settled.imbalances.values())


@given(done=deals, metered_wh=metered, rule=rules)
def test_who_is_long_is_paid_who_is_short_pays_and_who_is_neither_does_neither(done, metered_wh, rule):
    settled = settle_period(PERIOD, done, metered_wh, rule)
    for own in settled.imbalances.values():
        money = own.money(settled.price_ticks)
        assert (own.imbalance_wh or 0) * money >= 0
        assert bool(money) == bool(own.imbalance_wh and settled.price_ticks)


@given(done=deals.filter(bool), metered_wh=metered, rule=rules)
def test_the_price_is_never_on_the_wrong_side_of_what_energy_was_worth(done, metered_wh, rule):
    settled = settle_period(PERIOD, done, metered_wh, rule)
    money, energy_wh = reference_of(done)
    assert 0 <= settled.price_ticks <= MAX_PRICE_TICKS
    if not energy_wh:
        money, energy_wh = rule.fallback_ticks, 1
    if settled.imbalance_wh < 0:
        assert settled.price_ticks * energy_wh >= money
    elif settled.imbalance_wh > 0:
        assert settled.price_ticks * energy_wh <= money
    else:
        assert abs(settled.price_ticks * energy_wh - money) * 2 <= energy_wh


honest = [SettledDeal(PERIOD, "Anna", "Bert", 1_000, 3_900), SettledDeal(PERIOD, "Carl", "Bert", 2_000, 4_000)]


@pytest.mark.parametrize(
    "made_up",
    [
        SettledDeal(PERIOD, "Dora", "Dora", 1_000_000, 9_900),
        SettledDeal(PERIOD, "Dora", "Emil", 1_500, 9_900),
        SettledDeal(PERIOD, "Dora", "Emil", 1_500, 0),
    ],
    ids=["with itself at the cap", "of two at the cap", "of two for nothing"],
)
def test_a_trade_that_moves_nobodys_money_moves_no_price(made_up):
    """1 MWh between two nodes of one master at the cap once took everybody's price from 0.396 to 0.990 yuan/kWh."""
    assert reference_of([*honest, made_up]) == reference_of(honest) == (1_000 * 3_900 + 2_000 * 4_000, 3_000)


@given(done=deals.filter(bool), energy_wh=st.integers(1, 10**9), price_ticks=st.integers(0, MAX_PRICE_TICKS))
def test_no_trade_within_a_portfolio_counts(done, energy_wh, price_ticks):
    inside = SettledDeal(PERIOD, "Anna", "Anna", energy_wh, price_ticks)
    assert reference_of([*done, inside]) == reference_of(done)


@given(
    prices=st.lists(st.integers(3_500, 4_500), min_size=1, max_size=5),
    made_up=st.lists(st.tuples(st.integers(1, 99), st.integers(0, MAX_PRICE_TICKS)), max_size=10),
)
def test_whoever_trades_less_than_half_keeps_the_reference_among_the_others(prices, made_up):
    others = [SettledDeal(PERIOD, f"{turn}", "Bert", 1_000, price) for turn, price in enumerate(prices)]
    money, counted_wh = reference_of([*others, *(SettledDeal(PERIOD, "Dora", "Emil", *made) for made in made_up)])
    assert min(prices) / 2 <= money / counted_wh <= max(prices) * 3 / 2


def test_the_price_keeps_the_markets_own_limits():
    rule = ImbalanceRule(fallback_ticks=4_000, incentive_permille=1_000, floor_ticks=100, cap_ticks=5_000)
    assert (rule.price_ticks(honest, -1), rule.price_ticks(honest, 1)) == (5_000, 100)


@given(periods=st.lists(st.tuples(deals, metered), min_size=1, max_size=6))
def test_statements_sum_up_to_what_the_region_settled(periods):
    settled = [settle_period(PERIOD, done, metered_wh, RULE) for done, metered_wh in periods]
    totals = {name: statement_of(name, PERIOD // 96, settled).totals for name in TRADERS}
    sums = Counter()
    for own in totals.values():
        for field in ("bought_wh", "sold_wh", "paid", "received", "money", "open_periods"):
            sums[field] += getattr(own, field)
        assert own.long_wh - own.short_wh == own.fed_in_wh - own.drawn_wh + sum(
            line.traded.bought_wh - line.traded.sold_wh
            for line in statement_of(next(k for k, v in totals.items() if v is own), 0, settled).lines
            if line.metered_wh is not None
        )
    assert sums["bought_wh"] == sums["sold_wh"] == sum(one.traded_wh for one in settled)
    assert sums["paid"] == sums["received"]
    assert sums["money"] == -sum(one.agent_money for one in settled)
    assert sums["open_periods"] == sum(len(one.open_traders) for one in settled)


def test_a_lines_money_is_that_of_its_deals_and_of_its_imbalance():
    statement = statement_of("Anna", PERIOD // 96, [worked({"Anna": 3_500, "Bert": -1_000, "Carl": -3_000})])
    (line,) = statement.lines
    assert line.money == 1_000 * 3_000 + 3_000 * 3_800 - 500 * 3_960 == statement.totals.money
    assert (statement.totals.short_wh, statement.totals.short_money) == (500, 500 * 3_960)


def test_a_deal_of_another_period_or_of_somebody_without_a_meter_is_refused():
    with pytest.raises(InvalidValue, match=r"deal\.period"):
        settle_period(PERIOD + 1, [SettledDeal(PERIOD, "Anna", "Bert", 1, 1)], {"Anna": 0, "Bert": 0}, RULE)
    with pytest.raises(InvalidValue, match="Bert"):
        settle_period(PERIOD, [SettledDeal(PERIOD, "Anna", "Bert", 1, 1)], {"Anna": 0}, RULE)


@pytest.mark.parametrize(
    ("field", "numbers"),
    [("fallback_ticks", (-1, 0)), ("fallback_ticks", (2**16, 0)), ("incentive_permille", (0, 1_001))],
)
def test_a_rule_that_makes_no_sense_is_refused(field, numbers):
    with pytest.raises(InvalidValue, match=field):
        ImbalanceRule(*numbers)
