"""How safe is a block under Byzantine nodes: the paper's formula, the catch-up probabilities, a simulation, BFT.

The paper (section 3.2) assumes ``i < (j + 1) / 2`` Byzantine nodes among ``j`` (eq. 1), lets them form a block with
probability ``X = i / j`` (eq. 2), and concludes that an invalid block becomes valid with a probability that goes
"exponentially to the base 0.5" to 0. We read this as ``X**k``, at most ``0.5**k``, for ``k`` blocks. That is right for
attackers whom one honest block defeats, and for no others; docs/security-analysis.md derives what holds instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from math import comb
from statistics import NormalDist

import numpy as np
from numpy.polynomial.polynomial import polyval
from numpy.typing import NDArray

from gridbourse.errors import InvalidValue

VALIDATORS = (4, 7, 10)

MIN_ROUNDS, MAX_ROUNDS = 1_000, 100_000_000
MAX_DEPTH = 100
CONFIDENCE = 0.99
PATIENCE_BLOCKS = 150
"""Attackers give up when the honest chain has gained this many blocks on them.

More than `MAX_DEPTH`, so that nobody gives up while the blocks to undo are still being built.
"""

_STRIDE_BLOCKS = 128
_BATCH_ROUNDS = 8_192

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
Progress = Callable[[int, int], None]
"""Called with the races finished and the races to run."""


class Attack(IntEnum):
    """Three ways in which Byzantine nodes may try to undo the last `k` blocks; the first axis of every result."""

    IN_A_ROW = 0
    """They must form `k` blocks one after another; the first honest block defeats them. The paper's formula."""
    LATE = 1
    """They start when the `k` blocks stand, and overtake if they ever draw level. The gambler's ruin."""
    PLANNED = 2
    """They extend a fork in secret from the first of the `k` blocks on, and show it once it is level or longer."""


@dataclass(frozen=True, slots=True, eq=False)
class SecurityResult:
    """Formulas and measurements over a grid of Byzantine shares and depths.

    Shapes: ``s`` shares, ``k`` depths, ``v`` validator sets, 3 attacks in the order of `Attack`.

    Attributes
    ----------
    shares
        Byzantine shares ``X = i / j``, shape (s,).
    depths
        Blocks to undo, the attacked block being the first of them, shape (k,).
    rounds
        Simulated races per share.
    formula
        Probability that an attack succeeds, for attackers who never give up, shape (3, s, k).
    measured, low, high
        The share of simulated races that succeeded and its Wilson interval at `CONFIDENCE`, shape (3, s, k).
    bft_reversible
        Whether a finalised block of a large BFT network can be reversed, at any depth, shape (s,).
    validators
        Sizes of small validator sets, shape (v,).
    paper_allows
        The most Byzantine nodes that eq. 1 allows in each set, shape (v,).
    bft_survives
        The most Byzantine validators under which each set neither reverses a block nor stops, shape (v,).
    """

    shares: FloatArray
    depths: IntArray
    rounds: int
    formula: FloatArray
    measured: FloatArray
    low: FloatArray
    high: FloatArray
    bft_reversible: NDArray[np.bool_]
    validators: IntArray
    paper_allows: IntArray
    bft_survives: IntArray


def analyse(
    shares: Sequence[float],
    depths: Sequence[int],
    seed: int,
    rounds: int,
    progress: Progress | None = None,
) -> SecurityResult:
    """Compare the paper's formula, the catch-up probabilities, a simulation of the process, and BFT.

    Parameters
    ----------
    shares
        Byzantine shares, 0 to 0.5.
    depths
        Blocks to undo, 1 to `MAX_DEPTH`.
    seed
        Seed of the simulation, from 0; the same seed gives the same result.
    rounds
        Races to simulate per share, `MIN_ROUNDS` to `MAX_ROUNDS`.
    progress
        Told how far the simulation is.

    Raises
    ------
    InvalidValue
        An argument is empty or outside its range.
    """
    _require(shares, depths, seed, rounds)
    share_array, depth_array = np.array(shares, dtype=np.float64), np.array(depths, dtype=np.int64)
    validators = np.array(VALIDATORS, dtype=np.int64)
    successes = _simulate(share_array, depth_array, seed, rounds, progress)
    low, high = wilson_interval(successes, rounds)
    return SecurityResult(
        shares=share_array,
        depths=depth_array,
        rounds=rounds,
        formula=formulas(share_array, depth_array),
        measured=successes / rounds,
        low=low,
        high=high,
        bft_reversible=3 * share_array >= 1,
        validators=validators,
        paper_allows=validators // 2,
        bft_survives=(validators - 1) // 3,
    )


def formulas(shares: FloatArray, depths: IntArray) -> FloatArray:
    """Probability that each attack ever succeeds, shape (3, s, k), for shares up to 0.5.

    With ``q`` the Byzantine share and ``p = 1 - q``:

    - in a row: ``q**k``;
    - late: ``(q / p)**k`` (gambler's ruin: Feller, An Introduction to Probability Theory, vol. I, XIV.2);
    - planned: ``2 P(Binomial(2k - 1, q) >= k)``, which equals Rosenfeld's sum (Analysis of Hashrate-Based Double
      Spending, 2014) and Grunspan and Pérez-Marco's ``I_4pq(k, 1/2)`` (Double Spend Races, 2017). Unlike
      Nakamoto's (Bitcoin, 2008, section 11) it does not replace the time the honest blocks take by its mean.
    """
    q = shares[:, None]
    return np.stack([q**depths, (q / (1 - q)) ** depths, np.hstack([_planned(q, int(k)) for k in depths])])


