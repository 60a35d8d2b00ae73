"""The jobs that watch over the clock and over the chains' files."""

import pytest
from small_region import NOON, Clock, ask, bid

from gridbourse.chain.clock import WatchedClock
from gridbourse.node.jobs.loop import RegionLoop
from gridbourse.node.region import Region

STORED_BYTES = 4_104
"""A page of a chain's file with its checksum."""


def failures(loop):
    return {(found.job, found.subject): found.reason for found in loop.failures}


def test_while_the_clock_is_wrong_the_market_stands_still_and_the_jobs_say_why(folder):
    elapsed, set_by = [0.0], [0]
    clock = WatchedClock(lambda: NOON + elapsed[0] + set_by[0], lambda: elapsed[0])
    with Region.open(folder, clock=clock) as region:
        monotonic = [0.0]
        loop = RegionLoop(region, monotonic=lambda: monotonic[0])
        region.offer([("Anna", ask()), ("Bert", bid())])
        loop.step()
        assert ("check-clock", "region") not in failures(loop)
        head, deal = region.main.chain.head(), region.main.market.deal(1)
        for set_by[0] in (30 * 86_400, -4 * 365 * 86_400):
            monotonic[0] += 60
            loop.step()
            assert "nothing is sealed; set the clock right" in failures(loop)["check-clock", "region"]
            assert region.main.chain.head().hash == head.hash
            assert region.main.market.deal(1) == deal, "no cooling-off time ends by a wrong clock"
        set_by[0] = 0
        elapsed[0] += 60
        monotonic[0] += 60
        loop.step()
        assert ("check-clock", "region") not in failures(loop)
        region.answer(region.deliver(), confirmed=True)
        assert region.main.chain.head().timestamp == NOON + 60


@pytest.mark.parametrize("name", ["main", "roofs"])
def test_a_byte_changed_under_a_running_node_is_named_by_its_round(folder, name):
    with Region.open(folder, clock=Clock()) as region:
        monotonic = [0.0]
        loop = RegionLoop(region, monotonic=lambda: monotonic[0])
        loop.step()
        assert not [key for key in failures(loop) if key[0] == "check-chains"]
        damage_a_page(folder / f"{name}.chain")
        for _ in range(3):
            monotonic[0] += 60
            loop.step()
        reason = failures(loop)["check-chains", name]
        assert f"{name}.chain: page " in reason
        assert "restore the file from a backup" in reason


def damage_a_page(path):
    """Change a byte of a page that was written."""
    data = bytearray(path.read_bytes())
    pages = range(2, len(data) // STORED_BYTES)
    page = next(page for page in reversed(pages) if any(data[page * STORED_BYTES : (page + 1) * STORED_BYTES]))
    with path.open("r+b") as file:
        file.seek(page * STORED_BYTES + 9)
        file.write(bytes([data[page * STORED_BYTES + 9] ^ 1]))
