"""A small market to specify rules by example: three masters, two traders below each."""

from dataclasses import replace

from gridbourse.market.consortium import Consortium
from gridbourse.market.reference import ReferenceMarket
from gridbourse.market.types import EnergyType, OrderRequest, Role, Settings, Side

SOURCE, GRID, USER = 1, 2, 3
TRADERS_BELOW = {SOURCE: (1, 2), GRID: (3, 4), USER: (5, 6)}
PERIOD = 100
NOW = 1_000
RECORD = b"\x11" * 32
PAYMENT = b"\x22" * 32
SETTINGS = Settings(
    cooling_off_seconds=600,
    floor_ticks=1_000,
    cap_ticks=6_000,
    gate_lead_seconds=3_600,
    max_candidates=10,
    least_wh=1,
)


class Market(ReferenceMarket):
    """The reference market with short words for what the examples say over and over."""

    def change_settings(self, **changes):
        self.consortium.settings = replace(self.consortium.settings, **changes)

    def master_of(self, trader):
        return self.trader(trader).master_id

    def sell(self, trader, energy_wh, price_ticks, kind=EnergyType.PV, *, period=PERIOD, now=NOW):
        request = OrderRequest(trader, Side.ASK, kind, period, price_ticks, energy_wh)
        return self.place(self.master_of(trader), request, RECORD, now)

    def buy(self, trader, energy_wh, price_ticks, kinds=EnergyType.PV, *, period=PERIOD, now=NOW):
        request = OrderRequest(trader, Side.BID, kinds, period, price_ticks, energy_wh)
        return self.place(self.master_of(trader), request, RECORD, now)

    def confirm_both(self, *deal_ids, now=NOW):
        for deal_id in deal_ids:
            deal = self.deal(deal_id)
            self.confirm(self.master_of(deal.seller), [deal_id], Side.ASK, now)
            self.confirm(self.master_of(deal.buyer), [deal_id], Side.BID, now)

    def deals(self):
        return [self.deal(deal_id) for deal_id in range(1, self.deal_count + 1)]

    def asks_of_deals(self):
        return [deal.ask for deal in self.deals()]

    def happened(self, kind):
        return [event for event in self.events if isinstance(event, kind)]


def small_market():
    """Everybody has a deposit of 100 yuan and may sell 10 kWh."""
    market = Market(Consortium([Role.SOURCE, Role.GRID, Role.USER], SETTINGS))
    for master_id, traders in TRADERS_BELOW.items():
        market.register_traders(master_id, [bytes([trader]) * 32 for trader in traders])
        market.set_quotas(master_id, {(trader, PERIOD): 10_000 for trader in traders})
    market.deposit(GRID, dict.fromkeys(range(1, 7), 10**9), PAYMENT)
    return market
