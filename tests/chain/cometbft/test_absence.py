"""A node that was absent for a thousand blocks fetches and runs them by itself."""

from __future__ import annotations

import pytest
from networks import Network, eventually, require_cometbft
from probe import deployment, stores

BLOCKS = 1_000


@pytest.mark.nightly
def test_a_node_that_was_absent_for_a_thousand_blocks_catches_up(tmp_path):
    require_cometbft()
    network = Network(tmp_path, observers=("regulator",))
    network.start(*network.names, "regulator")
    try:
        chain = network["hydro"].chain
        [receipt] = chain.submit([deployment()])
        network.wait_equal()
        network.stop("regulator")
        for raw in stores(receipt.contract_address, 1, BLOCKS):
            chain.submit([raw])
        assert chain.head().height == 1 + BLOCKS
        network.start("regulator")
        eventually(lambda: network["regulator"].chain.head().height == chain.head().height, seconds=120)
        network.wait_equal()
        network["regulator"].chain.verify()
    finally:
        network.stop()
