"""The region: one main chain, one slave chain per master, and the nodes that act on them.

This is the composition root. It makes every part and hands it what it needs; nothing below it knows where a
chain is kept, which engine runs it, or who else takes part.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from gridbourse.chain.block import Genesis
from gridbourse.chain.embedded import EmbeddedChain, system_clock
from gridbourse.chain.interface import Chain
from gridbourse.crypto.pseudonym import PseudonymKey
from gridbourse.errors import InvalidValue
from gridbourse.market.types import OrderId, Role, Settings
from gridbourse.network.keys import NodeKeys
from gridbourse.network.main_chain import MainChain
from gridbourse.network.master import Master, Membership
from gridbourse.network.regulator import Regulator
from gridbourse.network.slave import Slave
from gridbourse.network.uplink import Question, UpLink
from gridbourse.network.user import Offer, Profile, User

MAIN_CHAIN_ID = 20_210
"""Slave chains are numbered on from here."""

BLOCK_GAS_LIMIT = 30_000_000_000

Observe = Callable[[str, Chain], Chain]
"""Puts something between the nodes and a chain of the given name, to look on."""


@dataclass(frozen=True, slots=True)
class MasterSpec:
    """A master and its users, as a region is described."""

    name: str
    role: Role
    users: tuple[Profile, ...]


class Region:
    """A running region.

    Parameters
    ----------
    main
        The main chain.
    masters
        The masters by name.
    regulator
        The regulator.
    engines
        Whatever has to be closed in the end.
    """

    def __init__(
        self, main: MainChain, masters: Mapping[str, Master], regulator: Regulator, engines: Sequence[Chain]
    ) -> None:
        self.main = main
        self.masters = dict(masters)
        self.regulator = regulator
        self.uplinks = {name: UpLink(master) for name, master in masters.items()}
        self._engines = engines
        agent = main.consortium.settlement_agent()
        self._settlement_agent = next(name for name, master in masters.items() if master.membership.master_id == agent)

    @classmethod
    def create(
        cls,
        folder: Path,
        specs: Sequence[MasterSpec],
        settings: Settings,
        *,
        single_chain: bool = False,
        clock: Callable[[], int] = system_clock,
        observe: Observe = lambda _, chain: chain,
    ) -> Self:
        """Make a new region of embedded chains.

        Parameters
        ----------
        folder
            Where the chains' files go; must not hold a region yet.
        specs
            The masters, one of them of role grid, and their users.
        settings
            The first market settings.
        single_chain
            Put every detail of everybody on the main chain instead, as in the paper's comparison: the
            ledgers then are contracts beside the market.
        clock
            Source of block times.
        observe
            Looks on at every chain.

        Raises
        ------
        InvalidValue
            The folder holds a region already, or two masters or two users have one name.
        """
        _check_specs(folder, specs)
        folder.mkdir(parents=True, exist_ok=True)
        keys = {spec.name: NodeKeys.generate() for spec in specs}
        regulator_keys = NodeKeys.generate()
        operator = next(keys[spec.name] for spec in specs if spec.role is Role.GRID)
        engines: list[Chain] = []

        def engine(name: str, chain_id: int, sealer: NodeKeys) -> Chain:
            genesis = Genesis(chain_id, sealer.address, gas_limit=BLOCK_GAS_LIMIT)
            chain = EmbeddedChain(folder / f"{name}.chain", genesis, sealer.signing, clock=clock)
            engines.append(chain)
            return observe(name, chain)

        main_engine = engine("main", MAIN_CHAIN_ID, operator)
        founders = {keys[spec.name].address: spec.role for spec in specs}
        main = MainChain.create(main_engine, operator.signing, founders, regulator_keys.address, settings)
        masters: dict[str, Master] = {}
        for master_id, spec in enumerate(specs, start=1):
            own = keys[spec.name]
            chain = main_engine if single_chain else engine(spec.name, MAIN_CHAIN_ID + master_id, own)
            master = Master(
                Membership(spec.name, spec.role, master_id),
                own,
                PseudonymKey.generate(),
                main,
                Slave.create(chain, own.signing),
                regulator_keys.encryption.public_bytes,
            )
            if not single_chain:
                master.register_slave(Genesis(chain.chain_id, own.address, gas_limit=BLOCK_GAS_LIMIT).header.hash)
            master.add_users(spec.users)
            masters[spec.name] = master
        slaves = {master.membership.master_id: master.slave for master in masters.values()}
        return cls(main, masters, Regulator(regulator_keys, main, slaves), engines)

    def user(self, user_id: str) -> tuple[Master, User]:
        """Find a user and its master.

        Raises
        ------
        InvalidValue
            Nobody has such a user.
        """
        for master in self.masters.values():
            if user_id in master.users:
                return master, master.users[user_id]
        raise InvalidValue("user_id", user_id, "the name of a user of this region")

    def open_day(self, day: int) -> None:
        """Give every user its pseudonym for a delivery day."""
        for master in self.masters.values():
            master.open_day(day)

    def deposit(self, moneys: Mapping[str, int], day: int, payment_reference: bytes = bytes(32)) -> None:
        """Credit users' deposits, in 1e-7 yuan, against payments that the settlement agent received."""
        traders = {self.user(user_id)[0].trader(user_id, day): money for user_id, money in moneys.items()}
        self.masters[self._settlement_agent].deposit(traders, payment_reference)

    def offer(self, offers: Sequence[tuple[str, Offer]], *, energy_quota_wh: int | None = None) -> list[OrderId | None]:
        """Let users sign offers and write them to their slave chains, then take them up to the main chain.

        Orders of one slave chain keep their sequence; those of different ones arrive master by master.

        Parameters
        ----------
        offers
            Users' names and what each wants.
        energy_quota_wh
            What each seller may sell in its period; just the offer by default.

        Returns
        -------
        list of OrderId or None
            The orders' ids in the sequence of `offers`; None for one that the market refused.
        """
        turns_by_master: dict[str, list[int]] = {}
        for turn, (user_id, _) in enumerate(offers):
            turns_by_master.setdefault(self.user(user_id)[0].membership.name, []).append(turn)
        order_ids: dict[int, OrderId | None] = {}
        for name, turns in turns_by_master.items():
            master, uplink = self.masters[name], self.uplinks[name]
            signed = [
                master.users[user_id].offer(offer, energy_quota_wh=energy_quota_wh)
                for user_id, offer in (offers[turn] for turn in turns)
            ]
            leaves = master.slave.submit_records(signed)
            uplink.take_up()
            order_ids.update((turn, uplink.order_of(leaf)) for turn, leaf in zip(turns, leaves, strict=True))
        return [order_ids[turn] for turn in range(len(offers))]

    def bring_down(self) -> list[Question]:
        """Bring the market's news to every slave chain; returns the deals that wait for an answer."""
        return [question for uplink in self.uplinks.values() for question in uplink.bring_down()]

    def answer(self, questions: Sequence[Question], *, confirmed: bool) -> None:
        """Let users sign their answers, and take them up to the main chain."""
        for name, master in self.masters.items():
            own = [question for question in questions if question.user.profile.user_id in master.users]
            if own:
                master.slave.submit_records(
                    [question.user.decide(question.deal_id, question.side, confirmed=confirmed) for question in own]
                )
            self.uplinks[name].take_up()

    def settle(self) -> None:
        """Settle all confirmed deals and bring the results to the slave chains."""
        self.uplinks[self._settlement_agent].settle()
        self.bring_down()

    def anchor(self) -> None:
        """Anchor every slave chain's new blocks on the main chain."""
        for uplink in self.uplinks.values():
            uplink.anchor()

    def close(self) -> None:
        """Close every chain."""
        for engine in self._engines:
            engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _check_specs(folder: Path, specs: Sequence[MasterSpec]) -> None:
    if (folder / "main.chain").exists():
        raise InvalidValue("folder", str(folder), "a folder without a region in it")
    names = [spec.name for spec in specs]
    users = [profile.user_id for spec in specs for profile in spec.users]
    for field, values in (("masters", names), ("users", users)):
        if len(set(values)) < len(values):
            raise InvalidValue(field, values, "a different name for each")
    if Role.GRID not in {spec.role for spec in specs}:
        raise InvalidValue("masters", names, "at least one master of role grid")
