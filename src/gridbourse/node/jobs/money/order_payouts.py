"""What users want paid out is ordered from the settlement agent, as far as their money goes."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import partial

from gridbourse.ledger.payout_records import PayoutInstruction, PayoutOrder
from gridbourse.node.jobs.job import Task
from gridbourse.node.region import Region
from gridbourse.units import MONEY_UNITS_PER_YUAN

LEAST_STANDING_MONEY = MONEY_UNITS_PER_YUAN
"""A standing instruction pays out nothing smaller."""


class OrderPayouts:
    """Every master orders what its users' instructions make due.

    An instruction for once is ordered when the user's money is enough; what is missing in the purse is drawn from its
    accounts. A standing one is ordered after every delivery day, when that day's money is collected.

    Parameters
    ----------
    collected
        By master, the days whose money is in the purse.
    every_seconds
        Between two looks.
    """

    name = "order payouts"

    def __init__(self, collected: Mapping[str, Collection[int]], every_seconds: float = 0.0) -> None:
        self.every_seconds = every_seconds
        self._collected = collected

    def tasks(self, region: Region) -> Iterator[Task]:
        """One for each master whose users have instructions that are not ordered yet."""
        for name, relay in region.relays.items():
            relay.catch_up()
            region.payouts.catch_up()
            if self._open(region, name):
                yield Task(name, partial(self._order, region, name))

    def _open(self, region: Region, name: str) -> list[tuple[str, int, PayoutInstruction]]:
        """Leaf, day and instruction of all that is in force and not ordered."""
        causes = region.payouts.causes()
        once, standing = dict[str, tuple[str, PayoutInstruction]](), dict[str, tuple[str, PayoutInstruction]]()
        for leaf, instruction in region.relays[name].instructions.items():
            (standing if instruction.standing else once)[instruction.user_id] = leaf.hex(), instruction
        # No day is passed over that went by while nobody ran this: its money is paid with the next one's.
        yesterday = region.calendar.day_at(region.clock()) - 1
        due = [(leaf, 0, instruction) for leaf, instruction in once.values()]
        if yesterday in self._collected.get(name, ()):
            due += [(leaf, yesterday, instruction) for leaf, instruction in standing.values() if instruction.payee]
        return [(leaf, day, instruction) for leaf, day, instruction in due if (leaf, day) not in causes]

    def _order(self, region: Region, name: str) -> None:
        master, purse = region.masters[name], region.purses[name]
        available = purse.available()
        orders = []
        for leaf, day, instruction in self._open(region, name):
            user_id, inside = instruction.user_id, available.get(instruction.user_id, 0)
            if instruction.standing:
                money = inside - instruction.money
                if money < LEAST_STANDING_MONEY:
                    continue
            else:
                money = instruction.money
                if inside < money:
                    today = region.calendar.day_at(region.clock())
                    days = sorted(day for node_id, day in master.traders if node_id == user_id and day >= today)
                    if inside + self._free(region, name, user_id, days) < money:
                        continue
                    purse.draw(user_id, days, money - inside)
                    inside = money
            available[user_id] = inside - money
            orders.append(PayoutOrder(purse.account, money, instruction.payee, leaf, day))
        if orders:
            master.submit(orders, region.main.consortium.settlement_agent())

    def _free(self, region: Region, name: str, user_id: str, days: list[int]) -> int:
        master = region.masters[name]
        return sum(region.main.market.trader(master.trader(user_id, day)).free_money for day in days)
