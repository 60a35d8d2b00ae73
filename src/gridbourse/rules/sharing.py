"""C8 Sharing inside a community 园区共享: who used how much of what was generated together.

Source: Directive (EU) 2024/1711, article 15a (energy sharing); the keys are those that members agree on. Quarter hour
by quarter hour and from meters alone: no trade is needed. Whatever the key, nobody gets more than it consumed, and what
is not shared goes to the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction

from gridbourse.errors import InvalidValue
from gridbourse.rounding import Exact, apportion, round_parts


class SharingKey(StrEnum):
    """How a community shares what it generates."""

    DYNAMIC = "dynamic"
    """By what each consumes at the time."""
    STATIC = "static"
    """By keys that stand; what a member cannot use goes to the grid."""
    RESHARED = "reshared"
    """By keys that stand; what a member cannot use is shared again."""


@dataclass(frozen=True, slots=True)
class Shares:
    """A quarter hour's sharing, in Wh.

    Parameters
    ----------
    shared_wh
        What each member got, in the members' order.
    to_grid_wh
        What was left.
    """

    shared_wh: tuple[int, ...]
    to_grid_wh: int


def share(key: SharingKey, generation_wh: int, consumption_wh: Sequence[int], keys: Sequence[Exact]) -> Shares:
    """Share a quarter hour by a community's key; `keys` count where it is not dynamic."""
    match key:
        case SharingKey.DYNAMIC:
            return share_dynamically(generation_wh, consumption_wh)
        case SharingKey.STATIC:
            return share_statically(generation_wh, consumption_wh, keys)
        case SharingKey.RESHARED:
            return share_again(generation_wh, consumption_wh, keys)


def share_dynamically(generation_wh: int, consumption_wh: Sequence[int]) -> Shares:
    """Dynamic key: by what each consumes at the time, ``G x c_i / sum of c``, never above ``c_i``.

    Parameters
    ----------
    generation_wh
        G, of the quarter hour.
    consumption_wh
        c, of each member.
    """
    _check(generation_wh, consumption_wh)
    shared_wh = min(generation_wh, sum(consumption_wh))
    return Shares(apportion(shared_wh, consumption_wh), generation_wh - shared_wh)


def share_statically(generation_wh: int, consumption_wh: Sequence[int], keys: Sequence[Exact]) -> Shares:
    """Static key: ``min(G x k_i, c_i)``; what a member cannot use goes to the grid.

    Parameters
    ----------
    generation_wh, consumption_wh
        As for `share_dynamically`.
    keys
        k, of each member; their sum is 1.
    """
    shared_wh = round_parts(static_shares(generation_wh, consumption_wh, keys))
    return Shares(shared_wh, generation_wh - sum(shared_wh))


def static_shares(generation_wh: int, consumption_wh: Sequence[int], keys: Sequence[Exact]) -> tuple[Exact, ...]:
    """What each member gets by a static key, exactly, before it is rounded to whole Wh."""
    _check(generation_wh, consumption_wh)
    _check_keys(keys, consumption_wh)
    pairs = zip(consumption_wh, keys, strict=True)
    return tuple(min(generation_wh * key, consumed) for consumed, key in pairs)


def share_again(generation_wh: int, consumption_wh: Sequence[int], keys: Sequence[Exact]) -> Shares:
    """Static key with re-share: what one member cannot use is shared again among the others, until nothing is left.

    Water filling: there is a level to which every member is filled, ``min(level x k_i, c_i)``, and it is found in one
    pass over the members in the order in which they are full.

    Parameters
    ----------
    generation_wh, consumption_wh, keys
        As for `share_statically`. A member with key 0 gets nothing.
    """
    _check(generation_wh, consumption_wh)
    _check_keys(keys, consumption_wh)
    keyed = [index for index, key in enumerate(keys) if key]
    left: Exact = min(generation_wh, sum(consumption_wh[index] for index in keyed))
    open_keys = Fraction(sum(keys))
    shares: list[Exact] = [0] * len(keys)
    for index in sorted(keyed, key=lambda index: Fraction(consumption_wh[index]) / keys[index]):
        shares[index] = min(left * keys[index] / open_keys, Fraction(consumption_wh[index]))
        left -= shares[index]
        open_keys -= keys[index]
    shared_wh = round_parts(shares)
    return Shares(shared_wh, generation_wh - sum(shared_wh))


def equal_keys(members: int) -> tuple[Fraction, ...]:
    """The same key for everybody."""
    return (Fraction(1, members),) * members


def _check(generation_wh: int, consumption_wh: Sequence[int]) -> None:
    if generation_wh < 0:
        raise InvalidValue("generation_wh", generation_wh, "an energy of 0 Wh or more")
    if any(consumed < 0 for consumed in consumption_wh):
        raise InvalidValue("consumption_wh", min(consumption_wh), "energies of 0 Wh or more")


def _check_keys(keys: Sequence[Exact], consumption_wh: Sequence[int]) -> None:
    if len(keys) != len(consumption_wh):
        raise InvalidValue("keys", len(keys), f"a key for each of {len(consumption_wh)} members")
    if any(key < 0 for key in keys) or sum(keys) != 1:
        raise InvalidValue("keys", [str(key) for key in keys], "keys of 0 or more whose sum is 1, e.g. exact fractions")
