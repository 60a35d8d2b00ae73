"""The region: one main chain, one slave chain per master, and the nodes that act on them.

This is the composition root. It makes every part and hands it what it needs; nothing below it knows where a
chain is kept, which engine runs it, or who else takes part. On disk a region is a folder::

    region.toml    who takes part (gridbourse.network.description)
    keys/          one file of private keys for each node
    main.chain     the main chain
    NAME.chain     the slave chain of master NAME
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain
from gridbourse.chain.interface import Chain
from gridbourse.chain.local import system_clock
from gridbourse.contracts.consortium import RegulatorKeys, SlaveChain
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.market.types import Offer, OrderId, Role
from gridbourse.network.description import MasterSpec, RegionSpec, read_region, write_region
from gridbourse.network.encryption_node import EncryptionNode
from gridbourse.network.function_node import FunctionNode
from gridbourse.network.keys import MasterKeys, NodeKeys
from gridbourse.network.main_chain import MainChain
from gridbourse.network.master import Master, Membership
from gridbourse.network.records import NodeRevoked
from gridbourse.network.regulator import Regulator
from gridbourse.network.rotation import REGULATOR, RegionKeys, enter_on_main_chain, enter_on_slave_chains, registration
from gridbourse.network.slave import Slave
from gridbourse.network.uplink import Question, UpLink

BLOCK_GAS_LIMIT = 30_000_000_000

Observe = Callable[[str, Chain], Chain]
"""Puts something between the nodes and a chain of the given name, to look on."""


class Region:
    """A running region.

    Parameters
    ----------
    builder
        Makes its parts, and makes them anew when keys have changed.
    """

    def __init__(self, builder: _Builder) -> None:
        self._builder = builder
        self.spec = builder.spec
        self._clock = builder.clock
        self._assemble()

    @classmethod
    def create(
        cls,
        folder: Path,
        spec: RegionSpec,
        *,
        clock: Callable[[], int] = system_clock,
        observe: Observe = lambda _, chain: chain,
    ) -> Self:
        """Make a new region of embedded chains, and open it.

        The region is set up beside its place and moved there when it is complete, so that a folder never holds
        half a region.

        Parameters
        ----------
        folder
            Where the region goes; must not exist, or be empty.
        spec
            Who takes part.
        clock
            Source of block times.
        observe
            Looks on at every chain.

        Raises
        ------
        InvalidValue
            The folder is not empty.
        """
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise InvalidValue("folder", str(folder), "a new or empty folder")
        draft = folder.with_name(f"{folder.name}.draft-{os.getpid()}")
        draft.mkdir(parents=True)
        try:
            write_region(spec, draft / "region.toml")
            _Builder(draft, spec, clock).set_up()
            draft.rename(folder)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        return cls.open(folder, clock=clock, observe=observe)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], int] = system_clock,
        observe: Observe = lambda _, chain: chain,
    ) -> Self:
        """Open a region from disk, with everything it had.

        Raises
        ------
        InvalidValue
            The folder holds no region, or a key file or a chain is missing.
        ChainCorrupted, ChainLocked
            A chain is not what was sealed, or is open in another process.
        """
        if not (folder / "region.toml").exists():
            raise InvalidValue("folder", str(folder), "a folder that `gridbourse region init` made")
        spec = read_region(folder / "region.toml")
        for name in ("main", *(master.name for master in spec.masters if not spec.single_chain)):
            if not (folder / f"{name}.chain").exists():
                raise InvalidValue("folder", str(folder), f"a folder in which {name}.chain is not missing")
        builder = _Builder(folder, spec, clock, observe)
        try:
            return cls(builder)
        except BaseException:
            builder.close()
            raise

    def master_of(self, node_id: str) -> Master:
        """Find the master of a function node.

        Raises
        ------
        InvalidValue
            Nobody has such a node.
        """
        master = self._master_of.get(node_id)
        if master is None:
            raise InvalidValue("node_id", node_id, "the name of a function node of this region")
        return master

    def open_day(self, day: int) -> None:
        """Name every function node on the main chain for a delivery day."""
        for uplink in self.uplinks.values():
            uplink.open_day(day)

    def deposit(self, moneys: Mapping[str, int], day: int, payment_reference: bytes = bytes(32)) -> None:
        """Credit nodes' deposits, in 1e-7 yuan, against payments that the settlement agent received."""
        traders = {self.master_of(node_id).trader(node_id, day): money for node_id, money in moneys.items()}
        self.masters[self._settlement_agent()].deposit(traders, payment_reference)

    def offer(self, offers: Sequence[tuple[str, Offer]], *, energy_quota_wh: int | None = None) -> list[OrderId | None]:
        """Let nodes sign offers and write them to their slave chains, then take them up to the main chain.

        Orders of one slave chain keep their sequence; those of different ones arrive master by master.

        Parameters
        ----------
        offers
            Nodes' names and what each wants.
        energy_quota_wh
            What each seller may sell in its period; just the offer by default.

        Returns
        -------
        list of OrderId or None
            The orders' ids in the sequence of `offers`; None for one that the market refused.
        """
        turns_by_master: dict[str, list[int]] = {}
        for turn, (node_id, _) in enumerate(offers):
            turns_by_master.setdefault(self.master_of(node_id).membership.name, []).append(turn)
        order_ids: dict[int, OrderId | None] = {}
        for name, turns in turns_by_master.items():
            master, uplink = self.masters[name], self.uplinks[name]
            with _signing(master):
                signed = [
                    master.nodes[node_id].offer(offer, energy_quota_wh=energy_quota_wh)
                    for node_id, offer in (offers[turn] for turn in turns)
                ]
                leaves = master.slave.submit_records(signed)
            uplink.take_up()
            order_ids.update((turn, uplink.order_of(leaf)) for turn, leaf in zip(turns, leaves, strict=True))
        return [order_ids[turn] for turn in range(len(offers))]

    def report(self, node_id: str, title: str, body: str) -> None:
        """Let a node sign a report, `body` being JSON, and write it to its slave chain."""
        master = self.master_of(node_id)
        with _signing(master):
            master.slave.submit_records([master.nodes[node_id].report(title, body)])

    def bring_down(self) -> list[Question]:
        """Bring the market's news to every slave chain; returns the deals that wait for an answer."""
        return [question for uplink in self.uplinks.values() for question in uplink.bring_down()]

    def answer(self, questions: Sequence[Question], *, confirmed: bool) -> None:
        """Let nodes sign their answers, and take them up to the main chain."""
        for name, master in self.masters.items():
            own = [question for question in questions if question.node.spec.node_id in master.nodes]
            if own:
                with _signing(master):
                    master.slave.submit_records(
                        [question.node.decide(question.deal_id, question.side, confirmed=confirmed) for question in own]
                    )
            self.uplinks[name].take_up()

    def settle(self) -> None:
        """End the deals that nobody answered in time, settle the confirmed ones, and tell the slave chains."""
        agent = self.uplinks[self._settlement_agent()]
        agent.expire(self._clock())
        agent.settle()
        self.bring_down()

    def anchor(self) -> None:
        """Anchor every slave chain's new blocks on the main chain."""
        for uplink in self.uplinks.values():
            uplink.anchor()

    def rotate_keys(self, name: str) -> None:
        """Give somebody new keys; what was sealed to the old ones still opens.

        All nodes are made anew: who holds on to a master or a node takes it from the region again.

        Parameters
        ----------
        name
            A function node (both its keys), a master (its signing key), a master's name and ``/encryption`` (its
            encryption node's key), or ``regulator`` (both, by the votes of the masters).

        Raises
        ------
        InvalidValue
            Nobody has this name.
        """
        self._builder.keys.renew(self.spec, name)
        self._assemble()

    def revoke_node(self, node_id: str) -> None:
        """Stop a function node: it writes no more, and its waiting orders are withdrawn; its records stay readable.

        Raises
        ------
        InvalidValue
            Nobody has such a node.
        """
        master = self.master_of(node_id)
        self.uplinks[master.membership.name].take_up()
        if node_id not in master.revoked:
            record = master.encryption_node.seal(master.slave_wallet.address, NodeRevoked(node_id))
            master.slave_wallet.send(master.slave.ledger.append(*record))
        self._assemble()

    def close(self) -> None:
        """Close every chain."""
        self._builder.close()

    def _assemble(self) -> None:
        self.main, self.masters, self.regulator = self._builder.assemble()
        self.uplinks = {name: UpLink(master) for name, master in self.masters.items()}
        self._master_of = {node_id: master for master in self.masters.values() for node_id in master.nodes}
        for uplink in self.uplinks.values():
            uplink.catch_up()
        enter_on_slave_chains(self._builder.keys, self.masters, self.uplinks)

    def _settlement_agent(self) -> str:
        agent = self.main.consortium.settlement_agent()
        return next(name for name, master in self.masters.items() if master.membership.master_id == agent)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def _signing(master: Master) -> Iterator[None]:
    """What nodes sign here and does not get to their slave chain is void."""
    try:
        yield
    except BaseException:
        for node in master.nodes.values():
            node.forget_unsent()
        raise


