"""Who takes part: masters, nodes, reports, votes; and what masters do for their users."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gridbourse.api.chain_schema import AssetsView, MasterView, NodeView, ReportView, VoteView
from gridbourse.api.schema import Account, AddressText, Day, MasterName, NodeId, Page
from gridbourse.crypto.keys import Address
from gridbourse.service.auth.current import CurrentUser, ExchangeOf
from gridbourse.service.rights import Right
from gridbourse.service.routes.routing import Cursor, Limit, operation
from gridbourse.service.use_cases.participants import role_of

router = APIRouter()
_VOTE: dict[str, Any] = {
    "tags": ["votes"],
    "status_code": HTTPStatus.NO_CONTENT,
    **operation(Right.VOTE, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SettingsVote(_Body):
    """Settings to vote for; what is not named stays."""

    cooling_off_seconds: Annotated[int | None, Field(ge=0, lt=2**32)] = None
    floor_ticks: Annotated[int | None, Field(ge=0, lt=2**16)] = None
    cap_ticks: Annotated[int | None, Field(ge=0, lt=2**16)] = None
    gate_lead_seconds: Annotated[int | None, Field(ge=0, lt=2**32)] = None
    max_candidates: Annotated[int | None, Field(ge=1, lt=2**16)] = None
    least_wh: Annotated[int | None, Field(ge=1, lt=2**16)] = None
    bid_multiple: Annotated[int | None, Field(ge=1, lt=2**8)] = None


class AdmissionVote(_Body):
    """A master to admit, or to admit again."""

    account: AddressText
    role: Annotated[str, Field(pattern="^(source|grid|aggregator|user)$")]


class MasterVote(_Body):
    """A master to vote about."""

    master: MasterName


class NewAccount(_Body):
    """An account to open for a node of yours."""

    name: Annotated[str, Field(min_length=1, max_length=80, description="What its holder signs in with.")]
    node_id: NodeId
    password: Annotated[str, Field(min_length=12, max_length=256, description="Its first password.")]


class Credit(_Body):
    """Money that a node has paid in."""

    node_id: NodeId
    money: Annotated[int, Field(ge=1, lt=2**80, description="In 1e-7 yuan.", examples=[10_000_000_000])]


class Credits(_Body):
    """Payments received, for trading on one delivery day."""

    day: Day
    credits: Annotated[list[Credit], Field(min_length=1, max_length=250)]
    payment_reference: Annotated[
        str, Field(pattern="^0x[0-9a-f]{64}$", description="Names the payments: repeated, they are credited once.")
    ]


@router.get("/masters", tags=["network"], **operation(Right.READ_MARKET))
async def list_masters(exchange: ExchangeOf) -> list[MasterView]:
    """The members of the main chain and how far their slave chains are anchored."""
    return exchange.network.masters()


@router.get("/assets", tags=["network"], **operation(Right.READ_ASSETS, HTTPStatus.SERVICE_UNAVAILABLE))
async def list_assets(exchange: ExchangeOf, principal: CurrentUser) -> list[AssetsView]:
    """What each master has to trade: kinds, zones, capacities as sums, published to all masters on the main chain."""
    return await exchange.network.assets(principal)


@router.get("/nodes", tags=["network"], **operation(Right.READ_NODE))
async def list_nodes(exchange: ExchangeOf, principal: CurrentUser) -> list[NodeView]:
    """Function nodes: yourself, those below you, or all of them for the regulator."""
    return exchange.network.nodes(principal)


@router.get("/reports", tags=["network"], **operation(Right.READ_NODE))
async def list_reports(
    exchange: ExchangeOf, principal: CurrentUser, cursor: Cursor = None, limit: Limit = 50
) -> Page[ReportView]:
    """Reports of function nodes, newest first: dispatch, efficiency, monitoring, services."""
    return exchange.network.reports(principal, cursor, limit)


@router.get("/votes", tags=["votes"], **operation(Right.READ_CHAINS))
async def list_votes(exchange: ExchangeOf) -> list[VoteView]:
    """What masters voted for, newest first."""
    return exchange.network.votes()


@router.post("/votes/settings", **_VOTE)
async def vote_settings(exchange: ExchangeOf, principal: CurrentUser, wanted: SettingsVote) -> None:
    """Vote for other market settings. More than half of the active masters carry it."""
    changes = wanted.model_dump(exclude_none=True)
    await exchange.administration.vote_settings(principal, changes)


@router.post("/votes/admission", **_VOTE)
async def vote_admission(exchange: ExchangeOf, principal: CurrentUser, wanted: AdmissionVote) -> None:
    """Vote for admitting a master, or a suspended one again."""
    account = Address(bytes.fromhex(wanted.account[2:]))
    await exchange.administration.vote_admission(principal, account, role_of(wanted.role))


@router.post("/votes/suspension", **_VOTE)
async def vote_suspension(exchange: ExchangeOf, principal: CurrentUser, wanted: MasterVote) -> None:
    """Vote for suspending a master."""
    await exchange.administration.vote_suspension(principal, wanted.master)


@router.post("/votes/settlement-agent", **_VOTE)
async def vote_settlement_agent(exchange: ExchangeOf, principal: CurrentUser, wanted: MasterVote) -> None:
    """Vote for the master that credits deposits and debits withdrawals."""
    await exchange.administration.vote_settlement_agent(principal, wanted.master)


@router.get("/accounts", tags=["accounts"], **operation(Right.KEEP_ACCOUNTS))
async def list_accounts(exchange: ExchangeOf, principal: CurrentUser) -> list[Account]:
    """Accounts of your nodes."""
    return exchange.administration.accounts(principal)


@router.post(
    "/accounts",
    tags=["accounts"],
    status_code=HTTPStatus.CREATED,
    **operation(Right.KEEP_ACCOUNTS, HTTPStatus.NOT_FOUND),
)
async def open_account(exchange: ExchangeOf, principal: CurrentUser, account: NewAccount) -> Account:
    """Open an account for one of your nodes. Its keys are kept in it, encrypted under the password."""
    return await exchange.administration.open_account(principal, account.name, account.node_id, account.password)


@router.delete(
    "/accounts/{name}",
    tags=["accounts"],
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.KEEP_ACCOUNTS, HTTPStatus.NOT_FOUND),
)
async def close_account(exchange: ExchangeOf, principal: CurrentUser, name: str) -> None:
    """Close an account of one of your nodes. Its sessions end."""
    exchange.administration.close_account(principal, name)


@router.post(
    "/deposits",
    tags=["money and energy"],
    status_code=HTTPStatus.NO_CONTENT,
    **operation(Right.CREDIT, HTTPStatus.CONFLICT, HTTPStatus.SERVICE_UNAVAILABLE),
)
async def credit_deposits(exchange: ExchangeOf, principal: CurrentUser, payments: Credits) -> None:
    """Credit deposits against payments received. Only the settlement agent may."""
    moneys: dict[str, int] = {}
    for credit in payments.credits:
        moneys[credit.node_id] = moneys.get(credit.node_id, 0) + credit.money
    reference = bytes.fromhex(payments.payment_reference[2:])
    await exchange.administration.credit(principal, moneys, payments.day, reference)
