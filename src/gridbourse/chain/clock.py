"""What time it is, and when the machine's clock is not to be believed.

A block's time can never be taken back: one sealed far ahead would close every gate before its time. So the clock that
blocks are sealed by is held against how much time really went by, and against the newest block.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

from gridbourse.errors import ClockWrong

MAX_STEP_SECONDS = 300
"""So far the clock may be set at once while a chain is open, or lie behind its newest block."""
MAX_PAUSE_SECONDS = 14 * 86_400
"""So long a chain may have stood still before it has to be said that the clock is right."""


def system_clock() -> int:
    """Seconds since the epoch."""
    return int(time.time())


def elapsed_seconds() -> float:
    """Seconds since any moment, those included in which the machine slept, where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def require_not_behind(now: int, newest: int) -> None:
    """Refuse a clock that lies behind a chain's newest block.

    Raises
    ------
    ClockWrong
        It does, by more than `MAX_STEP_SECONDS`.
    """
    if now < newest - MAX_STEP_SECONDS:
        raise ClockWrong(
            f"the clock shows {utc(now)}, but the newest block is of {utc(newest)}: nothing is sealed; set the clock "
            "right, or if it is, wait until then"
        )


class WatchedClock:
    """The machine's clock, as long as it is to be believed.

    Parameters
    ----------
    wall
        Seconds since the epoch, as the machine tells them.
    elapsed
        Seconds since any moment; nobody can set this clock.
    """

    def __init__(self, wall: Callable[[], float] = time.time, elapsed: Callable[[], float] = elapsed_seconds) -> None:
        self._wall = wall
        self._elapsed = elapsed
        self._newest = 0
        self._offset: float | None = None
        """What the clock showed when `elapsed` was zero, by the last time it was believed."""

    def learn(self, timestamp: int) -> None:
        """Take note of the time of a newest block."""
        self._newest = max(self._newest, timestamp)

    def shown(self) -> int:
        """What the clock shows, right or wrong."""
        return int(self._wall())

    def best(self) -> int:
        """The same; as long as it is wrong, what it would show if nobody had set it."""
        try:
            return self()
        except ClockWrong:
            return self.shown() if self._offset is None else int(self._offset + self._elapsed())

    def __call__(self) -> int:
        """Tell the time.

        Raises
        ------
        ClockWrong
            The clock was set, or was wrong from the beginning. This ends by itself when it is right again.
        """
        wall, elapsed = self._wall(), self._elapsed()
        if self._offset is None:
            self._require_plausible(int(wall))
        elif abs(wall - self._offset - elapsed) > MAX_STEP_SECONDS:
            expected = int(self._offset + elapsed)
            raise ClockWrong(
                f"the clock shows {utc(int(wall))}, but by the time that went by it is {utc(expected)}: nothing is "
                "sealed; set the clock right, or if it is, start anew"
            )
        self._offset = wall - elapsed
        return int(wall)

    def _require_plausible(self, now: int) -> None:
        require_not_behind(now, self._newest)
        if self._newest and now > self._newest + MAX_PAUSE_SECONDS:
            raise ClockWrong(
                f"the clock shows {utc(now)}, but the newest block is of {utc(self._newest)}: nothing is sealed; set "
                "the clock right, or if it is, say so: gridbourse region confirm-clock FOLDER"
            )


def utc(seconds: int) -> str:
    """A time as people write it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
