"""The security analysis as files: a text, a figure, and the numbers behind both."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import NDArray

from gridbourse.paper.security import (
    CONFIDENCE,
    PATIENCE_BLOCKS,
    Attack,
    Progress,
    SecurityResult,
    analyse,
    formulas,
)
from gridbourse.simulation.figures import BLUE, GREEN, GREY, VERMILLION, figure

SHARES = tuple(percent / 100 for percent in range(0, 51, 5))
DEPTHS = tuple(range(1, 51))
ROUNDS = 50_000

_COLOURS = {Attack.IN_A_ROW: BLUE, Attack.LATE: VERMILLION, Attack.PLANNED: GREEN}
Spot = tuple[float, float]
"""Where a label starts, in a panel's own units."""

_PANEL_SHARES = (0.10, 0.30, 0.45)
_PANEL_DEPTH = 6
_FLOOR = 1e-8
_RISK = 0.001


def write_security(
    folder: Path, *, seed: int = 1, rounds: int = ROUNDS, progress: Progress | None = None
) -> list[Path]:
    """Run the security analysis over `SHARES` and `DEPTHS` and write it down.

    Parameters
    ----------
    folder
        Where to write; made if missing.
    seed, rounds, progress
        As for `analyse`.

    Returns
    -------
    list of Path
        ``security.md`` (the text), ``security.png`` (the figure), ``security.csv`` (formulas and measurements) and
        ``security_validators.csv`` (the limits of small validator sets).

    Raises
    ------
    InvalidValue
        `seed` or `rounds` is outside its range.
    """
    result = analyse(SHARES, DEPTHS, seed, rounds, progress)
    folder.mkdir(parents=True, exist_ok=True)
    text, picture = folder / "security.md", folder / "security.png"
    text.write_text(_report(result, seed), encoding="utf-8")
    with figure(picture, height_inches=9.0) as drawing:
        _draw(drawing, result)
    return [text, picture, *write_csv(folder, result)]


def write_csv(folder: Path, result: SecurityResult) -> list[Path]:
    """Write every number of `result`, exactly: one row per share and depth, and one per validator set."""
    grid, validators = folder / "security.csv", folder / "security_validators.csv"
    kinds = ("formula", "measured", "low", "high")
    columns = [f"{attack.name.lower()}_{kind}" for attack in Attack for kind in kinds]
    # Axes (3, 4, s, k) flattened to one column per attack and kind, one row per share and depth.
    values = np.stack([result.formula, result.measured, result.low, result.high], axis=1)
    cells = values.reshape(len(columns), -1).T.tolist()
    places = [(share, depth) for share in result.shares.tolist() for depth in result.depths.tolist()]
    reversible = np.repeat(result.bft_reversible, len(result.depths)).astype(int).tolist()
    _write_rows(
        grid,
        ["share", "depth_blocks", *columns, "bft_reversible"],
        ([*place, *row, bft] for place, row, bft in zip(places, cells, reversible, strict=True)),
    )
    limits = np.stack([result.validators, result.paper_allows, result.bft_survives], axis=1)
    _write_rows(validators, ["validators", "paper_allows", "bft_survives"], limits.tolist())
    return [grid, validators]


def _write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _draw(drawing: Figure, result: SecurityResult) -> None:
    drawing.suptitle("The paper's 0.5ᵏ holds only while few nodes are Byzantine")
    axes = drawing.subplot_mosaic("012;sss;vvv", height_ratios=[1.0, 1.2, 0.45])
    for column, share in enumerate(_PANEL_SHARES):
        _draw_depths(axes[str(column)], result, share)
        axes[str(column)].tick_params(labelleft=column == 0)
    axes["0"].set_ylabel("chance to undo k blocks")
    axes["1"].set_xlabel("blocks to undo, k")
    _label_lines(axes["2"], "ᵏ", planned=(15, 0.13), late=(29, 8e-3), paper=(1.5, 4e-8), half=(25, 4e-8))
    _draw_shares(axes["s"], result)
    axes["v"].sharex(axes["s"])
    _draw_validators(axes["v"], result)


