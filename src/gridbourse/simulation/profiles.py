"""Generation and load of real plants and customers, from the SimBench data set (source and licence: data/README.md)."""

from __future__ import annotations

import csv
from datetime import datetime
from importlib.resources import files
from itertools import accumulate, pairwise
from typing import NamedTuple, Self

from gridbourse.errors import InvalidValue
from gridbourse.units import PERIOD_SECONDS

SHARES = 10_000
_WATT_SHARES_PER_WH = SHARES * 3600 // PERIOD_SECONDS


class Profiles(NamedTuple):
    """Power per delivery period, relative to the installed power.

    Parameters
    ----------
    start
        When the first period begins, on the source's clock.
    totals
        By profile: the shares of 10,000 counted up from `start` to the beginning of each period, and at last to the
        end of the last one.
    """

    start: datetime
    totals: dict[str, tuple[int, ...]]

    @classmethod
    def load(cls) -> Self:
        """Read the profiles that come with the package: 1,344 periods from Monday 2016-04-04."""
        text = files(__package__).joinpath("data/profiles.csv").read_text("utf-8")
        (_, *names), *rows = csv.reader(text.splitlines())
        times, *columns = zip(*rows, strict=True)
        series = (accumulate(map(int, column), initial=0) for column in columns)
        return cls(datetime.fromisoformat(times[0]), dict(zip(names, map(tuple, series), strict=True)))

    def energies_wh(self, name: str, power_w: int) -> tuple[int, ...]:
        """Energy of each period, as a register that counts whole Wh shows it: nothing is lost to rounding.

        Parameters
        ----------
        name
            One of `totals`, e.g. ``"pv_1"``.
        power_w
            Installed power of the plant, or peak load of the customer, in W.

        Raises
        ------
        InvalidValue
            There is no such profile, or `power_w` is negative.
        """
        if name not in self.totals:
            raise InvalidValue("name", name, f"one of {', '.join(self.totals)}")
        if power_w < 0:
            raise InvalidValue("power_w", power_w, "a power of 0 W or more")
        register = [total * power_w // _WATT_SHARES_PER_WH for total in self.totals[name]]
        return tuple(after - before for before, after in pairwise(register))
