from types import SimpleNamespace

import pytest

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.contracts.consortium import Consortium, RegulatorKeys
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.slave_anchors import SlaveAnchors
from gridbourse.contracts.slave_ledger import SlaveLedger
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.market.types import Role, Settings

NOON = 1_700_006_400
SETTINGS = Settings(cooling_off_seconds=300, floor_ticks=0, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64)


@pytest.fixture
def chain(tmp_path):
    sealer = SigningKey(b"\x0f" * 32)
    with EmbeddedChain(tmp_path / "main.chain", Genesis(1, sealer.address), sealer, clock=lambda: NOON) as chain:
        yield chain


@pytest.fixture
def scene(chain):
    """All contracts, a wallet for each of three masters (1 source, 2 grid, 3 user) and one of a stranger."""
    keys = [SigningKey(bytes([number]) * 32) for number in (1, 2, 3, 4)]
    source, grid, user, stranger = (Wallet(chain, key) for key in keys)
    founders = {source.address: Role.SOURCE, grid.address: Role.GRID, user.address: Role.USER}
    regulator = RegulatorKeys(SigningKey(b"\x05" * 32).address, b"\x06" * 32)
    consortium = source.send(Consortium.creation(founders, regulator, SETTINGS)).contract_address
    return SimpleNamespace(
        chain=chain,
        source=source,
        grid=grid,
        user=user,
        stranger=stranger,
        regulator=regulator,
        consortium=Consortium(chain, consortium),
        market=EnergyMarket(chain, source.deploy("EnergyMarket", consortium)),
        anchors=SlaveAnchors(chain, source.deploy("SlaveAnchors", consortium)),
        ledger=SlaveLedger(chain, source.deploy("SlaveLedger", source.address)),
    )
