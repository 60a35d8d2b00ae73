"""Requests about money that goes out."""

from __future__ import annotations

from types import NoneType

from gridbourse.api.payout_schema import Payouts
from gridbourse.client.request import Request, get, post


def payouts() -> Request[Payouts]:
    """Payouts of your nodes, and what they have in their master's purse."""
    return get("/payouts", Payouts)


def request(money: int, payee: str, *, standing: bool = False) -> Request[None]:
    """Have your node's money paid out, in 1e-7 yuan: once, or after every delivery day what is above `money`."""
    return post("/payouts", NoneType, {"money": money, "payee": payee, "standing": standing})


def confirm(reference: str, *, paid: bool) -> Request[None]:
    """As settlement agent: say what the bank did."""
    return post(f"/payouts/{reference}", NoneType, {"paid": paid})
