"""A process that runs a region until its work is done, or until it is killed."""

import os
import signal
from multiprocessing import get_context

from small_region import DAY, PERIOD, Clock, ask, bid, records_of, trade, write

from gridbourse.ledger.records import OrderDetails
from gridbourse.node.region import Region

PROCESSES = get_context("forkserver")
PROCESSES.set_forkserver_preload(["gridbourse.node.region"])


class DeadlyChain:
    """A chain whose process dies at one submission, counted over all chains, before or after it took effect."""

    def __init__(self, chain, left, *, after):
        self._chain = chain
        self._left = left
        self._after = after

    def submit(self, raw_transactions):
        self._left[0] -= 1
        if self._left[0] == 0 and not self._after:
            os.kill(os.getpid(), signal.SIGKILL)
        receipts = self._chain.submit(raw_transactions)
        if self._left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return receipts

    def __getattr__(self, name):
        return getattr(self._chain, name)


def work(region, rounds):
    """Name the users for the next day, then trade, each round in a delivery period of its own.

    A user hands an order in until it lies on its slave chain. Of two deals in a round, one closes with a rest that
    waits; the fourth order is above the price cap and refused.
    """
    region.open_day(DAY + 1)
    written = {
        (order.user_id, order.period) for name in region.masters for order in records_of(region, name, OrderDetails)
    }
    for period in range(PERIOD, PERIOD + rounds):
        for user_id, offer in (
            ("Anna", ask(energy_wh=600, period=period)),
            ("Arno", ask(energy_wh=500, price_ticks=3_700, period=period)),
            ("Bert", bid(energy_wh=900, period=period)),
            ("Bea", bid(energy_wh=5, price_ticks=9_500, period=period)),
        ):
            if (user_id, period) not in written:
                write(region, user_id, offer)
        trade(region)


def live(folder, rounds, ready, dies_at, *, after):
    """Open the region and work; die at a submission (0: never)."""
    left = [dies_at]
    with Region.open(folder, clock=Clock(), observe=lambda _, chain: DeadlyChain(chain, left, after=after)) as region:
        ready.set()
        work(region, rounds)


def let_live(folder, rounds, *, dies_at=0, after=False, seconds=None):
    """Run a process that does the work, and kill it some time after it is ready; tells whether it was killed."""
    ready = PROCESSES.Event()
    process = PROCESSES.Process(target=live, args=(folder, rounds, ready, dies_at), kwargs={"after": after})
    process.start()
    assert ready.wait(timeout=60)
    process.join(seconds)
    process.kill()
    process.join()
    assert process.exitcode in {0, -signal.SIGKILL}
    return process.exitcode != 0
