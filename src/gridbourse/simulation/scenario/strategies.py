"""How participants make their prices: four strategies by name, or a class of one's own.

``fixed`` bids a fixed limit, whatever the participant's own; ``truthful`` bids its own limit; ``zero_intelligence``
draws any price that is no loss (ZI-C: Gode, Sunder, *Allocative efficiency of markets with zero-intelligence traders*,
Journal of Political Economy 101(1), 1993); ``adaptive`` moves its margin towards the prices that it sees (after ZIP:
Cliff, *Minimal-intelligence agents for bargaining behaviors in market-based environments*, HP Labs, 1997). Nobody
offers at a loss: what a strategy says is brought within the participant's own limit and the market's bounds.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from inspect import isclass
from pathlib import Path
from traceback import extract_tb
from typing import Any, Protocol, runtime_checkable

from gridbourse.errors import InvalidValue
from gridbourse.market.types import Side
from gridbourse.units import price_ticks


@dataclass(frozen=True, slots=True)
class Situation:
    """What a strategy knows when it makes a price.

    Parameters
    ----------
    participant
        Whose price it is.
    period, side
        Delivery period, and whether it sells or buys.
    energy_wh
        How much.
    limit_ticks
        What a kWh costs it at least, or is worth to it at most.
    floor_ticks, cap_ticks
        The market's bounds.
    """

    participant: str
    period: int
    side: Side
    energy_wh: int
    limit_ticks: int
    floor_ticks: int
    cap_ticks: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an order.

    Parameters
    ----------
    situation
        As it was.
    offered_ticks
        The price of the order.
    traded_wh
        How much of it was traded.
    market_ticks
        Mean price of all trades of the period, weighted by energy; None if there were none.
    """

    situation: Situation
    offered_ticks: int
    traded_wh: int
    market_ticks: int | None


@runtime_checkable
class Strategy(Protocol):
    """Makes the prices of one participant. A class of one's own is called as ``Class(draw, **parameters)``."""

    def price_ticks(self, situation: Situation) -> int:
        """The price of an order."""
        ...

    def learn(self, outcome: Outcome) -> None:
        """Told what became of the order, when its period's market is over."""
        ...


class Truthful:
    """Says its own limit. Takes no parameters."""

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw

    def price_ticks(self, situation: Situation) -> int:
        """Its limit."""
        return situation.limit_ticks

    def learn(self, outcome: Outcome) -> None:
        """Nothing."""


class Fixed(Truthful):
    """Says one price for selling and one for buying.

    Parameters
    ----------
    sell, buy
        In yuan/kWh, as text.
    """

    def __init__(self, draw: random.Random, sell: str, buy: str) -> None:
        super().__init__(draw)
        self._ticks = {Side.ASK: price_ticks(sell), Side.BID: price_ticks(buy)}

    def price_ticks(self, situation: Situation) -> int:
        """The side's price."""
        return self._ticks[situation.side]


class ZeroIntelligence(Truthful):
    """Any price that is no loss, each as likely as every other."""

    def price_ticks(self, situation: Situation) -> int:
        """From the limit to the market's bound."""
        if situation.side is Side.ASK:
            return self._draw.randint(situation.limit_ticks, max(situation.limit_ticks, situation.cap_ticks))
        return self._draw.randint(min(situation.limit_ticks, situation.floor_ticks), situation.limit_ticks)


class Adaptive(Truthful):
    """Begins with a margin, and moves it towards what the market pays.

    Who traded tries a little more than the market's mean price, who did not a little less than it.

    Parameters
    ----------
    margin
        At the beginning, as a share of the limit; at most 100.
    rate
        How far it moves towards its aim each time, from 0 to 1.
    step
        How much more or less than the mean price it aims at, as a share of it; at most 100.
    """

    def __init__(self, draw: random.Random, margin: float = 0.2, rate: float = 0.3, step: float = 0.02) -> None:
        super().__init__(draw)
        for name, value, most in (("margin", margin, 100), ("rate", rate, 1), ("step", step, 100)):
            if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= most:
                raise InvalidValue(name, value, f"a number from 0 to {most}")
        self._margin = {side: float(margin) for side in Side}
        self._rate = rate
        self._step = step

    def price_ticks(self, situation: Situation) -> int:
        """The limit with its margin."""
        sign = 1 if situation.side is Side.ASK else -1
        return round(situation.limit_ticks * (1 + sign * self._margin[situation.side]))

    def learn(self, outcome: Outcome) -> None:
        """Moves the side's margin."""
        side, limit_ticks = outcome.situation.side, outcome.situation.limit_ticks
        if not limit_ticks:
            return
        sign = 1 if side is Side.ASK else -1
        is_done = outcome.traded_wh == outcome.situation.energy_wh
        seen_ticks = outcome.offered_ticks if outcome.market_ticks is None else outcome.market_ticks
        aim_ticks = seen_ticks * (1 + sign * (self._step if is_done else -self._step))
        aim = sign * (aim_ticks / limit_ticks - 1)
        margin = self._margin[side] + self._rate * (aim - self._margin[side])
        self._margin[side] = max(margin, 0.0)


