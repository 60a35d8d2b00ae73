"""What the main chain's contracts have in force: the market's rules, the members, and where they act.

It changes only by votes, so the service reads it at its start and after each vote that it hands in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gridbourse.contracts.consortium import Master
from gridbourse.crypto.keys import Address
from gridbourse.index.schema import MAIN
from gridbourse.market.types import Settings
from gridbourse.node.region import Region


@dataclass(frozen=True, slots=True)
class RulesInForce:
    """What is in force.

    Parameters
    ----------
    settings
        The market's rules.
    masters
        The members of the main chain, by number.
    settlement_agent
        Number of the master that credits deposits.
    regulator
        The regulator's account.
    slave_chain_ids
        Ids of the registered slave chains, by the number of their master.
    kept_chain_ids
        Ids of the chains that are kept here, by name.
    """

    settings: Settings
    masters: Mapping[int, Master]
    settlement_agent: int
    regulator: Address
    slave_chain_ids: Mapping[int, int]
    kept_chain_ids: Mapping[str, int]


def read_rules_in_force(region: Region) -> RulesInForce:
    """Read what is in force now."""
    consortium, masters = region.main.consortium, region.main.consortium.masters()
    slaves = {number: consortium.slave_chain(number) for number in masters}
    kept = {MAIN: region.main.chain, **{name: master.slave.chain for name, master in region.masters.items()}}
    return RulesInForce(
        settings=consortium.settings(),
        masters=masters,
        settlement_agent=consortium.settlement_agent(),
        regulator=consortium.regulator().account,
        slave_chain_ids={number: slave.chain_id for number, slave in slaves.items() if slave},
        kept_chain_ids={name: chain.chain_id for name, chain in kept.items()},
    )
