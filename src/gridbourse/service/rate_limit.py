"""Token buckets: so much lasting, so much at once, for each caller."""

from __future__ import annotations

from collections import OrderedDict

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
