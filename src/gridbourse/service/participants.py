"""Who takes part, how the chains are, what was voted, and what asks for attention."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridbourse.api.chain_schema import Alarm, MasterView, NodeView, ReportView, VoteView
from gridbourse.api.schema import Page
from gridbourse.contracts.abi import contract_abi
from gridbourse.contracts.consortium import Consortium
from gridbourse.index.chain_state import MAIN, ChainState, ReportEntry, VoteEntry
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.market.types import Role
from gridbourse.node.rules import RulesInForce
from gridbourse.service.market_state import MarketState
from gridbourse.service.paging import cut
from gridbourse.service.rights import Principal, Right, require
from gridbourse.text import Message
from gridbourse.units import PERIOD_SECONDS


class NetworkQueries:
    """Reads who is who and how they are.

    Parameters
    ----------
    chains, market, directory
        The states it reads.
    names
        Names of the masters, by number.
    rules_in_force
        Asks who the main chain's members are.
    late_anchor_seconds
        After so long without an anchor, records are late.
    clock
        Seconds since the epoch.
    """

    def __init__(
        self,
        chains: ChainState,
        market: MarketState,
        directory: ParticipantRegistry,
        names: Mapping[int, str],
        rules_in_force: Callable[[], RulesInForce],
        late_anchor_seconds: int,
        clock: Callable[[], int],
    ) -> None:
        self._chains = chains
        self._market = market
        self._directory = directory
        self._names = names
        self._rules_in_force = rules_in_force
        self._late_anchor_seconds = late_anchor_seconds
        self._clock = clock

    def masters(self) -> list[MasterView]:
        """The members of the main chain."""
        members = self._rules_in_force()
        views = []
        for master_id, name in self._names.items():
            chain, member = self._chains.chains[name], members.masters[master_id]
            views.append(
                MasterView(
                    master_id=master_id,
                    name=name,
                    role=member.role.name.lower(),
                    account=f"0x{member.account.hex()}",
                    is_active=member.active,
                    is_settlement_agent=master_id == members.settlement_agent,
                    node_count=sum(master == name for master in self._directory.master_of.values()),
                    slave_chain_id=members.slave_chain_ids.get(master_id, 0),
                    unanchored_records=len(chain.records) - chain.anchored_count,
                    last_anchor_at=chain.anchors[-1].timestamp if chain.anchors else None,
                )
            )
        return views

    def nodes(self, principal: Principal) -> list[NodeView]:
        """Function nodes that the caller reaches."""
        require(principal, Right.READ_NODE)
        return [
            NodeView(
                node_id=node_id,
                master=self._directory.master_of[node_id],
                kind=node.kind,
                location=node.location,
                address=f"0x{node.address_hex}",
                is_revoked=node_id in self._directory.revoked,
                order_count=len(self._market.orders.of_node(node_id)),
                deal_count=len(self._market.deals.of_node(node_id)),
            )
            for node_id, node in self._directory.nodes.items()
            if principal.reaches(node_id, self._directory.master_of[node_id])
        ]

    def reports(self, principal: Principal, cursor: str | None, limit: int) -> Page[ReportView]:
        """Reports of function nodes that the caller reaches, newest first."""
        require(principal, Right.READ_NODE)
        reports = self._chains.reports
        fitting = (
            (turn, reports[turn])
            for turn in range(len(reports) - 1, -1, -1)
            if principal.reaches(reports[turn].report.user_id, reports[turn].master)
        )
        return cut(fitting, cursor, limit, key=lambda pair: -pair[0], view=lambda pair: _report(pair[1]))

    def votes(self) -> list[VoteView]:
        """What masters voted for, newest first."""
        rounds = [entry for entries in self._chains.votes.values() for entry in entries]
        return [self._vote(entry) for entry in sorted(rounds, key=lambda entry: entry.opened_at, reverse=True)]

    def late_anchors(self) -> list[Alarm]:
        """Slave chains whose records have waited too long for an anchor."""
        deadline = self._clock() - self._late_anchor_seconds
        return [
            Alarm(
                "late_anchor",
                name,
                Message("{count} records without an anchor", count=len(chain.records) - chain.anchored_count),
                chain.unanchored_since,
            )
            for name, chain in self._chains.chains.items()
            if name != MAIN and chain.unanchored_since is not None and chain.unanchored_since < deadline
        ]

    def overdue_meters(self) -> list[Alarm]:
        """Nodes whose newest settled day has periods without a reading that one can believe."""
        newest = dict(sorted(self._market.statements))
        return [
            Alarm(
                "silent_meter",
                node_id,
                Message("{count} periods of the day without a reading", count=len(statement.open_periods)),
                statement.open_periods[0] * PERIOD_SECONDS,
            )
            for node_id, day in newest.items()
            if (statement := self._market.statements[node_id, day]).open_periods
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
    report = entry.report
    return ReportView(report.user_id, entry.master, report.title, report.body, entry.index, entry.timestamp)


def _argument(argument: object) -> str:
    return f"0x{argument.hex()}" if isinstance(argument, bytes) else str(argument)


def role_of(name: str) -> Role:
    """The role with a name."""
    return Role[name.upper()]
