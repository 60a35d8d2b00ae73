"""The region: one main chain, one slave chain per master, and the nodes that act on them.

This is the composition root. It makes every part and hands it what it needs; nothing below knows where a chain is
kept, which engine runs it, or who else takes part. On disk a region is a folder, of all members or one organisation::

    region.toml    who takes part (gridbourse.region.description)
    keys/          one file of private keys for each node
    main.chain     the main chain, if it is kept here
    NAME.chain     the slave chain of master NAME
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from gridbourse.chain.interface import Chain
from gridbourse.chain.local import system_clock
from gridbourse.crypto.keys import Address
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue
from gridbourse.index.balance import Balance
from gridbourse.index.database import Database
from gridbourse.index.index import Index, Notice
from gridbourse.index.money import Money
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.relaying import MarketReader
from gridbourse.ledger.function_node import FunctionNode
from gridbourse.ledger.records import LimitsSet, MeterRegistered, NodeDetails, NodeReport, NodeRevoked
from gridbourse.market.events import OrderPlaced
from gridbourse.market.types import Offer, OrderId
from gridbourse.metering.surplus import AutoTradingLimits
from gridbourse.node.folder.chains import ChainSet, Observe, watch_nothing
from gridbourse.node.folder.key_rotation import enter_on_slave_chains
from gridbourse.node.folder.setup import new_folder, refresh_public_keys
from gridbourse.node.folder.wiring import Wiring
from gridbourse.node.indexing import Indexing
from gridbourse.node.master import Master
from gridbourse.node.relay import PendingConfirmation, Relay, submit
from gridbourse.node.settling.payouts import PayoutBook, Purse
from gridbourse.region.description import RegionSpec
from gridbourse.region.description_file import read_region, write_region
from gridbourse.regulator.audit import Regulator


class Region:
    """A running region.

    Parameters
    ----------
    parts
        Makes its parts, and makes them anew when keys have changed.
    index
        Where what the chains hold is written to.
    clock
        Tells what time it is.

    Attributes
    ----------
    main
        The main chain.
    masters, relays
        The masters whose keys lie in the folder, by name, and their relays.
    balance
        What masters submitted, and the imbalance prices.
    payouts, purses
        What is paid out, and by master, what users have in its purse.
    parts
        What makes its parts.
    clock
        Tells what time it is.
    calendar
        Its delivery days.
    """

    def __init__(self, parts: Wiring, index: Index, clock: Callable[[], int]) -> None:
        self.parts = parts
        self._index = index
        self.spec = parts.spec
        self.clock = clock
        self.calendar = DeliveryCalendar(parts.spec.time_zone)
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
            raise InvalidValue("folder", str(self.parts.folder), "the folder that holds the regulator's keys")
        return self._regulator

    @property
    def has_regulator(self) -> bool:
        """Whether the regulator's keys lie in this folder."""
        return self._regulator is not None

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.parts.folder

    @property
    def settles(self) -> bool:
        """Whether the settlement agent's keys lie in this folder."""
        agent = self.main.consortium.settlement_agent()
        return any(master.membership.master_id == agent for master in self.masters.values())

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

        The region is set up beside its place and moved there when it is complete: no folder ever holds half a region.

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
        with new_folder(folder) as draft:
            write_region(spec, draft / "region.toml")
            engines = ChainSet(draft, spec, clock)
            try:
                parts = Wiring(draft, spec, engines)
                parts.found()
                parts.assemble()
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
        engines = ChainSet(folder, spec, clock, observe, chains or {})
        try:
            engines.require_main()
            parts = Wiring(folder, spec, engines)
            return cls(parts, parts.index(Database.of(folder)), clock)
        except BaseException:
            engines.close()
            raise

    @property
    def database(self) -> Database:
        """Where the index lies."""
        return self._index.database

    def forget_index(self) -> None:
        """Forget what the index holds, so that the next `catch_up` builds it again."""
        self._indexing.forget()

    def blocks_to_index(self) -> int:
        """How many blocks the index does not hold yet."""
        return self._indexing.unread()

    def catch_up(self, report: Callable[[int], None] = lambda _: None) -> None:
        """Write to the index what is new on the chains; `report` is told how many blocks were written, now and then."""
        self._indexing.catch_up(report)

    @property
    def indexed_height(self) -> int:
        """The newest block of the main chain that the index has."""
        return self._indexing.height

    def take_notice(self) -> Notice:
        """What became new in the index since this was asked the last time."""
        return self._indexing.take_notice()

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
        for relay in self.relays.values():
            relay.open_day(day)

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
        self.relays[self.settlement_agent().membership.name].credit(moneys, payment_reference)

    def offer(
        self, offers: Sequence[tuple[str, Offer]], *, energy_quota_wh: int | None = None, automatic: bool = False
    ) -> list[OrderId | None]:
        """Let nodes sign offers and write them to their slave chains, then take them up to the main chain.

        Orders of one slave chain keep their sequence; those of different ones arrive master by master.

        Parameters
        ----------
        offers
            Nodes' names and what each wants.
        energy_quota_wh
            What each seller may sell in its period; by default what all its asks there need.
        automatic
            Whether the nodes do it by themselves, within their owners' limits.

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
            master, relay = self.masters[name], self.relays[name]
            own = [offers[turn] for turn in turns]
            quotas_wh = relay.quotas_wh(own) if energy_quota_wh is None else [energy_quota_wh] * len(own)
            with master.signing():
                signed = [
                    master.nodes[node_id].offer(offer, energy_quota_wh=quota_wh, automatic=automatic)
                    for (node_id, offer), quota_wh in zip(own, quotas_wh, strict=True)
                ]
                leaves = master.slave.submit_records(signed)
            relay.submit()
            order_ids.update((turn, relay.order_of(leaf)) for turn, leaf in zip(turns, leaves, strict=True))
        return [order_ids[turn] for turn in range(len(offers))]

    def report(self, node_id: str, title: str, body: str) -> None:
        """Let a node sign a report, `body` being JSON, and write it to its slave chain."""
        self.write([NodeReport(node_id, title, body)])

    def set_limits(self, limits: Mapping[str, AutoTradingLimits]) -> None:
        """Let nodes sign what their owners allow them to do by themselves, which is in force once this returns.

        A node is switched off by limits that are not active (`gridbourse.node.offering`).
        """
        self.write([LimitsSet.of(node_id, allowed) for node_id, allowed in limits.items()])

    def register_meter(self, node_id: str, meter: Address, limit_w: int) -> None:
        """Let a master record which meter stands at the connection of one of its nodes. Repeated, it records nothing.

        Parameters
        ----------
        node_id
            The node.
        meter
            Address of the meter's key. A meter that is exchanged is another one; the readings of the old one stay.
        limit_w
            The most that the connection carries, in W.

        Raises
        ------
        InvalidValue
            Nobody has such a node, the meter is or was another node's, or the limit is out of range.
        """
        master, stated = self.master_of(node_id), MeterRegistered(node_id, meter.hex(), limit_w)
        for relay in self.relays.values():
            relay.catch_up()
            known = relay.meters.get(stated.meter_hex, stated)
            if known.node_id != node_id:
                raise InvalidValue("meter", f"0x{stated.meter_hex}", "a meter that no other node has or had")
        own = [known for known in self.relays[master.membership.name].meters.values() if known.node_id == node_id]
        if own[-1:] != [stated]:
            master.write([(stated, (master.nodes[node_id].encryption_public,))])

    def write(self, statements: Sequence[NodeDetails]) -> list[bytes]:
        """Let nodes sign what they state, each for itself, and write it to their slave chains.

        Returns
        -------
        list of bytes
            The records' leaves, in the sequence of `statements`.
        """
        leaves: dict[int, bytes] = {}
        for master in self.masters.values():
            turns = [turn for turn, stated in enumerate(statements) if self.master_of(stated.user_id) is master]
            if turns:
                with master.signing():
                    signed = [master.nodes[statements[turn].user_id].sign(statements[turn]) for turn in turns]
                    leaves.update(zip(turns, master.slave.submit_records(signed), strict=True))
        return [leaves[turn] for turn in range(len(statements))]

    def submit(self) -> None:
        """Take what lies on the slave chains up to the main chain."""
        submit(list(self.relays.values()))

    def rematch(self) -> None:
        """Match orders again that got energy back from deals that ended, where the book is crossed."""
        for relay in self.relays.values():
            relay.rematch()

    def deliver(self) -> list[PendingConfirmation]:
        """Bring the market's news to every slave chain; returns the deals that wait for an answer."""
        for relay in self.relays.values():
            relay.deliver()
        return [question for relay in self.relays.values() for question in relay.pending_confirmations()]

    def answer(self, pending_confirmations: Sequence[PendingConfirmation], *, confirmed: bool) -> None:
        """Let nodes sign their answers, and take them up to the main chain."""
        for name, master in self.masters.items():
            own = [question for question in pending_confirmations if question.node.spec.node_id in master.nodes]
            if own:
                with master.signing():
                    master.slave.submit_records(
                        [question.node.decide(question.deal_id, question.side, confirmed=confirmed) for question in own]
                    )
            self.relays[name].submit()

    def settle(self) -> None:
        """As settlement agent: `end_deals`, and tell the slave chains of this folder."""
        self.end_deals()
        self.deliver()

    def has_deals_to_end(self) -> bool:
        """Whether a deal waits to be settled, or was not answered in time."""
        self._indexing.catch_up()
        ending = self._market.next_ending()
        return ending is not None and ending <= self.clock()

    def end_deals(self) -> None:
        """As settlement agent: end the deals that nobody answered in time, and settle the confirmed ones.

        Raises
        ------
        InvalidValue
            The settlement agent's keys do not lie in this folder.
        """
        agent = self.relays[self.settlement_agent().membership.name]
        agent.expire(self.clock())
        agent.settle()

    def anchor(self) -> None:
        """Anchor every slave chain's new blocks on the main chain."""
        for relay in self.relays.values():
            relay.anchor()

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
        self.parts.keys.renew(self.spec, name)
        self._assemble()
        refresh_public_keys(self.parts.folder, self.parts.keys)

    def revoke_node(self, node_id: str) -> None:
        """Stop a function node: it writes no more, and its waiting orders are withdrawn; its records stay readable.

        Raises
        ------
        InvalidValue
            Nobody has such a node.
        """
        master = self.master_of(node_id)
        relay = self.relays[master.membership.name]
        relay.finish_days()
        relay.submit()
        if node_id not in master.revoked:
            record = master.encryption_node.seal(master.slave_wallet.address, NodeRevoked(node_id))
            master.slave_wallet.send(master.slave.ledger.append(*record))
        self._assemble()

    def close(self) -> None:
        """Close every chain, and the index."""
        self.parts.engines.close()
        self._index.database.close()

    def _assemble(self) -> None:
        self.main, self.masters, self._regulator = self.parts.assemble()
        self._indexing = Indexing(self._index, self.main, self.masters)
        self._indexing.catch_up()
        reader = IndexReader(self._index.database)
        indexing, market = self._indexing, MarketReader(reader.database, lambda: indexing.sequence)
        self._market = market
        self.relays = {
            name: Relay(master, indexing, reader, market, self.calendar) for name, master in self.masters.items()
        }
        money, self.balance = Money(reader.database), Balance(reader.database)
        self.payouts = PayoutBook(self.main, self.balance, money, self.masters)
        self.purses = {
            name: Purse(master, self.relays[name], money, self.payouts) for name, master in self.masters.items()
        }
        self._master_of = {node_id: master for master in self.masters.values() for node_id in master.nodes}
        enter_on_slave_chains(self.parts.keys, self.masters, self.relays)

    def placed(self, order_id: OrderId) -> tuple[Master, FunctionNode, OrderPlaced]:
        """Find the master and the node of an order. Raises `InvalidValue` if no node of this folder has it."""
        for name, relay in self.relays.items():
            placed = relay.placed(order_id)
            node = placed and self.masters[name].node_of(placed.trader)
            if placed and node:
                return self.masters[name], node, placed
        raise InvalidValue("order", f"{order_id.pack():x}", "an order of a function node of this folder")

    def settlement_agent(self) -> Master:
        """The settlement agent. Raises `InvalidValue` if its keys do not lie in this folder."""
        agent = self.main.consortium.settlement_agent()
        for master in self.masters.values():
            if master.membership.master_id == agent:
                return master
        name = self.spec.masters[agent - 1].name if agent <= len(self.spec.masters) else f"number {agent}"
        raise InvalidValue("folder", str(self.parts.folder), f"that of the settlement agent, master {name}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
