"""The chains of a region's folder: which engine runs each, and where it is kept."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from gridbourse.chain.block import BLOCK_GAS_LIMIT, Genesis
from gridbourse.chain.clock import WatchedClock
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.interface import Chain
from gridbourse.chain.local import PUT_BACK
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import ChainCorrupted, ChainError, InvalidValue
from gridbourse.ledger.records import BlockSettings
from gridbourse.region.description import Engine, RegionSpec

if TYPE_CHECKING:
    from gridbourse.chain.ethereum import EthereumChain

MAIN = "main"
MAIN_PATIENCE_SECONDS = 30.0
FOREIGN_PATIENCE_SECONDS = 5.0
"""How long a node is tried before it counts as away."""

logger = logging.getLogger(__name__)

Observe = Callable[[str, Chain], Chain]
"""Puts something between the nodes and a chain of the given name, to look on."""


def watch_nothing(_: str, chain: Chain) -> Chain:
    """Put nothing between."""
    return chain


def token_file(folder: Path, chain: str) -> Path:
    """Where the token to read a chain lies: what its server asks for, and what its readers show."""
    return folder / "keys" / "tokens" / chain


def nodes_of(master: str) -> str:
    """Under this name lies the token with which a master's function nodes write to its slave chain."""
    return f"{master}.nodes"


def make_token(folder: Path, chain: str) -> None:
    """Make the token that a chain's server asks for."""
    path = token_file(folder, chain)
    path.parent.mkdir(parents=True, exist_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(secrets.token_urlsafe(32) + "\n")


def read_token(folder: Path, chain: str) -> str:
    """Read a chain's token.

    Raises
    ------
    InvalidValue
        There is none.
    """
    path = token_file(folder, chain)
    token = path.read_text("utf-8").strip() if path.exists() else ""
    if not token:
        raise InvalidValue("token file", str(path), "the token that the chain's server asks for")
    return token


def reach_main_chain(spec: RegionSpec) -> EthereumChain:
    """The main chain of a region in which others order it, as its description says."""
    main = spec.main_chain
    return _ethereum_engine()(
        main.url,
        chain_id=spec.chain_id,
        confirmations=main.confirmations,
        charges_gas=main.charges_gas,
        patience_seconds=MAIN_PATIENCE_SECONDS,
        final_within_seconds=main.final_within_seconds,
    )


class ChainSet:
    """Opens each chain of a folder once, and closes what it opened.

    Parameters
    ----------
    folder
        The region's folder.
    spec
        Who takes part.
    clock
        Source of block times.
    observe
        Looks on at every chain.
    chains
        Chains that the caller has open already, by name; they stay the caller's to close.
    """

    def __init__(
        self,
        folder: Path,
        spec: RegionSpec,
        clock: Callable[[], int],
        observe: Observe = watch_nothing,
        chains: Mapping[str, Chain] = MappingProxyType({}),
    ) -> None:
        self._folder = folder
        self._spec = spec
        self._clock = clock
        self._observe = observe
        self._opened: list[Chain] = []
        self._files: dict[str, EmbeddedChain] = {}
        self._chains = {name: observe(name, chain) for name, chain in chains.items()}

    def require_main(self) -> None:
        """Refuse a folder whose main chain is neither open nor elsewhere nor kept here."""
        if MAIN not in self._chains and self._spec.main_chain.engine is Engine.EMBEDDED:
            self._require(MAIN)

    def require_slave(self, name: str) -> None:
        """Refuse a folder that has lost a master's slave chain."""
        self._require(name)

    def holds(self, name: str) -> bool:
        """Whether the folder has a file of a chain that is begun."""
        path = self._path(name)
        return path.exists() and path.stat().st_size > 0

    def main(self, sealer: SigningKey | None = None) -> Chain:
        """The main chain; `sealer` is the key of the master that operates it, who alone can open it from its file."""
        if MAIN in self._chains:
            return self._chains[MAIN]
        if self._spec.main_chain.engine is Engine.ETHEREUM:
            return self._keep(MAIN, reach_main_chain(self._spec))
        if sealer is None:
            raise InvalidValue("folder", str(self._folder), "one with the keys of the master that seals its main.chain")
        return self._embedded(MAIN, self._spec.chain_id, sealer)

    def slave(self, master_id: int, sealer: SigningKey) -> Chain:
        """The slave chain of a master."""
        if self._spec.single_chain:
            return self._chains[MAIN]
        name = self._spec.masters[master_id - 1].name
        return self._chains.get(name) or self._embedded(name, self._spec.chain_id + master_id, sealer)

    def set_blocks(self, name: str, settings: BlockSettings) -> None:
        """Make the blocks of a slave chain of this folder another way from now on."""
        chain = self._files.get(name)
        if chain is not None:
            chain.set_blocks(settings.interval_ms / 1_000 or None, settings.gas_limit)

    def foreign_slave(self, name: str) -> Chain | None:
        """The slave chain of a master who lets the holder of this folder read it; None if it does not, or is away."""
        master = next(master for master in self._spec.masters if master.name == name)
        url = master.slave_chain_url
        if name in self._chains or not url:
            return self._chains.get(name)
        try:
            engine = _ethereum_engine()(
                url,
                confirmations=master.slave_chain_confirmations,
                token=read_token(self._folder, name),
                patience_seconds=FOREIGN_PATIENCE_SECONDS,
            )
            return self._keep(name, engine)
        except ChainError:
            logger.warning("slave chain %s at %s does not answer", name, url)
            return None

    def close(self) -> None:
        """Close every chain that was opened here."""
        for file in self._files.values():
            with suppress(ChainError, OSError):  # one that failed is closed with what it holds
                file.keep_heads()
        for chain in self._opened:
            try:
                chain.close()
            except (ChainError, OSError) as error:  # what came before says more; what was acknowledged is in its file
                logger.warning("a chain was not closed cleanly: %s", error)

    @property
    def files(self) -> Mapping[str, EmbeddedChain]:
        """The chains of this folder that were opened here, by name."""
        return MappingProxyType(self._files)

    def _embedded(self, name: str, chain_id: int, sealer: SigningKey) -> Chain:
        genesis = Genesis(chain_id, sealer.address, gas_limit=BLOCK_GAS_LIMIT)
        try:
            opened = EmbeddedChain(self._path(name), genesis, sealer, clock=self._clock)
        except InvalidValue as error:
            if error.field != "genesis":
                raise
            finding = f"the file is that of another chain, or the key in keys/ is another ({error.remedy}); {PUT_BACK}"
            raise ChainCorrupted(self._path(name), "genesis", finding) from error
        if isinstance(self._clock, WatchedClock):
            self._clock.learn(opened.head().timestamp)
        kept, others = self._keep(name, opened), list(self._files.values())
        self._files[name] = opened
        for other in others:
            opened.watch_over(other)
            other.watch_over(opened)
        return kept

    def _keep(self, name: str, engine: Chain) -> Chain:
        self._opened.append(engine)
        self._chains[name] = self._observe(name, engine)
        return self._chains[name]

    def _require(self, name: str) -> None:
        if not self.holds(name):
            remedy = f"a folder in which {name}.chain is not missing or empty: {PUT_BACK}"
            raise InvalidValue("folder", str(self._folder), remedy)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.chain"


def _ethereum_engine() -> type[EthereumChain]:
    from gridbourse.chain.ethereum import EthereumChain  # noqa: PLC0415 - half a second, for those who ask a node

    return EthereumChain