class _Builder:
    """Makes the parts of a region whose folder is given, and puts them together."""

    def __init__(
        self,
        folder: Path,
        spec: RegionSpec,
        clock: Callable[[], int],
        observe: Observe = lambda _, chain: chain,
    ) -> None:
        self._folder = folder
        self.spec = spec
        self.keys = RegionKeys(folder)
        self.clock = clock
        self._observe = observe
        self._engines: list[Chain] = []
        self._chains: dict[str, Chain] = {}

    def set_up(self) -> None:
        """Make all keys, chains and contracts of a new region, and close them."""
        keys = {master.name: MasterKeys.generate() for master in self.spec.masters}
        for name, own in keys.items():
            self.keys.masters.save_master(name, own)
        regulator = NodeKeys.generate()
        self.keys.regulator.save_node(REGULATOR, regulator)
        try:
            main_engine = self._main_engine(keys)
            founders = {keys[master.name].node.address: master.role for master in self.spec.masters}
            named = RegulatorKeys(regulator.address, regulator.encryption.public_bytes)
            deployer = Wallet(main_engine, SigningKey.generate())
            main = MainChain.create(main_engine, deployer, founders, named, self.spec.settings)
            for master_id, spec in enumerate(self.spec.masters, start=1):
                engine = self._slave_engine(master_id, keys[spec.name], main_engine)
                self._set_up_slave(spec, keys[spec.name], main, engine)
        finally:
            self.close()

    def assemble(self) -> tuple[MainChain, dict[str, Master], Regulator]:
        """Open all chains that are not open yet, and put the nodes on them with their newest keys."""
        keys = {master.name: self.keys.masters.load_master(master.name) for master in self.spec.masters}
        main = MainChain.open(self._main_engine(keys))
        enter_on_main_chain(self.keys, self.spec, main)
        masters = {
            spec.name: self._master(master_id, spec, keys[spec.name], main)
            for master_id, spec in enumerate(self.spec.masters, start=1)
        }
        slaves = {master.membership.master_id: master.slave for master in masters.values()}
        names = {master.membership.master_id: name for name, master in masters.items()}
        return main, masters, Regulator(self.keys.regulator.load_node(REGULATOR), main, slaves, names)

    def close(self) -> None:
        """Close every chain."""
        for engine in self._engines:
            engine.close()

    def _set_up_slave(self, spec: MasterSpec, keys: MasterKeys, main: MainChain, chain: Chain) -> None:
        node_keys = {node: NodeKeys.generate() for node in spec.nodes}
        for node, own in node_keys.items():
            self.keys.nodes.save_node(node.node_id, own)
        wallet = Wallet(chain, keys.node.signing)
        slave = Slave.create(chain, wallet, [own.address for own in node_keys.values()])
        encryption_node = EncryptionNode(slave.ledger, keys.node, main.consortium.regulator())
        registrations = [
            slave.ledger.append(
                *encryption_node.seal(wallet.address, registration(node, own), own.encryption.public_bytes)
            )
            for node, own in node_keys.items()
        ]
        wallet.send_many(registrations)
        registered = SlaveChain(chain.chain_id, chain.header(0).hash, slave.ledger.address)
        Wallet(main.chain, keys.node.signing).send(main.consortium.register_slave(registered))

    def _master(self, master_id: int, spec: MasterSpec, keys: MasterKeys, main: MainChain) -> Master:
        registered = main.consortium.slave_chain(master_id)
        if registered is None:
            raise InvalidValue("folder", str(self._folder), f"a region in which master {spec.name} has a slave chain")
        slave = Slave(self._slave_engine(master_id, keys, main.chain), registered.ledger)
        encryption_node = EncryptionNode(slave.ledger, keys.node, main.consortium.regulator())
        nodes = [
            FunctionNode(node, self.keys.nodes.load_node(node.node_id), slave, encryption_node.readers)
            for node in spec.nodes
        ]
        return Master(Membership(spec.name, spec.role, master_id), keys, main, slave, encryption_node, nodes)

    def _main_engine(self, keys: Mapping[str, MasterKeys]) -> Chain:
        operator = next(master.name for master in self.spec.masters if master.role is Role.GRID)
        return self._engine("main", self.spec.chain_id, keys[operator].sealer)

    def _slave_engine(self, master_id: int, keys: MasterKeys, main_engine: Chain) -> Chain:
        if self.spec.single_chain:
            return main_engine
        name = self.spec.masters[master_id - 1].name
        return self._engine(name, self.spec.chain_id + master_id, keys.sealer)

    def _engine(self, name: str, chain_id: int, sealer: SigningKey) -> Chain:
        if name in self._chains:
            return self._chains[name]
        genesis = Genesis(chain_id, sealer.address, gas_limit=BLOCK_GAS_LIMIT)
        engine = EmbeddedChain(self._folder / f"{name}.chain", genesis, sealer, clock=self.clock)
        self._engines.append(engine)
        self._chains[name] = self._observe(name, engine)
        return self._chains[name]