def _draw_depths(axes: Axes, result: SecurityResult, share: float) -> None:
    row = result.shares.tolist().index(share)
    axes.set_title(f"{share:.0%} of the nodes Byzantine")
    axes.plot(result.depths, 0.5**result.depths, color=GREY, linestyle=":")
    for attack, colour in _COLOURS.items():
        axes.plot(result.depths, result.formula[attack, row], color=colour)
        _draw_measured(axes, result, attack, np.s_[row, ::3], result.depths[::3])
    axes.set(yscale="log", ylim=(_FLOOR, 2), xlim=(0, 51))


def _draw_shares(axes: Axes, result: SecurityResult) -> None:
    axes.set_title(f"{_PANEL_DEPTH} blocks, every share")
    shares = np.linspace(0.001, 0.5, 500)
    curves = formulas(shares, np.array([_PANEL_DEPTH]))[:, :, 0]
    column = result.depths.tolist().index(_PANEL_DEPTH)
    axes.axhline(0.5**_PANEL_DEPTH, color=GREY, linestyle=":")
    for attack, colour in _COLOURS.items():
        axes.plot(shares, curves[attack], color=colour)
        _draw_measured(axes, result, attack, np.s_[:, column], result.shares)
    axes.plot([0, 1 / 3, 1 / 3, 0.5], [_FLOOR, _FLOOR, 1, 1], color="black", linewidth=2.6, clip_on=False)
    axes.text(0.105, 2e-8, "BFT below 1/3: never (0, drawn on this edge)")
    axes.text(0.34, 2e-8, "BFT from 1/3 on: may fail at once")
    _label_lines(axes, "⁶", planned=(0.06, 3e-3), late=(0.195, 2e-3), paper=(0.262, 6e-5), half=(0.005, 2.2e-2))
    dots = f"dots: {result.rounds:,} simulated races per share, {CONFIDENCE:.0%} intervals"
    axes.set_title(dots, loc="right", color=GREY)
    axes.set(yscale="log", ylim=(_FLOOR, 2), xlim=(0, 0.51), ylabel=f"chance to undo {_PANEL_DEPTH} blocks")


def _draw_measured(axes: Axes, result: SecurityResult, attack: Attack, cells: Any, x: NDArray[Any]) -> None:
    measured, low, high = (values[attack][cells] for values in (result.measured, result.low, result.high))
    seen = measured > 0
    bars = np.stack([measured - low, high - measured])[:, seen]
    axes.errorbar(x[seen], measured[seen], bars, fmt="o", markersize=3.5, color=_COLOURS[attack], elinewidth=1)


def _label_lines(axes: Axes, power: str, *, planned: Spot, late: Spot, paper: Spot, half: Spot) -> None:
    axes.text(*planned, "planned fork", color=_COLOURS[Attack.PLANNED])
    axes.text(*late, "late fork", color=_COLOURS[Attack.LATE])
    axes.text(*paper, f"paper, X{power}", color=_COLOURS[Attack.IN_A_ROW])
    axes.text(*half, f"0.5{power}", color=GREY)


