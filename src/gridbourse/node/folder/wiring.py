"""The parts of a region, made from what lies in its folder and put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from gridbourse.chain.clock import system_clock
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.interface import Chain
from gridbourse.chain.local import PUT_BACK
from gridbourse.contracts.main_chain import MainChain
from gridbourse.crypto.suite import suite_named
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import ChainCorrupted
from gridbourse.index.database import Database
from gridbourse.index.index import Index
from gridbourse.ledger.encryption_node import EncryptionNode
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.market.types import Role
from gridbourse.node.folder.chains import MAIN, ChainSet
from gridbourse.node.folder.key_rotation import REGULATOR, RegionKeys, enter_on_main_chain
from gridbourse.node.folder.setup import found, make_keys, set_up_slave
from gridbourse.node.master import Master, Membership
from gridbourse.region.description import Engine, MasterSpec, RegionSpec
from gridbourse.region.description_file import read_region, write_region
from gridbourse.region.rules import load_rules
from gridbourse.regulator.audit import Regulator
from gridbourse.rules.rule_set import RuleHistory


@contextmanager
def open_main_chain(folder: Path) -> Iterator[tuple[MainChain, RegionSpec, RegionKeys]]:
    """Open no more of a region's folder than its main chain: beside whoever runs the rest, if a node is asked for it.

    Raises
    ------
    InvalidValue, ChainError
        As `gridbourse.node.region.Region.open`.
    """
    spec = read_region(folder / "region.toml")
    engines = ChainSet(folder, spec, system_clock)
    try:
        engines.require_main()
        parts = Wiring(folder, spec, engines)
        yield parts.main(), spec, parts.keys
    finally:
        engines.close()


@contextmanager
def chain_files(folder: Path) -> Iterator[Mapping[str, EmbeddedChain]]:
    """Open the chains whose files lie in a region's folder, and nothing else, by name.

    Raises
    ------
    ChainLocked, ChainCorrupted
        A node runs the region, or a file is not what was written.
    InvalidValue
        The folder holds no region, or lacks a key of a master whose chain lies there.
    """
    spec = read_region(folder / "region.toml")
    engines = ChainSet(folder, spec, system_clock)
    try:
        Wiring(folder, spec, engines).open_files()
        yield engines.files
    finally:
        engines.close()


def missing_files(folder: Path) -> Mapping[str, str]:
    """By the name of each chain that is kept in a region's folder and has no file there: what to do.

    Raises
    ------
    InvalidValue
        The folder holds no region.
    """
    spec = read_region(folder / "region.toml")
    engines = ChainSet(folder, spec, system_clock)
    names = [MAIN] if spec.main_chain.engine is Engine.EMBEDDED else []
    names += [name for _, name in Wiring(folder, spec, engines).own_slaves()]
    told = f"is missing or empty. If the region was ever opened with it: {PUT_BACK}"
    return {name: f"{folder / name}.chain {told}" for name in names if not engines.holds(name)}


class Wiring:
    """Makes the parts of a region.

    Parameters
    ----------
    folder
        Where its keys lie.
    spec
        Who takes part.
    engines
        Its chains.
    """

    def __init__(self, folder: Path, spec: RegionSpec, engines: ChainSet) -> None:
        self.folder = folder
        self.spec = spec
        self.keys = RegionKeys(folder)
        self.engines = engines
        self._operator = next(master.name for master in spec.masters if master.role is Role.GRID)

    @cached_property
    def rules(self) -> RuleHistory:
        """The sets of market rules that settle its days. Raises `InvalidValue` if one is not there, or another."""
        return load_rules(self.spec.rules, self.folder)

    def found(self) -> None:
        """Make everybody's keys, and the consortium's contracts on the main chain; their addresses are written down."""
        handed_in = make_keys(self.keys, self.spec.masters, suite_named(self.spec.suite), regulator=True)
        main = found(self._main_engine(), self.spec, handed_in)
        if self.spec.main_chain.engine is not Engine.EMBEDDED:
            self.spec = replace(self.spec, main_chain=replace(self.spec.main_chain, contracts=main.contracts))
            write_region(self.spec, self.folder / "region.toml")

    def main(self) -> MainChain:
        """Open the main chain, and find its contracts."""
        given = self.spec.main_chain.contracts
        return MainChain.at(self._main_engine(), *given) if given else MainChain.open(self._main_engine())

    def index(self, database: Database) -> Index:
        """The index of the main chain, and of the slave chains of the masters of this folder."""
        names = {master_id: master.name for master_id, master in enumerate(self.spec.masters, start=1)}
        kept = [name for name in names.values() if self.keys.masters.holds(name)]
        return Index(database, self.spec.name, names, kept, DeliveryCalendar(self.spec.time_zone))

    def assemble(self) -> tuple[MainChain, dict[str, Master], Regulator | None]:
        """Open all chains that are not open yet, and put the nodes on them with their newest keys."""
        self.open_files()
        main = self.main()
        self._require_anchored(main)
        enter_on_main_chain(self.keys, self.spec, main)
        masters = {
            spec.name: self._master(master_id, spec, main)
            for master_id, spec in enumerate(self.spec.masters, start=1)
            if self.keys.masters.holds(spec.name)
        }
        return main, masters, self._regulator(main, masters)

    def open_files(self) -> None:
        """Open every chain that lies in the folder; that compares them with each other, before anything is written."""
        if self.engines.holds(MAIN):
            self._main_engine()
        for master_id, name in self.own_slaves():
            if self.engines.holds(name):
                self.engines.slave(master_id, self.keys.masters.load_master(name).sealer)

    def _require_anchored(self, main: MainChain) -> None:
        """Refuse a slave chain of this folder that has lost blocks which the main chain holds an anchor of."""
        for master_id, name in self.own_slaves():
            anchor, chain = main.anchors.last_anchor(master_id), self.engines.files.get(name)
            if anchor is None or chain is None or anchor.last_block <= chain.head().height:
                continue
            raise ChainCorrupted(
                chain.path,
                f"blocks {chain.head().height + 1} to {anchor.last_block}",
                f"the main chain holds an anchor of them and of {anchor.leaf_count} records in all, but the file ends "
                f"before: it was lost, shortened or replaced; {PUT_BACK}",
            )

    def own_slaves(self) -> list[tuple[int, str]]:
        """Number and name of every master whose keys lie in the folder."""
        if self.spec.single_chain:
            return []
        numbered = enumerate(self.spec.masters, start=1)
        return [(master_id, spec.name) for master_id, spec in numbered if self.keys.masters.holds(spec.name)]

    def _master(self, master_id: int, spec: MasterSpec, main: MainChain) -> Master:
        keys = self.keys.masters.load_master(spec.name)
        node_keys = {node: self.keys.nodes.load_node(node.node_id) for node in spec.nodes}
        registered = main.consortium.slave_chain(master_id)
        if registered is not None and not self.spec.single_chain:
            self.engines.require_slave(spec.name)
        chain = self.engines.slave(master_id, keys.sealer)
        slave = Slave(chain, (registered or set_up_slave(main, chain, keys, node_keys)).ledger)
        encryption_node = EncryptionNode(slave.ledger, main.balancing, keys.node, main.consortium.regulator())
        nodes = [FunctionNode(node, own, slave, encryption_node.readers) for node, own in node_keys.items()]
        return Master(Membership(spec.name, spec.role, master_id), keys, main, slave, encryption_node, nodes)

    def _regulator(self, main: MainChain, masters: Mapping[str, Master]) -> Regulator | None:
        if not self.keys.regulator.holds(REGULATOR):
            return None
        names = {master_id: master.name for master_id, master in enumerate(self.spec.masters, start=1)}
        readable = {master_id: self.slave(main, name, masters) for master_id, name in names.items()}
        slaves = {master_id: slave for master_id, slave in readable.items() if slave is not None}
        keys, calendar = self.keys.regulator.load_node(REGULATOR), DeliveryCalendar(self.spec.time_zone)
        return Regulator(keys, main, slaves, names, calendar, self.rules)

    def slave(self, main: MainChain, name: str, masters: Mapping[str, Master]) -> Slave | None:
        """The slave chain of a master of this folder, or of one that lets it read; None of any other."""
        if name in masters:
            return masters[name].slave
        master_id = next(number for number, spec in enumerate(self.spec.masters, start=1) if spec.name == name)
        registered, chain = main.consortium.slave_chain(master_id), self.engines.foreign_slave(name)
        return Slave(chain, registered.ledger) if registered is not None and chain is not None else None

    def _main_engine(self) -> Chain:
        """The main chain; if it is kept in a file, the first master of role grid seals it."""
        operates = self.keys.masters.holds(self._operator)
        return self.engines.main(self.keys.masters.load_master(self._operator).sealer if operates else None)
