from __future__ import annotations

import pytest
from ordering_peer import Peer


@pytest.fixture
def peer(tmp_path):
    made = Peer(tmp_path / "peer.sqlite")
    yield made
    made.chain.close()