def _draw_validators(axes: Axes, result: SecurityResult) -> None:
    axes.set_title("i Byzantine of j validators that the paper's eq. 1 allows: ● BFT holds, × BFT may fail")
    for row, (size, survives) in enumerate(zip(result.validators, result.bft_survives, strict=True)):
        for faulty in range(1, size // 2 + 1):
            colour, marker = ("black", "o") if faulty <= survives else (VERMILLION, "X")
            axes.plot(faulty / size, row, marker, color=colour, markersize=7)
            axes.annotate(f"{faulty}/{size}", (faulty / size, row), (7, -4), textcoords="offset points")
    axes.axvline(1 / 3, color="black", linewidth=2.6)
    axes.set_yticks(range(len(result.validators)), [f"j = {size}" for size in result.validators])
    axes.set(ylim=(len(result.validators) - 0.5, -0.5), xlabel="Byzantine share X = i / j")
    axes.xaxis.set_major_formatter(PercentFormatter(1))


def _report(result: SecurityResult, seed: int) -> str:
    below_half = result.shares < 0.5
    covered = (result.low <= result.formula) & (result.formula <= result.high)
    return _TEXT.format(
        depths=_depth_table(result),
        sets=_validator_table(result),
        rounds=f"{result.rounds:,}",
        seed=seed,
        patience=PATIENCE_BLOCKS,
        confidence=f"{CONFIDENCE:.0%}",
        covered=f"{covered[:, below_half].mean():.1%}",
        tie_late=f"{result.measured[Attack.LATE, -1, -1]:.3f}",
        tie_planned=f"{result.measured[Attack.PLANNED, -1, -1]:.3f}",
    )


def _depth_table(result: SecurityResult) -> str:
    lines = ["| X | paper, X^k | late fork | planned fork |", "|---|---|---|---|"]
    for row, share in enumerate(result.shares):
        depths = " | ".join(_depth_needed(result.formula[attack, row], result.depths) for attack in Attack)
        lines.append(f"| {share:.2f} | {depths} |")
    return "\n".join(lines)


def _depth_needed(chances: NDArray[np.float64], depths: NDArray[np.int64]) -> str:
    enough = depths[chances < _RISK]
    return str(enough[0]) if enough.size else f"more than {depths[-1]}"


def _validator_table(result: SecurityResult) -> str:
    lines = ["| j validators | eq. 1 allows i up to | X | BFT survives i up to | X |", "|---|---|---|---|---|"]
    for size, paper, bft in zip(result.validators, result.paper_allows, result.bft_survives, strict=True):
        lines.append(f"| {size} | {paper} | {paper / size:.2f} | {bft} | {bft / size:.2f} |")
    return "\n".join(lines)


_TEXT = """\
# How safe is a block under Byzantine nodes?

The paper (section 3.2) lets i of j nodes be Byzantine with i < (j + 1) / 2 (eq. 1), gives them each block with
probability X = i / j (eq. 2), and concludes that an invalid block becomes valid with a probability that goes to 0
exponentially to the base 0.5. We read: X^k, at most 0.5^k, for k blocks. Four answers stand side by side in
`security.png`; the numbers are in `security.csv` and `security_validators.csv`.

## What each answer assumes

All but the last: the next block is Byzantine with probability X, independently of the past; X never changes; blocks
arrive everywhere at once; the longest chain wins. Depth k counts the attacked block as the first of the k.

- **Paper, X^k.** The attackers must form k blocks in a row: a single honest block ends the attack. No longest-chain
  protocol works like that.
- **Late fork, (X / (1 - X))^k.** The attackers start when k blocks stand and may fall behind and recover. Certain for
  X = 0.5. It stays below 0.5^k up to X = 1/3 and not beyond.
- **Planned fork, 2 P(Binomial(2k - 1, X) >= k).** The attackers extend a secret fork while the k blocks are being
  built, then go on like the late fork. This is what a party prepares that means to take a trade back. Each further
  block divides the chance by about 1 / (4 X (1 - X)).
- **BFT.** Validators vote by equal weight, and more than two thirds must sign. With i < j/3 a finalised block is never
  reversed: the chance is 0 and not merely small. With i >= j/3 safety or progress may fail at once, and no depth helps.

## Depth needed for a chance below 0.1 %

{depths}

## Small validator sets

{sets}

Eq. 1 allows i = j/2 when j is even. Then X is 0.5 and not below it, and every block is undone in the end.

## What was simulated

The blocks of {rounds} races per share, one by one, seed {seed}; a tie counts for the attackers, who give up once the
honest chain has gained {patience} blocks on them. For X < 0.5 the {confidence} interval of the simulation contains the
formula in {covered} of all cells; all depths of a share are read from the same races, so neighbouring dots stray from
their line together. At X = 0.5 the formula says 1 for attackers who never give up; with limited patience
they undid the deepest block in {tie_late} (late) and {tie_planned} (planned) of the races.

## Where the paper is weaker than it sounds

1. X^k describes an attack that one honest block defeats. Real forks fall behind and recover, and planned ones
   grow while the victim still waits.
2. 0.5^k bounds the late fork only for X <= 1/3, and the planned fork at every depth only for X <= 0.146.
3. Eq. 1 does not imply X < 0.5 (see above), and it is no safety condition for a BFT engine, which needs i < j/3.
4. Extra blocks never make an invalid block valid: honest nodes check signatures and rules, not length. What an
   attacker can win is a different order, or the removal, of valid records.
5. Hash links reveal a change; they do not prevent one. Who may replace the chain is decided by consensus alone. A slave
   chain that one master runs has j = 1 and tolerates no Byzantine node: its anchors on the main chain protect it.
"""
