"""Trade assets: what each master has to trade, as all masters see it on the main chain.

A master sums its function nodes by kind and zone. Consumers whose kind and zone hold fewer than `SMALLEST_GROUP` of
them are left out: a sum over one household would be that household.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gridbourse.contracts.balancing import Submission
from gridbourse.crypto.envelope import key_id, recipients_of
from gridbourse.crypto.merkle import HASH_BYTES
from gridbourse.errors import EnvelopeError
from gridbourse.ledger.balancing_records import TradeAssets
from gridbourse.node.region import Region
from gridbourse.region.description import CONSUMERS, TRADING_KINDS

SMALLEST_GROUP = 3


@dataclass(frozen=True, slots=True)
class PublishedAssets:
    """A master's trade assets, and the record on the main chain that says so."""

    master_id: int
    assets: TradeAssets
    submission: Submission


def sum_assets(region: Region, name: str) -> TradeAssets:
    """Sum what a master of this folder has to trade now; rows by rising kind and zone."""
    master, relay = region.masters[name], region.relays[name]
    limits_w = {meter.node_id: meter.limit_w for meter in relay.meters.values()}  # the newest of a node's meters
    groups: dict[tuple[str, int], list[int]] = {}
    for node_id, node in master.nodes.items():
        if node.spec.kind in TRADING_KINDS and node_id not in master.revoked:
            groups.setdefault((node.spec.kind.value, node.spec.zone), []).append(limits_w.get(node_id, 0))
    shown = {
        place: group
        for place, group in sorted(groups.items())
        if place[0] not in CONSUMERS or len(group) >= SMALLEST_GROUP
    }
    return TradeAssets(
        asset_kinds=tuple(kind for kind, _ in shown),
        asset_zones=tuple(zone for _, zone in shown),
        node_counts=tuple(map(len, shown.values())),
        capacities_w=tuple(map(sum, shown.values())),
    )


def publish_assets(region: Region, name: str) -> None:
    """Publish what a master has to trade, unless all masters can read just that already.

    A master that registers its encryption node's key later, or another one, makes it be published again.
    """
    master, assets, balancing = region.masters[name], sum_assets(region, name), region.main.balancing
    members = region.main.consortium.masters()
    publics = {number: balancing.encryption_key(number) for number, member in members.items() if member.active}
    readers = {number: key_id(public) for number, public in publics.items() if public}
    newest = _newest(region, master.membership.master_id)
    if newest is None:
        is_new = bool(assets.asset_kinds)
    else:
        can_read = set(recipients_of(newest.record.content[HASH_BYTES:]))
        is_new = not can_read.issuperset(readers.values()) or (
            master.encryption_node.open_submitted(newest.record) != assets
        )
    if is_new:
        master.submit([assets], *readers)


def published_assets(region: Region) -> list[PublishedAssets]:
    """The newest trade assets of each master, by its number, as those may read them whose keys lie in this folder."""
    found = []
    for master_id in region.main.consortium.masters():
        newest = _newest(region, master_id)
        details = None if newest is None else next(_opened(region, newest), None)
        if newest is not None and details is not None:
            found.append(PublishedAssets(master_id, details, newest))
    return found


def _newest(region: Region, master_id: int) -> Submission | None:
    stated = reversed(region.balance.submissions)
    return next((own for own in stated if (own.master_id, own.record.kind) == (master_id, TradeAssets.KIND)), None)


def _opened(region: Region, submission: Submission) -> Iterator[TradeAssets]:
    """What a submission says, once for each of this folder's keys that opens it."""
    openers = [master.encryption_node.open_submitted for master in region.masters.values()]
    if region.has_regulator:
        openers.append(region.regulator.open_submitted)
    for opened in openers:
        try:
            details = opened(submission.record)
        except EnvelopeError:
            continue
        if isinstance(details, TradeAssets):
            yield details
