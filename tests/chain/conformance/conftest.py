from __future__ import annotations

from collections.abc import Iterator
from secrets import token_bytes

import pytest
from probe import BYTECODE, CHAIN_ID

from engines import NETWORKS, Network
from gridbourse.chain.interface import Chain
from gridbourse.chain.transaction import Transaction
from gridbourse.crypto.keys import Address, SigningKey


@pytest.fixture(scope="session", params=NETWORKS)
def network(request, tmp_path_factory) -> Iterator[Network]:
    """A network for the whole suite: each test brings keys and contracts of its own."""
    with NETWORKS[request.param](tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture
def chain(network) -> Chain:
    return network.chain


class Sender:
    """A fresh key that signs for a chain, nonce after nonce."""

    def __init__(self, chain: Chain) -> None:
        self.key = SigningKey(token_bytes(32))
        self.address = self.key.address
        self.nonce = 0
        self._chain = chain

    def sign(self, to: Address | None, data: bytes = b"", *, gas_limit: int = 300_000) -> bytes:
        fees = self._chain.fees()
        transaction = Transaction(CHAIN_ID, self.nonce, gas_limit, to, data, 0, fees.max_fee_per_gas)
        self.nonce += 1
        return transaction.sign(self.key).raw


@pytest.fixture
def alice(chain) -> Sender:
    return Sender(chain)


@pytest.fixture
def bob(chain) -> Sender:
    return Sender(chain)


@pytest.fixture
def probe(chain, alice) -> Address:
    [receipt] = chain.submit([alice.sign(None, BYTECODE, gas_limit=1_000_000)])
    return receipt.contract_address
