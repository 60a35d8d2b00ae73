"""What tests let the thread that owns the region do."""

from gridbourse.ledger.records import OrderDetails


def ordered_periods(region, node_id):
    """Periods of the orders on a node's slave chain, rising: they are offered in the order in which readings come."""
    master = region.master_of(node_id)
    details = map(master.encryption_node.open, master.slave.records())
    return sorted(one.period for one in details if isinstance(one, OrderDetails) and one.user_id == node_id)


def close_main_chain(region):
    region.main.chain.close()
