"""What a member of the main chain knows of the region's balance: submissions, imbalance prices, and who traded what."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from gridbourse.contracts.balancing import ImbalancePrice, Publication, Submission
from gridbourse.contracts.main_chain import MainChain
from gridbourse.ledger.balancing_records import MeteredTotal, Nomination
from gridbourse.market.types import Deal, Settings
from gridbourse.settlement.imbalance import ImbalanceRule, SettledDeal, reference_of, settle_period


class BalanceView:
    """Submissions and prices, kept up with the main chain."""

    def __init__(self, main: MainChain) -> None:
        self.main = main
        self._height = 0
        self.submissions: list[Submission] = []
        self.published: dict[int, list[Publication]] = {}
        """The imbalance prices of each delivery period, the newest last."""

    def catch_up(self, height: int) -> None:
        """Read the blocks since the last time, up to a height."""
        if height <= self._height:
            return
        for entry in self.main.balancing.entries(self._height + 1, height):
            if isinstance(entry, Submission):
                self.submissions.append(entry)
            else:
                self.published.setdefault(entry.price.period, []).append(entry)
        self._height = height

    def price(self, period: int) -> ImbalancePrice | None:
        """The imbalance price that counts."""
        return self.published[period][-1].price if period in self.published else None


def settled_deals(deals: Iterable[Deal], name: Callable[[int], str]) -> list[SettledDeal]:
    """Deals that were carried out, their parties called by what `name` makes of trader numbers."""
    return [
        SettledDeal(deal.ask.period, name(deal.seller), name(deal.buyer), deal.energy_wh, deal.price_ticks)
        for deal in deals
    ]


def imbalance_price(
    period: int,
    deals: Iterable[Deal],
    master_of: Mapping[int, int],
    totals: Mapping[int, MeteredTotal],
    settings: Settings,
) -> ImbalancePrice:
    """What a period's imbalances cost, with every master settled as the balance responsible party of its users.

    Parameters
    ----------
    period
        Its number.
    deals
        What was carried out, of this period.
    master_of
        By trader, the number of its master.
    totals
        By master, what it submitted; one that is missing did what it traded.
    settings
        Hold the rule.
    """
    traded = settled_deals(deals, lambda trader: str(master_of[trader]))
    metered: dict[str, int | None] = {party: None for deal in traded for party in (deal.seller, deal.buyer)}
    metered |= {str(master_id): total.balance_wh(period) for master_id, total in totals.items()}
    limits = settings.floor_ticks, settings.cap_ticks
    rule = ImbalanceRule(settings.fallback_ticks, settings.incentive_permille, *limits)
    settled = settle_period(period, traded, metered, rule)
    made_from = reference_of(traded)
    return ImbalancePrice(period, settled.price_ticks, settled.imbalance_wh, made_from.energy_wh)


def newest_nominations(opened: Iterable[tuple[Submission, Nomination]], periods: range) -> dict[bytes, Nomination]:
    """Of every master and zone the newest nomination of just these periods, by leaf."""
    newest: dict[tuple[int, str], tuple[bytes, Nomination]] = {}
    for submission, nomination in opened:
        if nomination.periods == periods:
            newest[submission.master_id, nomination.zone] = submission.record.leaf, nomination
    return dict(newest.values())
