"""Votes of the masters: on members, settings, the settlement agent and the regulator's keys.

An action is carried out by the vote that makes more than half of the active masters. Until then it is open for fourteen
days; half of the masters, or everybody who was for it, end the vote before. Suspended masters' votes end with their
suspension.
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
    replaces
        The arguments with which the same function would restore what is in force; None where nothing is replaced.
    voters, opponents
        Numbers of the masters that are for it, and against it.
    needed
        How many votes carry it out.
    end
        The last second in which it may be voted for, since the epoch.
    """

    action_id: bytes
    function: str
    arguments: tuple[object, ...]
    replaces: tuple[object, ...] | None
    voters: tuple[int, ...]
    opponents: tuple[int, ...]
    needed: int
    end: int


def open_votes(consortium: Consortium) -> list[OpenVote]:
    """The actions that are voted on; what calls no function of the contract is left out."""
    active = sum(master.active for master in consortium.masters().values())
    found: list[OpenVote] = []
    for action_id in consortium.open_actions():
        ballot = consortium.ballot_on(action_id)
        read = consortium.abi.read_call(ballot.action)
        if read is not None:
            in_force = consortium.abi.read_call(ballot.in_force)
            sides = ballot.in_favour, ballot.against
            replaces = in_force and in_force[1]
            found.append(OpenVote(action_id, *read, replaces, *sides, active // 2 + 1, ballot.end))
    return found


def cast(consortium: Consortium, key: SigningKey, action: Call) -> bool:
    """Vote for an action, as the master whose key this is; returns whether this vote carried it out.

    Raises
    ------
    ContractReverted
        The master is suspended, voted for it already, or the action is refused when it is carried out.
    """
    return consortium.is_carried(Wallet(consortium.chain, key).send(consortium.vote(action)))


def oppose(consortium: Consortium, key: SigningKey, action_id: bytes) -> None:
    """Oppose an action, as the master whose key this is.

    Raises
    ------
    ContractReverted
        The master is suspended, or the action is not voted on.
    """
    Wallet(consortium.chain, key).send(consortium.oppose(action_id))


def withdraw(consortium: Consortium, key: SigningKey, action_id: bytes) -> None:
    """Withdraw what the master whose key this is said of an action; raises as `oppose`."""
    Wallet(consortium.chain, key).send(consortium.withdraw_vote(action_id))
