"""What k blocks on top are worth: formulas with their sources' values, and a simulation that must agree with them."""

from dataclasses import fields
from fractions import Fraction
from math import comb, exp, lgamma, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.paper.security import (
    MIN_ROUNDS,
    PATIENCE_BLOCKS,
    Attack,
    analyse,
    formulas,
    wilson_interval,
)

DEPTHS = range(1, 51)
SHARES_BELOW_HALF = [percent / 100 for percent in range(5, 50, 5)]
SHARE = st.floats(0.001, 0.5)
DEPTH = st.integers(1, 50)


def chance(attack, share, depth):
    return float(formulas(np.array([share]), np.array([depth]))[attack, 0, 0])


@pytest.fixture(scope="module")
def simulated():
    return analyse(SHARES_BELOW_HALF, DEPTHS, seed=7, rounds=10_000)


@given(share=SHARE, depth=DEPTH)
def test_the_papers_formula_is_x_to_the_k_and_at_most_a_half_to_the_k(share, depth):
    assert chance(Attack.IN_A_ROW, share, depth) == pytest.approx(share**depth, rel=1e-12)
    assert chance(Attack.IN_A_ROW, share, depth) <= 0.5**depth


@pytest.mark.parametrize(("share", "depth", "odds"), [(0.1, 1, 1 / 9), (0.2, 3, 1 / 64), (0.25, 2, 1 / 9)])
def test_a_late_fork_catches_up_like_a_ruined_gambler(share, depth, odds):
    assert chance(Attack.LATE, share, depth) == pytest.approx(odds, rel=1e-12)


@given(share=st.fractions(Fraction(1, 1000), Fraction(1, 2)), depth=DEPTH)
def test_a_late_fork_stays_below_a_half_to_the_k_exactly_up_to_a_third(share, depth):
    below = chance(Attack.LATE, float(share), depth) <= 0.5**depth * (1 + 1e-12)
    assert below == (share <= Fraction(1, 3))


@pytest.mark.parametrize(
    ("share", "percent"),
    [
        (0.02, [4.000, 0.237, 0.016, 0.001]),
        (0.10, [20.000, 5.600, 1.712, 0.546, 0.178, 0.059, 0.020, 0.007, 0.002, 0.001]),
        (0.50, [100.0] * 10),
    ],
)
def test_a_planned_fork_succeeds_as_often_as_rosenfelds_table_says(share, percent):
    found = [100 * chance(Attack.PLANNED, share, depth) for depth in range(1, len(percent) + 1)]
    assert found == pytest.approx(percent, abs=5e-4)


@given(byzantine=st.integers(1, 500), depth=DEPTH)
def test_a_planned_fork_matches_rosenfelds_sum_in_exact_arithmetic(byzantine, depth):
    nodes, honest = 1000, 1000 - byzantine
    defended = sum(
        comb(found + depth - 1, found)
        * (honest**depth * byzantine**found - honest**found * byzantine**depth)
        * nodes ** (depth - found)
        for found in range(depth + 1)
    )
    exact = float(1 - Fraction(defended, nodes ** (2 * depth)))
    assert chance(Attack.PLANNED, byzantine / nodes, depth) == pytest.approx(exact, rel=1e-11)


@given(share=SHARE, depth=DEPTH)
def test_a_planned_fork_matches_the_incomplete_beta_function_of_grunspan_and_perez_marco(share, depth):
    # I_4pq(k, 1/2) with t = 1 - u^2: a polynomial in u, which Gauss-Legendre quadrature integrates exactly.
    nodes, weights = np.polynomial.legendre.leggauss(depth)
    p, q = 1 - share, share
    u = (p - q) + q * (nodes + 1)
    integral = 2 * q * np.sum(weights * (1 - u**2) ** (depth - 1))
    beta = exp(lgamma(depth) + lgamma(0.5) - lgamma(depth + 0.5))
    assert chance(Attack.PLANNED, share, depth) == pytest.approx(integral / beta, rel=1e-9)


@given(share=SHARE, depth=DEPTH)
def test_a_planned_fork_beats_a_late_one_and_a_late_one_beats_blocks_in_a_row(share, depth):
    in_a_row, late, planned = (chance(attack, share, depth) for attack in Attack)
    slack = 1 + 1e-12
    assert in_a_row <= late <= planned * slack
    assert planned <= (4 * share * (1 - share)) ** depth * slack


def test_every_attack_grows_with_the_share_and_fades_with_depth():
    shares = np.linspace(0.01, 0.49, 49)
    chances = formulas(shares, np.array(DEPTHS))
    assert (np.diff(chances, axis=1) > 0).all()
    assert (np.diff(chances, axis=2) < 0).all()


