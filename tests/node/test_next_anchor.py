"""An anchor states the root over all records up to its last block, however little of them is kept."""

import shutil
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_region import Clock, ask, write

from gridbourse.crypto.merkle import MerkleLog
from gridbourse.ledger.merkle_log import Slave
from gridbourse.node.region import Region

LAST = 9


@pytest.fixture(scope="module")
def written(prepared, tmp_path_factory):
    """A slave chain of at least `LAST` blocks, which nobody anchored."""
    folder = shutil.copytree(prepared, tmp_path_factory.mktemp("written") / "region")
    with Region.open(folder, clock=Clock()) as region:
        slave = region.masters["roofs"].slave
        while slave.chain.head().height < LAST:
            write(region, "Anna", *[ask()] * (slave.chain.head().height % 3 + 1))
        yield slave


def stated(slave, first_block, last_block):
    """An anchor as the whole log gives it."""
    leaves = [record.leaf for record in slave.records() if record.height <= last_block]
    return first_block, last_block, len(leaves), MerkleLog(leaves).root()


def fields(anchor):
    return anchor.first_block, anchor.last_block, anchor.leaf_count, anchor.root


@given(ends=st.sets(st.integers(1, LAST), min_size=1).map(sorted))
def test_every_anchor_follows_the_last_one_and_states_the_root_of_the_whole_log(written, ends):
    slave, last = Slave(written.chain, written.ledger.address), None
    for before, end in pairwise([0, *ends]):
        last = slave.next_anchor(last, end)
        assert fields(last) == stated(slave, before + 1, end)
        assert slave.next_anchor(last, end) is None


def test_an_anchor_ends_at_the_newest_block_and_the_next_one_tells_what_is_written_since(region):
    slave = region.masters["roofs"].slave
    first = slave.next_anchor(None)
    assert fields(first) == stated(slave, 1, slave.chain.head().height)
    assert slave.next_anchor(first) is None
    write(region, "Anna", ask())
    assert fields(slave.next_anchor(first)) == stated(slave, first.last_block + 1, first.last_block + 1)


def test_an_anchor_that_the_main_chain_took_back_is_made_again(written):
    slave = Slave(written.chain, written.ledger.address)
    first = slave.next_anchor(None, 3)
    second = slave.next_anchor(first, 6)
    slave.next_anchor(second)
    assert slave.next_anchor(first, 6) == second
    assert slave.next_anchor(None, 3) == first
