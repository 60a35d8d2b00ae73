"""Votes of the masters: on members, settings, the settlement agent and the regulator's keys.

An action is carried out by the vote that makes more than half of the active masters. Until then it is open, and may
stay so for ever: votes do not expire, and a suspended master's count for nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from gridbourse.contracts.abi import Call
from gridbourse.contracts.consortium import Consortium
from gridbourse.contracts.wallet import Wallet
from gridbourse.crypto.keys import SigningKey


@dataclass(frozen=True, slots=True)
class OpenVote:
    """An action that some masters voted for, and not enough.

    Parameters
    ----------
    action_id
        Hash of the action.
    function, arguments
        The action: a function of `Consortium` marked "by vote".
    voters
        Numbers of the active masters that voted for it.
    needed
        How many votes carry it out.
    """

    action_id: bytes
    function: str
    arguments: tuple[object, ...]
    voters: tuple[int, ...]
    needed: int


def open_votes(consortium: Consortium) -> list[OpenVote]:
    """The actions that still may be voted for, the oldest first; what calls no function of the contract is left out."""
    active = {number for number, master in consortium.masters().items() if master.active}
    found: list[OpenVote] = []
    for action_id, action in consortium.voted_actions().items():
        voters = tuple(number for number in consortium.voters(action_id) if number in active)
        read = consortium.abi.read_call(action)
        if voters and read is not None:
            found.append(OpenVote(action_id, *read, voters, len(active) // 2 + 1))
    return found


def cast(consortium: Consortium, key: SigningKey, action: Call) -> bool:
    """Vote for an action, as the master whose key this is; returns whether this vote carried it out.

    Raises
    ------
    ContractReverted
        The master is suspended, voted for it already, or the action is refused when it is carried out.
    """
    return consortium.is_carried(Wallet(consortium.chain, key).send(consortium.vote(action)))