def _planned(q: FloatArray, depth: int) -> FloatArray:
    # The attackers reach `depth` blocks first; by reflection they catch up after losing that race exactly as often.
    losses = np.array([comb(depth - 1 + honest, honest) for honest in range(depth)], dtype=np.float64)
    return 2 * q**depth * polyval(1 - q, losses)


def wilson_interval(successes: IntArray, rounds: int) -> tuple[FloatArray, FloatArray]:
    """Bounds of a probability at `CONFIDENCE`, given `successes` in `rounds` (Wilson, 1927)."""
    return _wilson_low(successes, rounds), 1 - _wilson_low(rounds - successes, rounds)


def _wilson_low(successes: IntArray, rounds: int) -> FloatArray:
    z = NormalDist().inv_cdf((1 + CONFIDENCE) / 2)
    share = successes / rounds
    centre = share + z**2 / (2 * rounds)
    reach = z * np.sqrt(share * (1 - share) / rounds + z**2 / (4 * rounds**2))
    # The lower root by way of the upper one, as centre - reach would lose every digit near 0.
    return share**2 / (centre + reach)


def _require(shares: Sequence[float], depths: Sequence[int], seed: int, rounds: int) -> None:
    if not len(shares) or not all(0 <= share <= 0.5 for share in shares):
        raise InvalidValue("shares", shares, "one or more Byzantine shares from 0 to 0.5")
    if not len(depths) or not all(depth in range(1, MAX_DEPTH + 1) for depth in depths):
        raise InvalidValue("depths", depths, f"one or more whole depths from 1 to {MAX_DEPTH} blocks")
    if seed < 0:
        raise InvalidValue("seed", seed, "a whole number from 0")
    if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:
        raise InvalidValue("rounds", rounds, f"{MIN_ROUNDS:,} to {MAX_ROUNDS:,} simulated races per share")


def _simulate(shares: FloatArray, depths: IntArray, seed: int, rounds: int, progress: Progress | None) -> IntArray:
    """Count the races in which each attack undid each depth, shape (3, s, k)."""
    random = np.random.default_rng(seed)
    deepest = int(depths.max())
    successes = np.zeros((len(Attack), len(shares), len(depths)), dtype=np.int64)
    for row, share in enumerate(shares):
        for start in range(0, rounds, _BATCH_ROUNDS):
            batch = min(_BATCH_ROUNDS, rounds - start)
            undone = _race(float(share), batch, deepest, random)
            successes[:, row] += (undone[:, :, None] >= depths).sum(axis=1)
            if progress:
                progress(row * rounds + start + batch, len(shares) * rounds)
    return successes


def _race(share: float, rounds: int, deepest: int, random: np.random.Generator) -> IntArray:
    """Run races block by block; return how many blocks each attack undid at most, shape (3, rounds).

    A race is a sequence of blocks, each Byzantine with probability `share` (to 2**-24). One sequence answers for every
    depth: an attack that undoes `k` blocks undoes fewer too. With ``lag`` the honest blocks less the Byzantine ones,

    - in a row: the Byzantine blocks before the first honest one, that is while ``lag`` falls with every block;
    - late: the most that attackers gain on the honest chain, the deepest ``-lag``;
    - planned: the honest blocks at the last moment at which ``lag <= 0``.

    A race ends when ``lag`` reaches `PATIENCE_BLOCKS`, or when late and planned attacks have undone `deepest` blocks.
    """
    undone = np.zeros((len(Attack), rounds), dtype=np.int64)
    racing, lag, height = np.arange(rounds), np.zeros(rounds, dtype=np.int32), 0
    while racing.size:
        byzantine = random.random((racing.size, _STRIDE_BLOCKS), dtype=np.float32) < share
        lags = lag[:, None] + np.cumsum(1 - 2 * byzantine.view(np.int8), axis=1, dtype=np.int32)
        heights = np.arange(height + 1, height + _STRIDE_BLOCKS + 1)
        # Who gives up within a stride may be followed to its end: back to level is farther than a stride.
        last_level = _STRIDE_BLOCKS - 1 - np.argmax(lags[:, ::-1] <= 0, axis=1)
        lag_then = lags[np.arange(racing.size), last_level]
        honest_then = np.where(lag_then <= 0, (heights[last_level] + lag_then) // 2, 0)
        in_a_row = undone[Attack.IN_A_ROW, racing] + (lags == -heights).sum(axis=1)
        undone[:, racing] = np.maximum(undone[:, racing], [in_a_row, -lags.min(axis=1), honest_then])

        unsettled = undone[Attack.LATE :, racing].min(axis=0) < deepest
        going_on = unsettled & (lags.max(axis=1) < PATIENCE_BLOCKS)
        racing, lag, height = racing[going_on], lags[going_on, -1], height + _STRIDE_BLOCKS
    return undone
