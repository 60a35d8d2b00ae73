"""Who may do what in the service. docs/rights.md shows the table; every operation of the API names its right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import Forbidden, NotSignedIn
from gridbourse.text import Message


class Kind(StrEnum):
    """What a caller is."""

    NOBODY = "nobody"
    NODE = "node"
    MASTER = "master"
    REGULATOR = "regulator"


class Scope(StrEnum):
    """What an API token may be used for, at most."""

    READ = "read"
    TRADE = "trade"
    MANAGE = "manage"
    METER = "meter"


class Right(StrEnum):
    """What an operation of the API asks for; its value says it in words."""

    READ_MARKET = "read the market"
    SIGN_IN = "sign in"
    READ_CHAINS = "read chains"
    READ_ASSETS = "read what masters have to trade"
    READ_OWN = "read what is one's own or below one"
    READ_NODE = "read a node's orders, deals, money and energy"
    TRADE = "place, amend and cancel orders, and answer deals"
    HAND_IN_READINGS = "hand in meter readings"
    KEEP_TOKENS = "make and revoke one's API tokens"
    KEEP_ACCOUNTS = "keep accounts of one's nodes"
    KEEP_METERS = "enter meters of one's nodes"
    CREDIT = "credit deposits and confirm payouts"
    PAY_OUT = "have one's money paid out"
    VOTE = "vote"
    AUDIT = "trace and audit"


_EVERYBODY = frozenset(Kind)
_SIGNED_IN = frozenset({Kind.NODE, Kind.MASTER, Kind.REGULATOR})

RIGHTS: Mapping[Right, frozenset[Kind]] = {
    Right.READ_MARKET: _EVERYBODY,
    Right.SIGN_IN: _EVERYBODY,
    Right.READ_CHAINS: _SIGNED_IN,
    Right.READ_ASSETS: frozenset({Kind.MASTER, Kind.REGULATOR}),
    Right.READ_OWN: _SIGNED_IN,
    Right.READ_NODE: _SIGNED_IN,
    Right.TRADE: frozenset({Kind.NODE}),
    Right.HAND_IN_READINGS: frozenset({Kind.NODE, Kind.MASTER}),
    Right.KEEP_TOKENS: _SIGNED_IN,
    Right.KEEP_ACCOUNTS: frozenset({Kind.MASTER}),
    Right.KEEP_METERS: frozenset({Kind.MASTER}),
    Right.CREDIT: frozenset({Kind.MASTER}),
    Right.PAY_OUT: frozenset({Kind.NODE}),
    Right.VOTE: frozenset({Kind.MASTER}),
    Right.AUDIT: frozenset({Kind.REGULATOR}),
}
"""The table: who has a right. Whose nodes, orders and deals it reaches is in `Principal.reaches`."""

SCOPE_OF: Mapping[Right, Scope] = dict.fromkeys(Right, Scope.READ) | {
    Right.TRADE: Scope.TRADE,
    Right.HAND_IN_READINGS: Scope.METER,
    Right.KEEP_TOKENS: Scope.MANAGE,
    Right.KEEP_ACCOUNTS: Scope.MANAGE,
    Right.KEEP_METERS: Scope.MANAGE,
    Right.CREDIT: Scope.MANAGE,
    Right.PAY_OUT: Scope.MANAGE,
    Right.VOTE: Scope.MANAGE,
}
"""The scope that a token needs for a right."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Parameters
    ----------
    kind
        What it is.
    name
        The node's or master's name; ``regulator``; empty for nobody.
    master
        The master it is or is below; None for nobody and the regulator.
    scopes
        What it may use its rights for here.
    keys
        The node's own keys, where they are kept for it and this caller has unlocked them.
    credential
        Names the session or the token, for the log and to end it.
    account
        The account it signed in to, at first hand or through a token; None who signed in with a key.
    token_id
        The token it uses; None in a session.
    expires_at
        When the session or the token ends.
    """

    kind: Kind
    name: str = ""
    master: str | None = None
    scopes: frozenset[Scope] = frozenset(Scope)
    keys: NodeKeys | None = field(default=None, repr=False)
    credential: str = ""
    account: str | None = None
    token_id: str | None = None
    expires_at: int | None = None

    @property
    def identity(self) -> str:
        """One name for everybody who is the same."""
        return f"{self.kind}:{self.name}"

    def reaches(self, node_id: str, master: str) -> bool:
        """Whether what belongs to a node is this caller's to read."""
        match self.kind:
            case Kind.NODE:
                return self.name == node_id
            case Kind.MASTER:
                return self.name == master
            case Kind.REGULATOR:
                return True
            case _:
                return False


NOBODY = Principal(Kind.NOBODY)


def require(principal: Principal, right: Right) -> None:
    """Refuse whoever does not have a right.

    Raises
    ------
    NotSignedIn, Forbidden
        The caller is nobody, or is somebody without this right, or uses a token without its scope.
    """
    if principal.kind not in RIGHTS[right]:
        if principal.kind is Kind.NOBODY:
            raise NotSignedIn(Message("to {right} you have to sign in", right=Message(str(right))))
        raise Forbidden(
            Message("a {kind} may not {right}", kind=Message(str(principal.kind)), right=Message(str(right)))
        )
    if SCOPE_OF[right] not in principal.scopes:
        text = "this token lacks the scope {scope}, which is needed to {right}"
        raise Forbidden(Message(text, scope=str(SCOPE_OF[right]), right=Message(str(right))))
