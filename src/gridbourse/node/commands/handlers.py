"""What the node does when a command comes: in which thread, and with which part of the region."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, assert_never

from gridbourse.api.payout_schema import Payouts, PurseEntry
from gridbourse.api.schema import SigningContext
from gridbourse.contracts.abi import Call
from gridbourse.contracts.consortium import Consortium
from gridbourse.contracts.wallet import GAS_LIMIT
from gridbourse.errors import InvalidValue, NodeUnreachable
from gridbourse.node.commands import chain_views, requests
from gridbourse.node.commands.requests import TraceReport
from gridbourse.node.folder.backup import back_up
from gridbourse.node.hosting.worker import RegionWorker
from gridbourse.node.jobs.money.pay_out import confirm_payout
from gridbourse.node.offering import offer_once
from gridbourse.node.region import Region
from gridbourse.node.rules import RulesInForce, read_rules_in_force
from gridbourse.node.settling.payouts import payout_entries
from gridbourse.regulator.export import trace_document, trace_page, trace_view
from gridbourse.text import Message
from gridbourse.units import format_price

READERS = 2

Handler = Callable[[Region, Any], object]


class Handlers:
    """Does what commands ask for.

    What writes, and what must see nothing half written, is done by the thread that owns the region; what reads chains,
    beside it; what the regulator does, in a thread of its own, because an audit may take long.

    Parameters
    ----------
    region, folder
        The open region, and where it lies.
    worker
        The thread that owns it.
    """

    def __init__(self, region: Region, folder: Path, worker: RegionWorker) -> None:
        self._region = region
        self._folder = folder
        self._worker = worker
        self._is_closed = False
        self._readers = ThreadPoolExecutor(READERS, "reader")
        self._regulator = ThreadPoolExecutor(1, "regulator")

    def execute(self, command: requests.Command) -> Future[Any]:
        """Do what a command asks for; the future has the answer, or the error.

        Raises
        ------
        NodeUnreachable
            The node is stopping.
        """
        if self._is_closed:
            raise NodeUnreachable(Message("the node is stopping; try again when it is back"))
        if isinstance(command, requests.Submit):
            return self._worker.submit(command)
        if isinstance(command, requests.BackUp):
            return self._worker.run(back_up, self._folder, command.archive)
        if (handler := _OWNER.get(type(command))) is not None:
            return self._worker.run(handler, command)
        if (handler := _READER.get(type(command))) is not None:
            return self._readers.submit(handler, self._region, command)
        return self._regulator.submit(_REGULATOR[type(command)], self._region, command)

    def close(self) -> None:
        """Finish what is being read, and take nothing more."""
        self._is_closed = True
        for pool in (self._readers, self._regulator):
            pool.shutdown(cancel_futures=True)


# By the thread that owns the region


def _open_day(region: Region, command: requests.OpenDay) -> None:
    region.open_day(command.day)


def _credit(region: Region, command: requests.Credit) -> None:
    region.deposit(command.moneys, command.day, command.payment_reference)


def _payouts(region: Region, _: requests.ReadPayouts) -> Payouts:
    purses = {node_id: money for purse in region.purses.values() for node_id, money in purse.available().items()}
    entries = [PurseEntry(node_id, money) for node_id, money in sorted(purses.items()) if money > 0]
    return Payouts(payout_entries(region.payouts, region.relays), entries)


def _confirm_payout(region: Region, command: requests.ConfirmPayout) -> None:
    confirm_payout(region, command.reference, paid=command.paid)


def _register_meter(region: Region, command: requests.RegisterMeter) -> None:
    region.register_meter(command.node_id, command.meter, command.limit_w)


def _offer_once(region: Region, command: requests.OfferOnce) -> list[bool]:
    return offer_once(region, [(wanted.node_id, wanted.offer) for wanted in command.offers])


def _vote(region: Region, command: requests.Vote) -> RulesInForce:
    master = region.masters.get(command.master)
    if master is None:
        raise InvalidValue("master", command.master, f"one whose keys are kept here: {', '.join(region.masters)}")
    consortium = region.main.consortium
    master.main_wallet.send(consortium.vote(_action(region, command)))
    return read_rules_in_force(region)


def _action(region: Region, command: requests.Vote) -> Call:
    consortium, action = region.main.consortium, command.action
    match action:
        case requests.ChangeSettings():
            return _change_settings(consortium, action)
        case requests.Admit(account, role):
            return consortium.admit(account, role)
        case requests.Suspend(master):
            return consortium.suspend(_number(region, master))
        case requests.ChangeSettlementAgent(master):
            return consortium.change_settlement_agent(_number(region, master))
        case _:
            assert_never(action)


def _change_settings(consortium: Consortium, wanted: requests.ChangeSettings) -> Call:
    changes = {name: value for name, value in asdict(wanted).items() if value is not None}
    settings = replace(consortium.settings(), **changes)
    if settings.floor_ticks > settings.cap_ticks:
        remedy = Message("a price no higher than the highest, {cap}", cap=format_price(settings.cap_ticks))
        raise InvalidValue("floor", format_price(settings.floor_ticks), remedy)
    return consortium.change_settings(settings)


def _number(region: Region, master: str) -> int:
    names = [own.name for own in region.spec.masters]
    if master not in names:
        raise InvalidValue("master", master, Message("one of {names}", names=", ".join(names)))
    return names.index(master) + 1


# Beside it


def _signing_context(region: Region, command: requests.ReadSigningContext) -> SigningContext:
    master = region.master_of(command.node_id)
    ledger = master.slave.ledger
    return SigningContext(
        node_id=command.node_id,
        location=master.nodes[command.node_id].spec.location,
        chain_id=ledger.chain_id,
        ledger=f"0x{ledger.address.hex()}",
        nonce=ledger.chain.next_nonce(command.author),
        gas_limit=GAS_LIMIT,
        readers=[key.hex() for key in master.encryption_node.readers],
    )


def _rules(region: Region, _: requests.ReadRules) -> RulesInForce:
    return read_rules_in_force(region)


# For the regulator


def _trace(region: Region, command: requests.TraceTrade) -> TraceReport:
    traced = region.regulator.trace(command.trade)
    return TraceReport(trace_view(traced), trace_document(traced), trace_page(traced, command.language))


def _audit(region: Region, _: requests.Audit) -> list[str]:
    return region.regulator.audit()


_OWNER: Mapping[type, Handler] = {
    requests.OpenDay: _open_day,
    requests.Credit: _credit,
    requests.ReadPayouts: _payouts,
    requests.ConfirmPayout: _confirm_payout,
    requests.RegisterMeter: _register_meter,
    requests.ReadAssets: chain_views.read_assets,
    requests.OfferOnce: _offer_once,
    requests.Vote: _vote,
}
_READER: Mapping[type, Handler] = {
    requests.ReadSigningContext: _signing_context,
    requests.ReadRules: _rules,
    requests.ReadBlock: chain_views.read_block,
    requests.ReadTransaction: chain_views.read_transaction,
    requests.OpenRecord: chain_views.read_record,
}
_REGULATOR: Mapping[type, Handler] = {requests.TraceTrade: _trace, requests.Audit: _audit}
