"""Orders that their nodes change, where the nodes' keys lie in a region's folder."""

from __future__ import annotations

from gridbourse.market.types import Offer, OrderId, Side
from gridbourse.node.region import Region


def amend(
    region: Region, order_id: OrderId, *, energy_wh: int, price_ticks: int, energy_quota_wh: int | None = None
) -> OrderId | None:
    """Let the node of an order sign that what is open of it is replaced by a new price and quantity.

    Parameters
    ----------
    order_id
        An order of a node of this folder.
    energy_wh, price_ticks
        What takes its place, at the end of the new queue.
    energy_quota_wh
        What a seller may sell in its period; by default what all its asks there need.

    Returns
    -------
    OrderId or None
        The new order's id; None if the market refused it, or the order was gone: then it stands, or does not, as
        before.

    Raises
    ------
    InvalidValue
        No node of this folder has such an order.
    """
    master, node, placed = region.placed(order_id)
    relay = region.relays[master.membership.name]
    offer = Offer(order_id.side, placed.energy_types, order_id.period, energy_wh, price_ticks)
    if energy_quota_wh is None:
        (needed_wh,) = relay.quotas_wh([(node.spec.node_id, offer)])
        replaced = region.main.market.order(order_id)
        energy_quota_wh = needed_wh - (replaced.open_wh if replaced and offer.side is Side.ASK else 0)
    with master.signing():
        signed = node.offer(offer, energy_quota_wh=energy_quota_wh, replaces=order_id)
        (leaf,) = master.slave.submit_records([signed])
    relay.submit()
    return relay.order_of(leaf)


def cancel(region: Region, order_id: OrderId) -> None:
    """Let the node of an order sign that what is open of it leaves the market. Deals that it has stand.

    Raises
    ------
    InvalidValue
        No node of this folder has such an order.
    """
    master, node, _ = region.placed(order_id)
    with master.signing():
        master.slave.submit_records([node.cancel(order_id)])
    region.relays[master.membership.name].submit()
