"""What masters do for their users and for the consortium: accounts, deposits, votes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from gridbourse.api.schema import Account
from gridbourse.crypto.keys import Address
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import Forbidden, InvalidValue, NotFound
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.market.types import Role
from gridbourse.node.commands import requests
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.rules import RulesInForce
from gridbourse.service.auth.credentials import Credentials
from gridbourse.service.rights import Kind, Principal, Right, require
from gridbourse.text import Message


class Administration:
    """Acts for masters.

    Parameters
    ----------
    node
        The region's node.
    credentials
        Keeps accounts.
    directory
        Who is who.
    rules_in_force
        Asks what is in force.
    names
        Names of the masters, by number.
    node_keys
        Reads a node's keys, to put them into its account.
    adopt
        Is told what is in force after a vote.
    """

    def __init__(
        self,
        node: NodeClient,
        credentials: Credentials,
        directory: ParticipantRegistry,
        rules_in_force: Callable[[], RulesInForce],
        names: Mapping[int, str],
        node_keys: Callable[[str], NodeKeys],
        adopt: Callable[[RulesInForce], None],
    ) -> None:
        self._node = node
        self._credentials = credentials
        self._directory = directory
        self._rules_in_force = rules_in_force
        self._names = names
        self._node_keys = node_keys
        self._adopt = adopt

    # Accounts

    async def open_account(self, principal: Principal, name: str, node_id: str, password: str) -> Account:
        """Open an account for a node of the calling master; the node's keys are kept in it under the password.

        Raises
        ------
        NotFound
            The master has no such node.
        InvalidValue
            The name is taken, or the password too short.
        """
        require(principal, Right.KEEP_ACCOUNTS)
        if self._directory.master_of(node_id) != principal.name:
            raise NotFound(Message("you have no node {name!r}", name=node_id))
        keys = await asyncio.to_thread(self._node_keys, node_id)
        return await asyncio.to_thread(self._credentials.create_account, name, Kind.NODE, node_id, password, keys)

    def accounts(self, principal: Principal) -> list[Account]:
        """Accounts of the calling master's nodes."""
        require(principal, Right.KEEP_ACCOUNTS)
        own = [node.node_id for node in self._directory.nodes(principal.name)]
        return [account for account in self._credentials.accounts(own) if account.kind == Kind.NODE]

    def close_account(self, principal: Principal, name: str) -> None:
        """Close an account of the calling master's nodes; its sessions end. Raises `NotFound`."""
        if name not in {account.name for account in self.accounts(principal)}:
            raise NotFound(Message("none of your nodes has an account {name!r}", name=name))
        self._credentials.close_account(name)

    # Meters

    async def register_meter(self, principal: Principal, node_id: str, meter: Address, limit_w: int) -> None:
        """Enter the meter at the connection of a node of the calling master.

        Raises
        ------
        NotFound
            The master has no such node.
        InvalidValue
            The meter is or was another node's.
        """
        require(principal, Right.KEEP_METERS)
        if self._directory.master_of(node_id) != principal.name:
            raise NotFound(Message("you have no node {name!r}", name=node_id))
        await self._node.ask(requests.RegisterMeter(node_id, meter, limit_w))

    # Deposits

    async def credit(self, principal: Principal, moneys: Mapping[str, int], day: int, payment_reference: bytes) -> None:
        """Credit deposits, in 1e-7 yuan by node, against payments that the settlement agent received.

        Raises
        ------
        Forbidden
            The calling master is not the settlement agent.
        InvalidValue
            A node takes no part, or the day is not open.
        """
        require(principal, Right.CREDIT)
        if self._names[self._rules_in_force().settlement_agent] != principal.name:
            raise Forbidden(Message("only the settlement agent credits deposits"))
        for node_id in moneys:
            if self._directory.trader(node_id, day) is None:
                remedy = Message("a node of this region that trades on day {day}", day=day)
                raise InvalidValue("node_id", node_id, remedy)
        await self._node.ask(requests.Credit(day, dict(moneys), payment_reference))

    # Votes

    async def vote_settings(self, principal: Principal, changes: Mapping[str, Any]) -> None:
        """Vote for other market settings: those in force with some fields changed. Raises `InvalidValue`."""
        await self._vote(principal, requests.ChangeSettings(**changes))

    async def vote_admission(self, principal: Principal, account: Address, role: Role) -> None:
        """Vote for admitting a master, or a suspended one again."""
        await self._vote(principal, requests.Admit(account, role))

    async def vote_suspension(self, principal: Principal, master: str) -> None:
        """Vote for suspending a master."""
        await self._vote(principal, requests.Suspend(master))

    async def vote_settlement_agent(self, principal: Principal, master: str) -> None:
        """Vote for another settlement agent."""
        await self._vote(principal, requests.ChangeSettlementAgent(master))

    async def _vote(
        self,
        principal: Principal,
        action: requests.ChangeSettings | requests.Admit | requests.Suspend | requests.ChangeSettlementAgent,
    ) -> None:
        require(principal, Right.VOTE)
        self._adopt(await self._node.ask(requests.Vote(principal.name, action)))
