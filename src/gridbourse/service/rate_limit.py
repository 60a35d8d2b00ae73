"""How much one caller may take: token buckets for requests, and a bound for what stays open."""

from __future__ import annotations

from collections import Counter, OrderedDict

MAX_CALLERS = 20_000
"""Callers remembered; who has not asked for the longest time is forgotten first."""


class RateLimit:
    """Limits how often each caller may ask.

    Parameters
    ----------
    per_second
        Lasting rate.
    burst
        How much may come at once after a rest.
    """

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str, now: float) -> float:
        """Take one; returns 0, or how many seconds the caller has to wait.

        Parameters
        ----------
        caller
            Who asks.
        now
            Seconds of any clock that only goes forward.
        """
        left, since = self._buckets.pop(caller, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        is_free = left >= 1
        self._buckets[caller] = (left - 1 if is_free else left, now)
        if len(self._buckets) > MAX_CALLERS:
            self._buckets.popitem(last=False)
        return 0.0 if is_free else (1 - left) / self._per_second


class OpenLimit:
    """Limits how much of something each caller may hold open at once.

    Parameters
    ----------
    most
        For one caller.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: Counter[str] = Counter()

    def take(self, caller: str) -> bool:
        """Open one more; False if the caller has all it may have."""
        if self._open[caller] >= self._most:
            return False
        self._open[caller] += 1
        return True

    def give_back(self, caller: str) -> None:
        """Close one."""
        self._open[caller] -= 1
        if not self._open[caller]:
            del self._open[caller]
