"""The main chain as every member sees it: one chain and three contracts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from gridbourse.chain.interface import Chain
from gridbourse.contracts.consortium import Consortium
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.slave_anchors import SlaveAnchors
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import Address, SigningKey
from gridbourse.market.types import Role, Settings


@dataclass(frozen=True, slots=True)
class MainChain:
    """The consortium chain of a region."""

    chain: Chain
    consortium: Consortium
    market: EnergyMarket
    anchors: SlaveAnchors

    @classmethod
    def create(
        cls,
        chain: Chain,
        deployer: SigningKey,
        founders: Mapping[Address, Role],
        regulator: Address,
        settings: Settings,
    ) -> Self:
        """Set up the contracts on a new chain.

        Parameters
        ----------
        chain
            The chain.
        deployer
            Whose transactions create the contracts; it gets no rights by that.
        founders
            The first masters, numbered from 1 in this order.
        regulator
            The government's address.
        settings
            The first market settings.
        """
        wallet = Wallet(chain, deployer)
        creation = wallet.send(Consortium.creation(founders, regulator, settings))
        assert creation.contract_address is not None, "a successful creation has an address"
        consortium = creation.contract_address
        return cls(
            chain,
            Consortium(chain, consortium),
            EnergyMarket(chain, wallet.deploy(EnergyMarket.NAME, consortium)),
            SlaveAnchors(chain, wallet.deploy(SlaveAnchors.NAME, consortium)),
        )
