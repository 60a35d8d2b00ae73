"""Communities: who used how much of what was generated together, from meters alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from gridbourse.api.billing_schema import Community, CommunityMonth, LocalUse, SharedEnergy
from gridbourse.delivery import date_of
from gridbourse.errors import InvalidValue, NotFound
from gridbourse.index.queries.reader import IndexReader
from gridbourse.region.communities import CommunitySpec
from gridbourse.region.description import RegionSpec
from gridbourse.regulator.months.view import days_of
from gridbourse.rounding import round_half_away
from gridbourse.rules.local_use import check_local_use
from gridbourse.rules.rule_set import RuleHistory
from gridbourse.rules.sharing import share
from gridbourse.service.billing.months import month_number
from gridbourse.service.rights import Principal, Right, require
from gridbourse.text import Message

_PERMILLE = 1_000


@dataclass(slots=True)
class _Sums:
    """A month of a community in the making, in Wh."""

    generated_wh: int = 0
    to_grid_wh: int = 0
    open_periods: int = 0
    drawn_wh: dict[str, int] = field(default_factory=dict)
    shared_wh: dict[str, int] = field(default_factory=dict)


class Communities:
    """Shares what communities generated.

    Parameters
    ----------
    index
        The index, which has what was metered.
    spec
        The region, with its communities.
    rules
        The region's, for the tests of local use.
    """

    def __init__(self, index: IndexReader, spec: RegionSpec, rules: RuleHistory) -> None:
        self._index = index
        self._rules = rules
        self._known = [(master.name, community) for master in spec.masters for community in master.communities]

    def communities(self, principal: Principal) -> list[Community]:
        """Those of which any node is the caller's."""
        require(principal, Right.READ_NODE)
        return [_view(principal, *own) for own in self._reached(principal)]

    def month(self, principal: Principal, name: str, month: str) -> CommunityMonth:
        """A month of a community, as far as its days are settled. Raises `NotFound`."""
        require(principal, Right.READ_NODE)
        found = next((own for own in self._reached(principal) if own[1].name == name), None)
        if found is None:
            raise NotFound(Message("there is no community {name!r} of yours", name=name))
        master, community = found
        days = days_of(month_number(month))
        sums = self._share(master, community, days)
        rules, tests = self._tests(sums, date_of(days[-1]))
        return CommunityMonth(
            community=_view(principal, master, community),
            month=month,
            generated_wh=sums.generated_wh,
            drawn_wh=sum(sums.drawn_wh.values()),
            shared_wh=sum(sums.shared_wh.values()),
            to_grid_wh=sums.to_grid_wh,
            members=[
                SharedEnergy(node_id, sums.drawn_wh.get(node_id, 0), sums.shared_wh.get(node_id, 0))
                for node_id in community.members
                if principal.reaches(node_id, master)
            ],
            local_use=tests,
            rules=rules,
            open_periods=sums.open_periods,
        )

    def _reached(self, principal: Principal) -> Iterator[tuple[str, CommunitySpec]]:
        for master, community in self._known:
            if any(principal.reaches(node_id, master) for node_id in (*community.plants, *community.members)):
                yield master, community

    def _share(self, master: str, community: CommunitySpec, days: range) -> _Sums:
        """Share every period of some days of which all meters are known."""
        fed_in, drawn = dict[int, dict[str, int]](), dict[int, dict[str, int]]()
        for details in self._index.months.settled(master, days):
            series = zip(details.fed_in_wh, details.drawn_wh, strict=True)
            for period, (fed_in_wh, drawn_wh) in enumerate(series, details.first_period):
                if period not in details.open_periods:
                    fed_in.setdefault(period, {})[details.user_id] = fed_in_wh
                    drawn.setdefault(period, {})[details.user_id] = drawn_wh
        sums, everybody = _Sums(), {*community.plants, *community.members}
        for period, own in sorted(fed_in.items()):
            if not everybody & own.keys():
                continue
            if not everybody <= own.keys():
                sums.open_periods += 1
                continue
            generated_wh = sum(own[node_id] for node_id in community.plants)
            consumed_wh = [drawn[period][node_id] for node_id in community.members]
            shares = share(community.key, generated_wh, consumed_wh, community.keys)
            sums.generated_wh += generated_wh
            sums.to_grid_wh += shares.to_grid_wh
            for node_id, drawn_wh, shared_wh in zip(community.members, consumed_wh, shares.shared_wh, strict=True):
                sums.drawn_wh[node_id] = sums.drawn_wh.get(node_id, 0) + drawn_wh
                sums.shared_wh[node_id] = sums.shared_wh.get(node_id, 0) + shared_wh
        return sums

    def _tests(self, sums: _Sums, day: date) -> tuple[str | None, list[LocalUse]]:
        in_force, drawn_wh = self._rules.find(day), sum(sums.drawn_wh.values())
        if in_force is None or not sums.generated_wh or not drawn_wh:
            return None, []
        rules, own_wh = in_force.rule_set, sum(sums.shared_wh.values())
        try:
            tests = check_local_use(rules, sums.generated_wh, own_wh, sums.to_grid_wh, drawn_wh, day)
        except InvalidValue:  # the set has no limits
            return None, []
        return rules.version, [
            LocalUse(
                test.name,
                round_half_away(test.share * _PERMILLE),
                round_half_away(test.limit * _PERMILLE),
                test.passed,
            )
            for test in tests
        ]


def _view(principal: Principal, master: str, community: CommunitySpec) -> Community:
    members = [node_id for node_id in community.members if principal.reaches(node_id, master)]
    return Community(community.name, master, community.key.value, list(community.plants), members)
