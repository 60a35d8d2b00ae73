"""Money that goes out, as the service lets its users ask for it and see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gridbourse.api.payout_schema import Payouts
from gridbourse.errors import Forbidden, KeysNotKept
from gridbourse.index.participants import ParticipantRegistry
from gridbourse.ledger.payout_records import PayoutInstruction
from gridbourse.node.commands import requests
from gridbourse.node.commands.client import NodeClient
from gridbourse.node.rules import RulesInForce
from gridbourse.service.rights import Principal, Right, require
from gridbourse.service.signing import RecordSigner
from gridbourse.text import Message


class PayoutDesk:
    """Takes instructions of function nodes, tells what came of them, and takes what the bank did.

    Parameters
    ----------
    node
        The region's node.
    signer
        Signs instructions with the keys of who has signed in.
    participants
        Who is who.
    rules_in_force
        Tells who the settlement agent is.
    names
        Names of the masters, by number.
    """

    def __init__(
        self,
        node: NodeClient,
        signer: RecordSigner,
        participants: ParticipantRegistry,
        rules_in_force: Callable[[], RulesInForce],
        names: Mapping[int, str],
    ) -> None:
        self._node = node
        self._signer = signer
        self._participants = participants
        self._rules_in_force = rules_in_force
        self._names = names

    async def instruct(self, principal: Principal, money: int, payee: str, *, standing: bool) -> None:
        """Let the calling node sign that its money is to be paid out.

        Raises
        ------
        KeysNotKept
            The node signs its records itself.
        InvalidValue
            The amount or the payee is none.
        """
        require(principal, Right.PAY_OUT)
        if principal.keys is None:
            text = "the keys of {name!r} are not kept here; sign the record, then POST {path}"
            raise KeysNotKept(Message(text, name=principal.name, path="/api/v1/records"))
        await self._signer.submit(principal.keys, PayoutInstruction(principal.name, money, payee.strip(), standing))

    async def payouts(self, principal: Principal) -> Payouts:
        """Payouts of the caller's nodes, and what these have in the purse; the settlement agent sees all payouts."""
        require(principal, Right.READ_NODE)
        known: Payouts = await self._node.ask(requests.ReadPayouts())
        sees_all = self._is_agent(principal)
        return Payouts(
            [own for own in known.payouts if sees_all or self._reaches(principal, own.node_id)],
            [own for own in known.purses if self._reaches(principal, own.node_id)],
        )

    async def confirm(self, principal: Principal, reference: bytes, *, paid: bool) -> None:
        """Take note of what the bank did.

        Raises
        ------
        Forbidden
            The calling master is not the settlement agent.
        InvalidValue
            The bank was told of no such payout, or said the opposite before.
        """
        require(principal, Right.CREDIT)
        if not self._is_agent(principal):
            raise Forbidden(Message("only the settlement agent confirms payouts"))
        await self._node.ask(requests.ConfirmPayout(reference, paid))

    def _is_agent(self, principal: Principal) -> bool:
        return self._names.get(self._rules_in_force().settlement_agent) == principal.name

    def _reaches(self, principal: Principal, node_id: str) -> bool:
        master = self._participants.master_of(node_id) if node_id else None
        return master is not None and principal.reaches(node_id, master)