STRATEGIES: Mapping[str, type[Truthful]] = {
    "truthful": Truthful,
    "fixed": Fixed,
    "zero_intelligence": ZeroIntelligence,
    "adaptive": Adaptive,
}


@dataclass(frozen=True, slots=True)
class StrategySpec:
    """A strategy as a scenario names it.

    Parameters
    ----------
    name
        What participants call it.
    kind
        The class.
    parameters
        What it is made with.
    """

    name: str
    kind: type[Any]
    parameters: Mapping[str, object]

    def make(self, seed: int, participant: str) -> Strategy:
        """One for a participant; equal seeds draw equally.

        Raises
        ------
        InvalidValue
            The class does not take the parameters, or is no strategy.
        """
        draw = random.Random(f"{seed} {participant}")  # noqa: S311 - an experiment to repeat, not a secret
        try:
            made = self.kind(draw, **self.parameters)
        except InvalidValue as error:
            raise InvalidValue(
                f"scenario.toml, strategies.{self.name}, {error.field}", error.value, error.remedy
            ) from error
        except (Exception, SystemExit) as error:
            raise InvalidValue(
                f"scenario.toml, strategies.{self.name}",
                dict(self.parameters),
                f"what its class takes ({_told(error)})",
            ) from error
        if not isinstance(made, Strategy) or not callable(made.price_ticks) or not callable(made.learn):
            raise InvalidValue(
                f"scenario.toml, strategies.{self.name}.class",
                self.kind.__name__,
                "a class with the methods price_ticks(situation) and learn(outcome)",
            )
        return made


def strategy_class(folder: Path, text: str) -> type[Any]:
    """Find a class by the name of a strategy, or as ``FILE:CLASS`` in a scenario's folder, whose code is then run.

    Raises
    ------
    InvalidValue
        There is no such strategy, file or class, or the file cannot be run.
    """
    if text in STRATEGIES:
        return STRATEGIES[text]
    file, _, name = text.partition(":")
    path = folder / file
    if not name or Path(file).name != file or path.suffix != ".py" or not path.is_file():
        raise InvalidValue(
            "class", text, f"one of {', '.join(STRATEGIES)}, or FILE.py:CLASS with a file of this folder"
        )
    spec = spec_from_file_location(f"scenario_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Data classes look their module up there.
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise InvalidValue("class", text, f"a file that Python can run ({_told(error)})") from error
    found = getattr(module, name, None)
    if not isclass(found):
        classes = [own for own, value in vars(module).items() if isclass(value) and value.__module__ == spec.name]
        raise InvalidValue("class", text, f"a class of {file}: {', '.join(classes) or 'it has none'}")
    return found


@contextmanager
def named_errors(participant: str, method: str) -> Iterator[None]:
    """Tell what a method of a participant's strategy raises as an error of the scenario, with its file and line.

    Raises
    ------
    InvalidValue
        The method raised something, or wanted to end the program.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        raise InvalidValue(
            f"strategy of {participant}", _told(error), f"a method {method} that raises nothing"
        ) from error


def _told(error: BaseException) -> str:
    """An error in one line: its kind, its words, and where in the code it came up."""
    *_, last = [None, *(frame for frame in extract_tb(error.__traceback__) if Path(frame.filename).is_file())]
    where = f" in {Path(last.filename).name}, line {last.lineno}" if last else ""
    return f"{type(error).__name__}: {error}{where}"
