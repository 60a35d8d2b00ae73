"""A household and a plant trade through a running service, as programs.

make serve                                                 # in another window; it prints accounts and passwords
gridbourse token create robot --scope read --scope trade --account roof-01
gridbourse token create robot --scope read --scope trade --account home-01
python examples/trade.py http://127.0.0.1:8000 SELLER_TOKEN BUYER_TOKEN
"""

import sys
from datetime import UTC, datetime, timedelta

from gridbourse.api.schema import DealStatus
from gridbourse.client import Client, market, orders
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.units import energy_wh, format_kwh, format_price, format_yuan, period_at, price_ticks


def main(url: str, seller_token: str, buyer_token: str) -> None:
    """Sell 2 kWh from one to the other, tomorrow at noon."""
    with Client(url, token=seller_token) as seller, Client(url, token=buyer_token) as buyer:
        rules = seller.send(market.settings())
        print(f"{rules.region}: {format_price(rules.floor_ticks)} to {format_price(rules.cap_ticks)} yuan/kWh")

        noon = period_at((datetime.now(UTC) + timedelta(days=1)).replace(hour=12))
        ask = Offer(Side.ASK, EnergyType.PV, noon, energy_wh(2), price_ticks("0.30"))
        placed = seller.send(orders.place(ask))
        print(f"order {placed.order_id}: {placed.status}, {format_kwh(placed.open_wh)} kWh wait")

        # Ask what would happen, then do it.
        bid = Offer(Side.BID, EnergyType.any(), noon, energy_wh(2), price_ticks("0.80"))
        quote = buyer.send(market.quote(bid))
        print(f"it would buy {format_kwh(quote.matched_wh)} kWh for {format_yuan(quote.matched_money)} yuan")
        buyer.send(orders.place(bid))

        # Both confirm within the cooling-off time what they have agreed with each other or with anybody else.
        for side in (seller, buyer):
            for deal in side.entries(orders.deals(status=DealStatus.INTENT)):
                if deal.answered is None:
                    side.send(orders.confirm(deal.deal_id))

        # The settlement agent settles what both sides confirmed.
        for event in buyer.watch(["deals"], period=noon):
            if event.event == "deal" and event.data["status"] == "settled":
                break
            settled = buyer.send(orders.deals(status=DealStatus.SETTLED)).items
            if any(deal.period == noon for deal in settled):
                break
        for deal in buyer.send(orders.deals(status=DealStatus.SETTLED)).items:
            print(
                f"deal {deal.deal_id}: {deal.side}, {format_kwh(deal.energy_wh)} kWh at "
                f"{format_price(deal.price_ticks)} yuan/kWh, {format_yuan(deal.money)} yuan, {deal.status}"
            )


if __name__ == "__main__":
    main(*sys.argv[1:])