def test_without_byzantine_nodes_nothing_is_undone_and_with_half_of_them_every_fork_wins():
    chances = formulas(np.array([0.0, 0.5]), np.array(DEPTHS))
    assert (chances[:, 0] == 0).all()
    assert chances[[Attack.LATE, Attack.PLANNED], 1] == pytest.approx(1.0, rel=1e-12)


def test_the_simulation_stays_within_four_standard_deviations_of_the_formulas(simulated):
    expected = simulated.formula * simulated.rounds
    deviation = np.sqrt(expected * (1 - simulated.formula))
    counted = simulated.measured * simulated.rounds
    often = expected >= 5
    assert (np.abs(counted - expected) < 4 * deviation)[often].all()
    assert counted[~often].max() <= 20


def test_the_confidence_intervals_hold_the_formulas_as_often_as_they_claim(simulated):
    within = (simulated.low <= simulated.formula) & (simulated.formula <= simulated.high)
    telling = simulated.formula * simulated.rounds >= 5
    assert within[telling].mean() >= 0.97
    assert within.mean() >= 0.97


def test_at_one_half_the_simulation_shows_what_limited_patience_costs():
    # Two players of equal luck: a purse of b is ruined by one of a with probability a / (a + b).
    depths = np.array([1, 6, 50])
    result = analyse([0.5], depths, seed=7, rounds=2_000)
    late = PATIENCE_BLOCKS / (PATIENCE_BLOCKS + depths)
    behind = [sum((k - m) * comb(k + m - 1, m) / 2 ** (k + m) for m in range(k)) for k in depths.tolist()]
    planned = 1 - np.array(behind) / PATIENCE_BLOCKS
    for attack, exact in ((Attack.LATE, late), (Attack.PLANNED, planned)):
        assert (result.low[attack, 0] <= exact).all()
        assert (exact <= result.high[attack, 0]).all()


def test_the_same_seed_gives_the_same_result_and_another_seed_another():
    first, again, other = (analyse([0.3], DEPTHS, seed, MIN_ROUNDS) for seed in (1, 1, 2))
    assert all(np.array_equal(getattr(first, field.name), getattr(again, field.name)) for field in fields(first))
    assert not np.array_equal(first.measured, other.measured)


@given(rounds=st.integers(1, 10**6), data=st.data())
def test_a_wilson_bound_is_where_the_observation_lies_z_standard_errors_away(rounds, data):
    successes = data.draw(st.integers(0, rounds))
    z = 2.5758293035489004
    for bound in wilson_interval(np.array(successes), rounds):
        away = z * sqrt(bound * (1 - bound) / rounds)
        assert abs(successes / rounds - bound) == pytest.approx(away, rel=1e-6, abs=1e-9)


def test_a_bft_block_is_final_below_a_third_and_reversible_from_there():
    result = analyse([0.0, 0.33, 1 / 3, 0.34, 0.5], [1], seed=1, rounds=MIN_ROUNDS)
    assert result.bft_reversible.tolist() == [False, False, True, True, True]


def test_the_limits_of_small_sets_follow_from_quorums_and_from_equation_1():
    result = analyse([0.1], [1], seed=1, rounds=MIN_ROUNDS)
    assert result.validators.tolist() == [4, 7, 10]
    for row, validators in enumerate(result.validators.tolist()):
        quorum = next(votes for votes in range(validators + 1) if 3 * votes > 2 * validators)
        survived = [
            faulty for faulty in range(validators) if validators - faulty >= quorum and 2 * quorum - validators > faulty
        ]
        allowed = [faulty for faulty in range(validators) if faulty < (validators + 1) / 2]
        assert result.bft_survives[row] == max(survived)
        assert result.paper_allows[row] == max(allowed)


def test_progress_counts_up_to_every_race():
    seen = []
    analyse([0.1, 0.2], [1], seed=1, rounds=10_000, progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [20_000] * len(seen)
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
    assert seen[-1] == (20_000, 20_000)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("shares", []),
        ("shares", [-0.01]),
        ("shares", [0.1, 0.51]),
        ("shares", [float("nan")]),
        ("depths", []),
        ("depths", [0]),
        ("depths", [1, 101]),
        ("depths", [1.5]),
        ("depths", [float("nan")]),
        ("seed", -1),
        ("rounds", MIN_ROUNDS - 1),
        ("rounds", 10**9),
    ],
)
def test_bad_input_is_refused_by_the_name_of_its_field(field, value):
    good = {"shares": [0.1], "depths": [1], "seed": 1, "rounds": MIN_ROUNDS}
    with pytest.raises(InvalidValue) as caught:
        analyse(**{**good, field: value})
    assert caught.value.field == field
