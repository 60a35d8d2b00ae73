"""What stands at the connections of nodes: their meters, as masters record them."""

from __future__ import annotations

from gridbourse.crypto.keys import Address
from gridbourse.errors import InvalidValue
from gridbourse.ledger.records import MeterRegistered
from gridbourse.node.region import Region


def register_meter(region: Region, node_id: str, meter: Address, limit_w: int) -> None:
    """Let a master record which meter stands at the connection of one of its nodes. Repeated, it records nothing.

    Parameters
    ----------
    node_id
        The node.
    meter
        Address of the meter's key. A meter that is exchanged is another one; the readings of the old one stay.
    limit_w
        The most that the connection carries, in W.

    Raises
    ------
    InvalidValue
        Nobody has such a node, the meter is or was another node's, or the limit is out of range.
    """
    master, stated = region.master_of(node_id), MeterRegistered(node_id, meter.hex(), limit_w)
    for relay in region.relays.values():
        relay.catch_up()
        known = relay.meters.get(stated.meter_hex, stated)
        if known.node_id != node_id:
            raise InvalidValue("meter", f"0x{stated.meter_hex}", "a meter that no other node has or had")
    own = [known for known in region.relays[master.membership.name].meters.values() if known.node_id == node_id]
    if own[-1:] != [stated]:
        master.write([(stated, (master.nodes[node_id].encryption_public,))])
