"""The parts of a region, made from what lies in its folder and put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from gridbourse.chain.interface import Chain
from gridbourse.chain.local import system_clock
from gridbourse.contracts.main_chain import MainChain
from gridbourse.crypto.suite import suite_named
from gridbourse.delivery import DeliveryCalendar
from gridbourse.index.database import Database
from gridbourse.index.index import Index
from gridbourse.ledger.encryption_node import EncryptionNode
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.merkle_log import Slave
from gridbourse.market.types import Role
from gridbourse.node.folder.chains import ChainSet
from gridbourse.node.folder.key_rotation import REGULATOR, RegionKeys, enter_on_main_chain
from gridbourse.node.folder.setup import found, make_keys, set_up_slave
from gridbourse.node.master import Master, Membership
from gridbourse.region.description import Engine, MasterSpec, RegionSpec
from gridbourse.region.description_file import read_region, write_region
from gridbourse.regulator.audit import Regulator
from gridbourse.regulator.shelf import Shelf


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
        main = self.main()
        enter_on_main_chain(self.keys, self.spec, main)
        masters = {
            spec.name: self._master(master_id, spec, main)
            for master_id, spec in enumerate(self.spec.masters, start=1)
            if self.keys.masters.holds(spec.name)
        }
        return main, masters, self._regulator(main, masters)

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
        return Regulator(keys, main, slaves, names, calendar, Shelf(self.folder))

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
