"""A validator whose key signs in two places at once: CometBFT proves it, and every member can read the proof."""

from __future__ import annotations

import shutil

from networks import Network, eventually, require_cometbft
from probe import ALICE, deployment, stores

from gridbourse.chain.cometbft.folder import NodeFolder
from gridbourse.errors import ChainError

DOUBLE_VOTE = 1


def test_who_signs_two_blocks_of_one_height_is_recorded_on_every_node(tmp_path):
    require_cometbft()
    network = Network(tmp_path, observers=("twin",))
    original, twin = (NodeFolder(tmp_path / name) for name in ("industry", "twin"))
    shutil.copy(original.validator_key, twin.validator_key)
    network.start()
    try:
        chain = network["hydro"].chain
        [receipt] = chain.submit([deployment()])
        network.start("twin")

        def proven() -> bool:
            for name in ("industry", "twin"):
                sender = network[name].chain
                try:
                    sender.submit(stores(receipt.contract_address, sender.next_nonce(ALICE.address), 1))
                except ChainError:
                    continue  # what one twin proposes displaces what the other does
            return any(chain.misbehaviours())

        eventually(proven, seconds=120)
        network.wait_equal("hydro", "grid", "retailer")
        reports = [list(network[name].chain.misbehaviours()) for name in ("hydro", "grid", "retailer")]
        assert reports[0] == reports[1] == reports[2]
        _, found = reports[0][0]
        assert (found.kind, found.validator) == (DOUBLE_VOTE, original.public_keys().address)
    finally:
        network.stop()
