"""Where the blocks of all chains stand on the picture of the chains, and the anchors between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gridbourse.api.chain_schema import AnchorView, BlockSummary, ChainSummary
from gridbourse.index.schema import MAIN

BLOCKS = 13
_LEFT, _STEP, _WIDTH, _HEIGHT = 172, 76, 64, 42
_MAIN_Y, _FIRST_SLAVE_Y, _ROW = 6, 142, 88


@dataclass(frozen=True, slots=True)
class DrawnBlock:
    """A block and where its upper left corner is."""

    block: BlockSummary
    x: int
    y: int
    is_anchored: bool
    is_anchoring: bool


@dataclass(frozen=True, slots=True)
class DrawnChain:
    """A chain's row."""

    chain: ChainSummary
    y: int
    blocks: tuple[DrawnBlock, ...]


@dataclass(frozen=True, slots=True)
class DrawnAnchor:
    """An anchor: a bar below the blocks that it covers, and a line from there to the main-chain block that holds it."""

    anchor: AnchorView
    path: str
    bar: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Strips:
    """The whole picture."""

    chains: tuple[DrawnChain, ...]
    anchors: tuple[DrawnAnchor, ...]
    width: int
    height: int


def draw(
    chains: Sequence[ChainSummary], blocks: Mapping[str, Sequence[BlockSummary]], anchors: Iterable[AnchorView]
) -> Strips:
    """Place the newest blocks of every chain, newest at the right.

    Parameters
    ----------
    chains
        The chains, main chain first.
    blocks
        Newest blocks of each, newest first.
    anchors
        Anchors that may connect them.
    """
    wanted = list(anchors)
    anchoring = {anchor.height for anchor in wanted}
    rows, places = [], {}
    for row, chain in enumerate(chains):
        y = _MAIN_Y if chain.name == MAIN else _FIRST_SLAVE_Y + (row - 1) * _ROW
        shown = list(reversed(blocks[chain.name][:BLOCKS]))
        drawn = []
        for turn, block in enumerate(shown, start=BLOCKS - len(shown)):
            x = _LEFT + turn * _STEP
            places[chain.name, block.height] = x
            drawn.append(
                DrawnBlock(
                    block,
                    x,
                    y,
                    is_anchored=chain.name != MAIN and block.height <= (chain.anchored_block or 0),
                    is_anchoring=chain.name == MAIN and block.height in anchoring,
                )
            )
        rows.append(DrawnChain(chain, y, tuple(drawn)))
    y_of = {row.chain.name: row.y for row in rows}
    lines = [line for anchor in wanted if (line := _anchor(anchor, places, y_of)) is not None]
    height = _FIRST_SLAVE_Y + (len(chains) - 2) * _ROW + _HEIGHT + 12
    return Strips(tuple(rows), tuple(lines), _LEFT + BLOCKS * _STEP, height)


def _anchor(anchor: AnchorView, places: Mapping[tuple[str, int], int], y_of: Mapping[str, int]) -> DrawnAnchor | None:
    """Draw an anchor if the main-chain block that holds it and the last block that it covers are in the picture."""
    top, last = places.get((MAIN, anchor.height)), places.get((anchor.master, anchor.last_block))
    if top is None or last is None:
        return None
    covered = [
        places[anchor.master, height]
        for height in range(anchor.first_block, anchor.last_block + 1)
        if (anchor.master, height) in places
    ]
    y = y_of[anchor.master]
    start, end, middle = last + _WIDTH // 2, top + _WIDTH // 2, (y + _MAIN_Y + _HEIGHT) // 2
    path = f"M{start} {y}C{start} {middle} {end} {middle} {end} {_MAIN_Y + _HEIGHT}"
    return DrawnAnchor(anchor, path, (covered[0], last + _WIDTH, y + _HEIGHT + 6))


def follows(blocks: Sequence[BlockSummary]) -> bool:
    """Whether each of some blocks, newest first, names the hash of the one before it."""
    return all(newer.parent_hash == older.hash for newer, older in pairwise(blocks))
