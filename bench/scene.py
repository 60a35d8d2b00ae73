"""The market that the benchmarks trade on: masters, traders with deposits and quotas, and random orders."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import islice
from pathlib import Path
from random import Random

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.local import system_clock
from gridbourse.contracts.consortium import RegulatorKeys
from gridbourse.contracts.energy_market import EnergyMarket
from gridbourse.contracts.main_chain import MainChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.market.types import EnergyType, OrderRequest, Role, Settings, Side
from gridbourse.node.folder.chains import BLOCK_GAS_LIMIT
from gridbourse.units import PERIOD_SECONDS, money_units

CHAIN_ID = 131_277_322_940_537
"""The one of eth-tester, which cannot be changed: so all engines run the very same transactions."""

PERIODS = 16
SETTINGS = Settings(
    cooling_off_seconds=3_600, floor_ticks=0, cap_ticks=65_535, gate_lead_seconds=3_600, max_candidates=64
)

_SEED = 20_210_101
_LOWEST_TICKS, _HIGHEST_TICKS = 3_000, 4_999
_LARGEST_WH = 100_000
_DEPOSIT = money_units(100_000_000)
_QUOTA_WH = 2**47


class Kind(StrEnum):
    """What becomes of the orders."""

    RESTING = "resting"
    """Asks that find no counterpart."""
    MATCHING = "matching"
    """Asks, each followed by a bid that takes exactly it: a deal for two orders."""


class Scene:
    """A market with two traders below each master: one sells, one buys.

    Parameters
    ----------
    path
        File of a new chain, on which the market is set up.
    masters
        How many masters; the first one seals the blocks.
    """

    def __init__(self, path: Path, *, masters: int) -> None:
        keys = [SigningKey((number + 1).to_bytes(32, "big")) for number in range(masters)]
        self.genesis = Genesis(CHAIN_ID, keys[0].address, gas_limit=BLOCK_GAS_LIMIT)
        self.sealer = keys[0]
        self.chain = EmbeddedChain(path, self.genesis, self.sealer)
        regulator = RegulatorKeys(SigningKey((masters + 1).to_bytes(32, "big")).address, bytes(31) + b"\x09")
        founders = {key.address: Role.GRID for key in keys}
        self.wallets = [Wallet(self.chain, key) for key in keys]
        self.main = MainChain.create(self.chain, self.wallets[0], founders, regulator, SETTINGS)
        self.periods = range(first := system_clock() // PERIOD_SECONDS + 96, first + PERIODS)
        self._random = Random(_SEED)
        self._open_accounts()

    @property
    def market(self) -> EnergyMarket:
        """The market's contract."""
        return self.main.market

    def sign_each(self, kind: Kind, count: int, masters: Sequence[int] = ()) -> list[bytes]:
        """Sign one transaction per order; these masters take turns, or all."""
        streams = {master: self._orders(kind, master) for master in masters or range(len(self.wallets))}
        takers = list(streams)
        raw_transactions = []
        for turn in range(count):
            master = takers[turn // 2 % len(takers)]
            call = self.market.place_order(next(streams[master]), self._random.randbytes(32))
            raw_transactions += self.wallets[master].sign([call])
        return raw_transactions

    def sign_together(self, kind: Kind, count: int, per_transaction: int) -> list[bytes]:
        """Sign transactions of `per_transaction` orders each; the masters take turns."""
        streams = [self._orders(kind, master) for master in range(len(self.wallets))]
        raw_transactions = []
        for turn in range(count // per_transaction):
            master = turn % len(streams)
            orders = list(islice(streams[master], per_transaction))
            call = self.market.place_orders(orders, [self._random.randbytes(32) for _ in orders])
            raw_transactions += self.wallets[master].sign([call])
        return raw_transactions

    def _open_accounts(self) -> None:
        for master, wallet in enumerate(self.wallets):
            traders = [_seller(master), _buyer(master)]
            calls = [self.market.register_traders([number.to_bytes(32, "big") for number in traders])]
            calls.append(self.market.set_quotas({(_seller(master), period): _QUOTA_WH for period in self.periods}))
            wallet.send_many(calls)
        deposits = {_buyer(master): _DEPOSIT for master in range(len(self.wallets))}
        self.wallets[0].send(self.market.deposit(deposits, bytes(32)))

    def _orders(self, kind: Kind, master: int) -> Iterator[OrderRequest]:
        while True:
            period, energy_wh = self._random.choice(self.periods), self._random.randint(1, _LARGEST_WH)
            ticks = self._random.randint(_LOWEST_TICKS, _HIGHEST_TICKS)
            yield OrderRequest(_seller(master), Side.ASK, EnergyType.PV, period, ticks, energy_wh)
            if kind is Kind.MATCHING:
                yield OrderRequest(_buyer(master), Side.BID, EnergyType.any(), period, ticks, energy_wh)


def _seller(master: int) -> int:
    return 2 * master + 1


def _buyer(master: int) -> int:
    return 2 * master + 2
