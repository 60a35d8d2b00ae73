"""The region: one main chain, one slave chain per master, and the nodes that act on them.

This is the composition root. It makes every part and hands it what it needs; nothing below it knows where a
chain is kept, which engine runs it, or who else takes part. On disk a region is a folder, with all of its members on
one machine or with one organisation's share of it::

    region.toml    who takes part (gridbourse.network.description)
    keys/          one file of private keys for each node
    main.chain     the main chain, if it is kept here
    NAME.chain     the slave chain of master NAME
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from gridbourse.chain.interface import Chain
from gridbourse.chain.local import system_clock
from gridbourse.crypto.suite import suite_named
from gridbourse.errors import InvalidValue
from gridbourse.market.types import Offer, OrderId, Role
from gridbourse.metering.surplus import OfferLimits
from gridbourse.network.description import MasterSpec, RegionSpec, read_region, write_region
from gridbourse.network.disclosure import Disclosure, disclose
from gridbourse.network.encryption_node import EncryptionNode
from gridbourse.network.engines import Engines, Observe, watch_nothing
from gridbourse.network.founding import found, make_keys, new_folder, require_nodes, set_up_slave
from gridbourse.network.function_node import FunctionNode
from gridbourse.network.main_chain import MainChain
from gridbourse.network.master import Master, Membership
from gridbourse.network.records import NodeRevoked
from gridbourse.network.regulator import Regulator
from gridbourse.network.rotation import REGULATOR, RegionKeys, enter_on_main_chain, enter_on_slave_chains
from gridbourse.network.slave import Slave
from gridbourse.network.uplink import Question, UpLink


class Region:
    """A running region.

    Parameters
    ----------
    builder
        Makes its parts, and makes them anew when keys have changed.
    clock
        Tells what time it is.

    Attributes
    ----------
    main
        The main chain.
    masters, uplinks
        The masters whose keys lie in the folder, by name, and their up-links.
    """

    def __init__(self, builder: _Builder, clock: Callable[[], int]) -> None:
        self._builder = builder
        self.spec = builder.spec
        self._clock = clock
        self._assemble()

    @property
    def regulator(self) -> Regulator:
        """The regulator.

        Raises
        ------
        InvalidValue
            Its keys do not lie in this folder.
        """
        if self._regulator is None:
            raise InvalidValue("folder", str(self._builder.folder), "the folder that holds the regulator's keys")
        return self._regulator

    @classmethod
    def create(
        cls,
        folder: Path,
        spec: RegionSpec,
        *,
        clock: Callable[[], int] = system_clock,
        observe: Observe = watch_nothing,
    ) -> Self:
        """Make a new region with all of its members in one folder, and open it.

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
            The folder is not empty, or a master has no function node.
        """
        with new_folder(folder) as draft:
            write_region(spec, draft / "region.toml")
            engines = Engines(draft, spec, clock)
            try:
                builder = _Builder(draft, spec, engines)
                builder.found()
                builder.assemble()
            finally:
                engines.close()
        return cls.open(folder, clock=clock, observe=observe)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], int] = system_clock,
        observe: Observe = watch_nothing,
        chains: Mapping[str, Chain] | None = None,
    ) -> Self:
        """Open a region from disk, with everything it had.

        Those take part whose keys lie in the folder: all members, or one organisation's master, or the regulator.
        A master that has no slave chain yet gets one, which is registered on the main chain.

        Parameters
        ----------
        folder
            The region's folder.
        clock
            Source of block times.
        observe
            Looks on at every chain.
        chains
            Chains that this process has open already, by name: ``"main"``, or that of a master whose slave chain the
            regulator reads. They are not closed with the region.

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
        engines = Engines(folder, spec, clock, observe, chains or {})
        try:
            engines.require_main()
            return cls(_Builder(folder, spec, engines), clock)
        except BaseException:
            engines.close()
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

    def deposit(self, moneys: Mapping[str, int], day: int, payment_reference: bytes) -> None:
        """Credit nodes of this folder, in 1e-7 yuan, against payments received: as `credit`."""
        traders = {self.master_of(node_id).trader(node_id, day): money for node_id, money in moneys.items()}
        self.credit(traders, payment_reference)

    def credit(self, moneys: Mapping[int, int], payment_reference: bytes) -> None:
        """As settlement agent: credit traders, whosever they are, in 1e-7 yuan, against payments received.

        A payment names the trader it is for, under whose number nobody but its own master knows the payer. What is
        repeated with the same reference, 32 bytes, is credited once: after an interruption it is simply called again.

        Raises
        ------
        InvalidValue
            The settlement agent's keys do not lie in this folder, or under this reference other deposits were credited.
        """
        self.uplinks[self._settlement_agent().membership.name].credit(moneys, payment_reference)

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

    def set_limits(self, limits: Mapping[str, OfferLimits]) -> None:
        """Let nodes sign what their owners allow them to do by themselves, which is in force once this returns.

        A node is switched off by limits that are not active (`gridbourse.network.agent`).
        """
        for master in self.masters.values():
            own = {node_id: allowed for node_id, allowed in limits.items() if self.master_of(node_id) is master}
            with _signing(master):
                master.slave.submit_records([master.nodes[node_id].set_limits(own[node_id]) for node_id in own])

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
        """As settlement agent: end the deals that nobody answered in time, and settle the confirmed ones.

        The slave chains of this folder are told.

        Raises
        ------
        InvalidValue
            The settlement agent's keys do not lie in this folder.
        """
        agent = self.uplinks[self._settlement_agent().membership.name]
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
        master.finish_days()
        self.uplinks[master.membership.name].take_up()
        if node_id not in master.revoked:
            record = master.encryption_node.seal(master.slave_wallet.address, NodeRevoked(node_id))
            master.slave_wallet.send(master.slave.ledger.append(*record))
        self._assemble()

    def disclose(self, master: str, index: int, fields: Sequence[str], *, holder: str) -> Disclosure:
        """Let somebody who can open a record show single fields of it, with what proves them.

        Parameters
        ----------
        master
            Name of the master on whose slave chain the record lies.
        index
            The record's number in the log.
        fields
            What to show.
        holder
            Whose keys open the record: a function node, a master (by its encryption node), or ``regulator``.

        Raises
        ------
        InvalidValue
            There is no such master, record, field or holder here, or the record is not anchored yet.
        EnvelopeError
            The record is not sealed to the holder.
        """
        names = [own.name for own in self.spec.masters]
        slave = self._builder.slave(self.main, master, self.masters) if master in names else None
        if slave is None:
            raise InvalidValue("master", master, f"one whose slave chain this folder can read, of {', '.join(names)}")
        keys = self._builder.keys.opening(self.spec, holder)
        return disclose(self.main, names.index(master) + 1, slave, index, fields, keys)

    def close(self) -> None:
        """Close every chain."""
        self._builder.engines.close()

    def _assemble(self) -> None:
        self.main, self.masters, self._regulator = self._builder.assemble()
        self.uplinks = {name: UpLink(master) for name, master in self.masters.items()}
        self._master_of = {node_id: master for master in self.masters.values() for node_id in master.nodes}
        for uplink in self.uplinks.values():
            uplink.catch_up()
        enter_on_slave_chains(self._builder.keys, self.masters, self.uplinks)

    def _settlement_agent(self) -> Master:
        agent = self.main.consortium.settlement_agent()
        for master in self.masters.values():
            if master.membership.master_id == agent:
                return master
        name = self.spec.masters[agent - 1].name if agent <= len(self.spec.masters) else f"number {agent}"
        raise InvalidValue("folder", str(self._builder.folder), f"that of the settlement agent, master {name}")

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

    def __init__(self, folder: Path, spec: RegionSpec, engines: Engines) -> None:
        self.folder = folder
        self.spec = spec
        self.keys = RegionKeys(folder)
        self.engines = engines
        self._operator = next(master.name for master in spec.masters if master.role is Role.GRID)

    def found(self) -> None:
        """Make everybody's keys, and the consortium's contracts on the main chain."""
        handed_in = make_keys(self.keys, self.spec.masters, suite_named(self.spec.suite), regulator=True)
        found(self._main_engine(), self.spec, handed_in)

    def assemble(self) -> tuple[MainChain, dict[str, Master], Regulator | None]:
        """Open all chains that are not open yet, and put the nodes on them with their newest keys."""
        main = MainChain.open(self._main_engine())
        enter_on_main_chain(self.keys, self.spec, main)
        masters = {
            spec.name: self._master(master_id, spec, main)
            for master_id, spec in enumerate(self.spec.masters, start=1)
            if self.keys.masters.holds(spec.name)
        }
        return main, masters, self._regulator(main, masters)

    def _master(self, master_id: int, spec: MasterSpec, main: MainChain) -> Master:
        require_nodes(spec)
        keys = self.keys.masters.load_master(spec.name)
        node_keys = {node: self.keys.nodes.load_node(node.node_id) for node in spec.nodes}
        registered = main.consortium.slave_chain(master_id)
        if registered is not None and not self.spec.single_chain:
            self.engines.require_slave(spec.name)
        chain = self.engines.slave(master_id, keys.sealer)
        slave = Slave(chain, (registered or set_up_slave(main, chain, keys, node_keys)).ledger)
        encryption_node = EncryptionNode(slave.ledger, keys.node, main.consortium.regulator())
        nodes = [FunctionNode(node, own, slave, encryption_node.readers) for node, own in node_keys.items()]
        return Master(Membership(spec.name, spec.role, master_id), keys, main, slave, encryption_node, nodes)

    def _regulator(self, main: MainChain, masters: Mapping[str, Master]) -> Regulator | None:
        if not self.keys.regulator.holds(REGULATOR):
            return None
        names = {master_id: master.name for master_id, master in enumerate(self.spec.masters, start=1)}
        readable = {master_id: self.slave(main, name, masters) for master_id, name in names.items()}
        slaves = {master_id: slave for master_id, slave in readable.items() if slave is not None}
        return Regulator(self.keys.regulator.load_node(REGULATOR), main, slaves, names)

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
