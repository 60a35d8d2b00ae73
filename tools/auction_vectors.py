"""Writes clearings, right and wrong, with what the reference finds wrong with them: contracts/test/vectors.

python tools/auction_vectors.py contracts/test/vectors/clearings.json
"""

from __future__ import annotations

import json
import random
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

from gridbourse.market.auction import Rationing, Side, TieRule, clear
from gridbourse.market.auction_check import Margin, Submission, SubmittedSide, check_clearing, submit

CASES = 400
SEED = 2026
NO_PRICE = 0
"""Prices are written with 100 added; this stands for none."""
TIE_RULES, RATIONINGS = list(TieRule), list(Rationing)


def main(path: Path) -> None:
    """Write the file: one array of numbers, case after case, which Solidity reads in turn."""
    drawn = random.Random(SEED)  # noqa: S311 (a seed makes the same file again)
    numbers = [number for _ in range(CASES) for number in _case(drawn)]
    text = json.dumps({"cases": CASES, "numbers": numbers})
    path.write_text("\n".join(textwrap.wrap(text, 120)) + "\n", encoding="utf-8")


def _case(drawn: random.Random) -> list[int]:
    asks, bids = (
        Side.of([(drawn.randint(-3, 9), drawn.randint(0, 12)) for _ in range(drawn.randint(0, 7))]) for _ in range(2)
    )
    tie_rule, rationing = drawn.choice(TIE_RULES), drawn.choice(RATIONINGS)
    submitted = submit(asks, bids, clear(asks, bids, tie_rule=tie_rule, rationing=rationing))
    if drawn.random() < 0.7:
        submitted = _changed(drawn, submitted)
    fault = check_clearing(asks, bids, submitted, tie_rule, rationing)
    price = NO_PRICE if submitted.price_ticks is None else submitted.price_ticks + 100
    settings = [TIE_RULES.index(tie_rule), RATIONINGS.index(rationing)]
    sides = [*_orders(asks), *_orders(bids)]
    return [*settings, *sides, price, *_submitted(submitted.asks), *_submitted(submitted.bids), int(fault)]


def _orders(side: Side) -> list[int]:
    pairs = zip(side.price_ticks.tolist(), side.energy_wh.tolist(), strict=True)
    return [len(side), *(number for price, wh in pairs for number in (price + 100, wh))]


def _submitted(side: SubmittedSide) -> list[int]:
    pairs = zip(side.places, side.accepted_wh, strict=True)
    return [*side.margin, len(side.places), *(number for pair in pairs for number in pair)]


def _changed(drawn: random.Random, submitted: Submission) -> Submission:
    what = drawn.choice(["price", "near", "accepted", "swap", "place", "margin", "length", "less", "both less"])
    if what == "price":
        return replace(submitted, price_ticks=drawn.choice([None, *range(-3, 10)]))
    if what == "near" and submitted.price_ticks is not None:
        return replace(submitted, price_ticks=submitted.price_ticks + drawn.choice([-1, 1]))
    if what == "both less":
        return replace(submitted, asks=_less(submitted.asks), bids=_less(submitted.bids))
    name = drawn.choice(["asks", "bids"])
    side: SubmittedSide = getattr(submitted, name)
    places, accepted = list(side.places), list(side.accepted_wh)
    if what == "less":
        return replace(submitted, **{name: _less(side)})
    if what == "accepted" and accepted:
        index = drawn.randrange(len(accepted))
        accepted[index] = max(accepted[index] + drawn.choice([-2, -1, 1, 2]), 0)
    elif what == "swap" and len(places) > 1:
        index = drawn.randrange(len(places) - 1)
        for values in (places, accepted):
            values[index], values[index + 1] = values[index + 1], values[index]
    elif what == "place" and places:
        places[drawn.randrange(len(places))] = drawn.randrange(len(places) + 1)
    elif what == "length" and places:
        places, accepted = places[:-1], accepted[:-1]
    margin = side.margin
    if what == "margin":
        margin = Margin(max(margin[0] + drawn.choice([-1, 0, 1]), 0), max(margin[1] + drawn.choice([-1, 1]), 0))
    return replace(submitted, **{name: SubmittedSide(margin, places, accepted)})


def _less(side: SubmittedSide) -> SubmittedSide:
    """One Wh less for the last order that gets something, in the margin as well."""
    served = [index for index, wh in enumerate(side.accepted_wh) if wh]
    if not served or not side.margin.accepted_wh:
        return side
    accepted = list(side.accepted_wh)
    accepted[served[-1]] -= 1
    return SubmittedSide(Margin(side.margin.energy_wh, side.margin.accepted_wh - 1), side.places, accepted)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
