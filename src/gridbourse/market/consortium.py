"""The masters of the main chain and the settings they voted for, as the market sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gridbourse.errors import MarketError
from gridbourse.market.types import Role, Settings


@dataclass(frozen=True, slots=True)
class Master:
    """A master node. A suspended one can do nothing until it is admitted again."""

    role: Role
    active: bool = True


class Consortium:
    """What the votes of the masters have decided; the voting itself is the main chain's matter.

    Parameters
    ----------
    roles
        Roles of the founders, who get the numbers from 1. The first grid master becomes the settlement agent and the
        dispatcher.
    settings
        The first market settings.
    """

    def __init__(self, roles: Sequence[Role], settings: Settings) -> None:
        self._masters = {number: Master(role) for number, role in enumerate(roles, start=1)}
        self.settlement_agent = self.dispatcher = list(roles).index(Role.GRID) + 1
        self.settings = settings

    def admit(self, role: Role) -> int:
        """Admit a new master and return its number."""
        master_id = len(self._masters) + 1
        self._masters[master_id] = Master(role)
        return master_id

    def admit_again(self, master_id: int, role: Role) -> None:
        """Admit a suspended master again, perhaps in another role."""
        self._masters[master_id] = Master(role)

    def suspend(self, master_id: int) -> None:
        """Suspend a master: its orders neither match nor settle from now on."""
        self._masters[master_id] = Master(self._masters[master_id].role, active=False)

    def may_trade(self, master_id: int) -> bool:
        """Tell whether the master is active and its role may trade."""
        master = self._masters[master_id]
        return master.active and master.role in self.settings.trading_roles

    def require_active(self, caller: int) -> None:
        """Let only active masters pass.

        Raises
        ------
        MarketError
            ``NotActiveMaster``.
        """
        if caller not in self._masters or not self._masters[caller].active:
            raise MarketError("NotActiveMaster", caller)
