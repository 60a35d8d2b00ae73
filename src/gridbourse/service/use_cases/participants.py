"""Who takes part, how the chains are, what was voted, and what asks for attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from gridbourse.api.chain_schema import Alarm, AssetsView, MasterView, NodeView, ReportView, VoteView
from gridbourse.api.schema import Page
from gridbourse.contracts.abi import contract_abi
from gridbourse.contracts.consortium import Consortium
from gridbourse.index.chains import VoteEntry
from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.records import ReportEntry
from gridbourse.index.schema import MAIN
from gridbourse.ledger.balancing_records import StatementDetails
from gridbourse.market.types import Role
from gridbourse.node.commands import requests
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.rules import RulesInForce
from gridbourse.region.description import RegionSpec
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.use_cases.paging import page_of, read_cursor
from gridbourse.text import NO_DISPLAY_NAME, Message
from gridbourse.units import PERIOD_SECONDS


class NetworkQueries:
    """Reads who is who and how they are.

    Parameters
    ----------
    node
        The region's node, which opens what masters published to each other.
    index
        The index.
    spec
        Who takes part.
    rules_in_force
        Asks who the main chain's members are.
    late_anchor_seconds
        After so long without an anchor, records are late.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        node: NodeClient,
        index: IndexReader,
        spec: RegionSpec,
        rules_in_force: Callable[[], RulesInForce],
        late_anchor_seconds: int,
        clock: Callable[[], int],
    ) -> None:
        self._node = node
        self._index = index
        self._names = {master_id: master.name for master_id, master in enumerate(spec.masters, start=1)}
        self._display_names = {master.name: master.display_name for master in spec.masters}
        self._node_names = {node.node_id: node.display_name for master in spec.masters for node in master.nodes}
        self._rules_in_force = rules_in_force
        self._late_anchor_seconds = late_anchor_seconds
        self._clock = clock

    def masters(self) -> list[MasterView]:
        """The members of the main chain."""
        members, heads = self._rules_in_force(), self._index.chains.heads()
        counts = Counter(node.master for node in self._index.participants.nodes())
        views = []
        for master_id, name in self._names.items():
            member, anchors = members.masters[master_id], self._index.chains.anchors(name)
            anchored = anchors[0].anchor.leaf_count if anchors else 0
            views.append(
                MasterView(
                    master_id=master_id,
                    name=name,
                    role=member.role.name.lower(),
                    account=f"0x{member.account.hex()}",
                    is_active=member.active,
                    is_settlement_agent=master_id == members.settlement_agent,
                    node_count=counts[name],
                    slave_chain_id=members.slave_chain_ids.get(master_id, 0),
                    unanchored_records=(heads[name].record_count if name in heads else 0) - anchored,
                    last_anchor_at=anchors[0].timestamp if anchors else None,
                    display_name=self._display_names[name],
                )
            )
        return views

    def nodes(self, principal: Principal) -> list[NodeView]:
        """Function nodes that the caller reaches."""
        require(principal, Right.READ_NODE)
        orders, deals = self._index.orders.counts(), self._index.trades.counts_of_nodes()
        return [
            NodeView(
                node_id=node.node_id,
                master=node.master,
                kind=node.kind,
                location=node.location,
                address=f"0x{node.address.hex()}",
                is_revoked=node.is_revoked,
                order_count=orders.get(node.node_id, 0),
                deal_count=deals.get(node.node_id, 0),
                display_name=self._node_names.get(node.node_id, NO_DISPLAY_NAME),
            )
            for node in self._index.participants.nodes()
            if principal.reaches(node.node_id, node.master)
        ]

    def reports(self, principal: Principal, cursor: str | None, limit: int) -> Page[ReportView]:
        """Reports of function nodes that the caller reaches, newest first."""
        require(principal, Right.READ_NODE)
        nodes = self._index.participants.nodes()
        reached = [node.node_id for node in nodes if principal.reaches(node.node_id, node.master)]
        found = self._index.records.reports(reached, read_cursor(cursor), limit + 1)
        return page_of(found, limit, place=lambda entry: entry.number, view=_report)

    def votes(self) -> list[VoteView]:
        """What masters voted for, newest first."""
        return list(map(self._vote, self._index.chains.votes()))

    async def assets(self, principal: Principal) -> list[AssetsView]:
        """What each master has to trade, as it published it to all masters."""
        require(principal, Right.READ_ASSETS)
        found: list[AssetsView] = await self._node.ask(requests.ReadAssets())
        return found

    def late_anchors(self) -> list[Alarm]:
        """Slave chains whose records have waited too long for an anchor."""
        deadline = self._clock() - self._late_anchor_seconds
        found = []
        for name, chain in self._index.chains.heads().items():
            since = None if name == MAIN else self._index.chains.unanchored_since(name)
            if since is not None and since < deadline:
                count = chain.record_count - self._anchored(name)
                found.append(
                    Alarm("late_anchor", name, Message("{count} records without an anchor", count=count), since)
                )
        return found

    def _anchored(self, name: str) -> int:
        anchors = self._index.chains.anchors(name)
        return anchors[0].anchor.leaf_count if anchors else 0

    def overdue_meters(self) -> list[Alarm]:
        """Nodes whose newest settled day has periods without a reading that one can believe."""
        newest = (settled.details for settled in self._index.records.newest_statements())
        return [
            Alarm(
                "silent_meter",
                statement.user_id,
                Message("{count} periods of the day without a reading", count=len(statement.open_periods)),
                statement.open_periods[0] * PERIOD_SECONDS,
            )
            for statement in newest
            if isinstance(statement, StatementDetails) and statement.open_periods
        ]

    def _vote(self, entry: VoteEntry) -> VoteView:
        read = contract_abi(Consortium.NAME).read_call(entry.action)
        action, arguments = read or ("unknown", (f"0x{entry.action.hex()}",))
        return VoteView(
            action_id=f"0x{entry.action_id.hex()}",
            action=action,
            arguments=[_argument(argument) for argument in arguments],
            voters=[self._names.get(number, str(number)) for number in entry.voters],
            is_carried=entry.is_carried,
            opened_at=entry.opened_at,
        )


def _report(entry: ReportEntry) -> ReportView:
    return ReportView(entry.node_id, entry.master, entry.title, entry.body, entry.index, entry.timestamp)


def _argument(argument: object) -> str:
    return f"0x{argument.hex()}" if isinstance(argument, bytes) else str(argument)


def role_of(name: str) -> Role:
    """The role with a name."""
    return Role[name.upper()]
