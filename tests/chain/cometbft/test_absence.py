"""A validator that was absent for a thousand blocks fetches and runs them by itself, and votes again."""

from __future__ import annotations

import pytest
from networks import Network, eventually, require_cometbft
from probe import ALICE, deployment, stores

BLOCKS = 1_000


@pytest.mark.nightly
def test_a_node_that_was_absent_for_a_thousand_blocks_catches_up(tmp_path):
    require_cometbft()
    network = Network(tmp_path)
    network.start()
    try:
        chain = network["hydro"].chain
        [receipt] = chain.submit([deployment()])
        network.wait_equal()
        network.stop("industry")
        before = chain.ordered_height
        for raw in stores(
            receipt.contract_address, 1, BLOCKS // 2
        ):  # each block with content is followed by one without
            chain.submit([raw])
        assert chain.ordered_height - before >= BLOCKS
        network.start("industry")
        eventually(lambda: network["industry"].chain.head().height == chain.head().height, seconds=120)
        network["industry"].chain.submit(stores(receipt.contract_address, chain.next_nonce(ALICE.address), 1))
        network.wait_equal()
    finally:
        network.stop()
