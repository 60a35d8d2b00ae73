"""The main chain as every member sees it: one chain and four contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gridbourse.chain.interface import Chain
from gridbourse.contracts.balancing import Balancing
from gridbourse.contracts.consortium import Consortium, RegulatorKeys
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.slave_anchors import SlaveAnchors
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import Address
from gridbourse.errors import ChainError
from gridbourse.market.types import Role, Settings


@dataclass(frozen=True, slots=True)
class MainChain:
    """The consortium chain of a region."""

    chain: Chain
    consortium: Consortium
    market: EnergyMarket
    anchors: SlaveAnchors
    balancing: Balancing

    @classmethod
    def create(
        cls,
        chain: Chain,
        deployer: Wallet,
        founders: Mapping[Address, Role],
        regulator: RegulatorKeys,
        settings: Settings,
    ) -> Self:
        """Set up the contracts; on a new chain of the region's own they are its first four blocks.

        Parameters
        ----------
        chain
            The chain.
        deployer
            Whose transactions create the contracts; it gets no rights by that.
        founders
            The first masters, numbered from 1 in this order.
        regulator
            The government's keys.
        settings
            The first market settings.
        """
        creation = deployer.send(Consortium.creation(founders, regulator, settings))
        consortium = creation.contract_address
        assert consortium is not None, "a successful creation has an address"
        market = deployer.deploy(EnergyMarket.NAME, consortium)
        anchors = deployer.deploy(SlaveAnchors.NAME, consortium)
        return cls.at(chain, consortium, market, anchors, deployer.deploy(Balancing.NAME, consortium))

    @classmethod
    def open(cls, chain: Chain) -> Self:
        """Find the contracts that the chain's first four blocks created: it is the region's own.

        Raises
        ------
        ChainError
            They create none, or not yet.
        """
        if chain.head().height < 4:
            raise ChainError(f"chain {chain.chain_id} has no contracts yet: `gridbourse region found` deploys them")
        return cls.at(chain, *(_created(chain, height) for height in (1, 2, 3, 4)))

    @classmethod
    def at(cls, chain: Chain, consortium: Address, market: Address, anchors: Address, balancing: Address) -> Self:
        """Take the contracts at given addresses, on whatever chain they are."""
        return cls(
            chain,
            Consortium(chain, consortium),
            EnergyMarket(chain, market),
            SlaveAnchors(chain, anchors),
            Balancing(chain, balancing),
        )

    @property
    def contracts(self) -> tuple[Address, ...]:
        """Addresses of consortium, market, anchors and balancing."""
        return self.consortium.address, self.market.address, self.anchors.address, self.balancing.address


def _created(chain: Chain, height: int) -> Address:
    address = chain.block(height).receipts[0].contract_address
    if address is None:
        raise ChainError(f"block {height} of chain {chain.chain_id} creates no contract: no main chain of a region")
    return address
