"""Who takes part: masters, function nodes and their reports, votes, accounts, deposits."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Annotated, Literal

from fastapi import Form, Response

from gridbourse.crypto.keys import Address
from gridbourse.delivery import date_day
from gridbourse.errors import InvalidValue
from gridbourse.service.metering import Metering
from gridbourse.service.rights import RIGHTS, Kind, Right
from gridbourse.service.use_cases.participants import role_of
from gridbourse.units import energy_wh, money_units, price_ticks
from gridbourse.web.frame import PageFrame, page_router

router = page_router()
REPORTS = 30
Text = Annotated[str, Form(max_length=80)]
Number = Annotated[int, Form(ge=0, lt=2**32)]


@router.get("/network")
async def network(frame: PageFrame) -> Response:
    """The network as it stands, and what a master does there."""
    exchange, principal = frame.exchange, frame.principal
    masters = exchange.network.masters()
    is_signed_in = principal.kind in RIGHTS[Right.READ_NODE]
    return frame.render(
        "network.html",
        masters=masters,
        running=exchange.is_running,
        height=exchange.index.chains.height(),
        late=exchange.network.late_anchors(),
        silent=exchange.metering.overdue_meters(),
        head_end=_head_end(exchange.metering),
        meters=exchange.metering.meters(principal) if is_signed_in else [],
        nodes=exchange.network.nodes(principal) if is_signed_in else None,
        assets=await exchange.network.assets(principal) if principal.kind in RIGHTS[Right.READ_ASSETS] else None,
        reports=exchange.network.reports(principal, None, REPORTS).items if is_signed_in else None,
        votes=exchange.network.votes() if principal.kind in RIGHTS[Right.READ_CHAINS] else None,
        accounts=exchange.administration.accounts(principal) if principal.kind is Kind.MASTER else [],
        is_agent=any(one.is_settlement_agent and one.name == principal.name for one in masters),
        today=frame.exchange.today,
    )


@router.post("/network/votes/settings")
async def vote_settings(
    frame: PageFrame,
    cooling_off_seconds: Number,
    gate_lead_seconds: Number,
    floor_yuan_per_kwh: Text,
    cap_yuan_per_kwh: Text,
) -> Response:
    """Vote for other market settings."""
    floor_ticks, cap_ticks = price_ticks(floor_yuan_per_kwh.strip()), price_ticks(cap_yuan_per_kwh.strip())
    await frame.exchange.administration.vote_settings(
        frame.principal,
        {
            "cooling_off_seconds": cooling_off_seconds,
            "gate_lead_seconds": gate_lead_seconds,
            "floor_ticks": floor_ticks,
            "cap_ticks": cap_ticks,
        },
    )
    return frame.go("/network", done="voted")


@router.post("/network/votes/member")
async def vote_member(
    frame: PageFrame, master: Text, action: Annotated[Literal["suspend", "readmit", "settlement_agent"], Form()]
) -> Response:
    """Vote about a master."""
    administration = frame.exchange.administration
    if action == "suspend":
        await administration.vote_suspension(frame.principal, master)
    elif action == "settlement_agent":
        await administration.vote_settlement_agent(frame.principal, master)
    else:
        found = next((one for one in frame.exchange.network.masters() if one.name == master), None)
        if found is None:
            raise InvalidValue("master", master, "the name of a master")
        await administration.vote_admission(frame.principal, _address(found.account), role_of(found.role))
    return frame.go("/network", done="voted")


@router.post("/network/votes/admission")
async def vote_admission(
    frame: PageFrame,
    account: Annotated[str, Form(max_length=42)],
    role: Annotated[Literal["source", "grid", "aggregator", "user"], Form()],
) -> Response:
    """Vote for admitting a new master."""
    await frame.exchange.administration.vote_admission(frame.principal, _address(account), role_of(role))
    return frame.go("/network", done="voted")


@router.post("/network/accounts")
async def open_account(
    frame: PageFrame,
    name: Annotated[str, Form(min_length=1, max_length=80)],
    node_id: Text,
    password: Annotated[str, Form(min_length=12, max_length=256)],
) -> Response:
    """Open an account for a function node."""
    await frame.exchange.administration.open_account(frame.principal, name.strip(), node_id, password)
    return frame.go("/network", done="account_opened")


@router.post("/network/accounts/close")
async def close_account(frame: PageFrame, name: Text) -> Response:
    """Close an account."""
    frame.exchange.administration.close_account(frame.principal, name)
    return frame.go("/network", done="account_closed")


@router.post("/network/meters")
async def enter_meter(
    frame: PageFrame, node_id: Text, meter: Annotated[str, Form(max_length=42)], limit_kw: Text
) -> Response:
    """Enter the meter of a function node."""
    try:
        limit_w = energy_wh(limit_kw.strip())  # a thousand of the one are one of the other, too
    except InvalidValue as error:
        raise InvalidValue("limit_w", limit_kw, "a power in kW with at most 3 decimals") from error
    await frame.exchange.administration.register_meter(frame.principal, node_id, _address(meter), limit_w)
    return frame.go("/network", done="meter_entered")


@router.post("/network/deposits")
async def credit(
    frame: PageFrame, node_id: Text, day: Text, yuan: Text, payment: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Credit a deposit; a payment that is entered twice is credited once."""
    number = date_day(day)
    money = {node_id: money_units(yuan.strip())}
    await frame.exchange.administration.credit(
        frame.principal, money, number, sha256(payment.strip().encode()).digest()
    )
    return frame.go("/network", done="credited")


def _head_end(metering: Metering) -> str:
    """Whence readings come."""
    return "api" if metering.broker is None else "listens" if metering.is_listening else "lost"


def _address(text: str) -> Address:
    if not re.fullmatch("0x[0-9a-fA-F]{40}", text.strip()):
        raise InvalidValue("account", text, "an address: 0x and 40 hexadecimal digits")
    return Address(bytes.fromhex(text.strip()[2:]))
