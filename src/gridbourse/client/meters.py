"""Requests about meters, their readings, and what nodes offer by themselves."""

from __future__ import annotations

from collections.abc import Sequence
from types import NoneType
from urllib.parse import quote

from gridbourse.api.meter_schema import AutomaticOffer, MeterView, PeriodReading, ReadingReceipt
from gridbourse.client.request import Request, get, put
from gridbourse.crypto.keys import Address
from gridbourse.metering.reading import SignedReading


def meters() -> Request[list[MeterView]]:
    """The meters of your nodes, and when each was heard last."""
    return get("/meters", list[MeterView])


def register(node_id: str, meter: Address, limit_w: int) -> Request[None]:
    """As master: enter the meter at the connection of one of your nodes, which carries at most `limit_w` W."""
    return put(f"{_node(node_id)}/meter", NoneType, {"meter": f"0x{meter.hex()}", "limit_w": limit_w})


def hand_in(readings: Sequence[SignedReading]) -> Request[ReadingReceipt]:
    """Hand in signed readings; sent twice, they are taken once."""
    body = {"readings": [f"0x{reading.to_bytes().hex()}" for reading in readings]}
    return Request("POST", "/readings", ReadingReceipt, body=body, is_repeatable=True)


def readings(node_id: str, day: int | None = None) -> Request[list[PeriodReading]]:
    """What a node's meter counted on a day, by delivery period, and what it lets expect; today by default."""
    return get(f"{_node(node_id)}/readings", list[PeriodReading], day=day)


def automatic_offers(node_id: str, day: int | None = None) -> Request[list[AutomaticOffer]]:
    """What a node offered by itself on a day, and why nothing where it offered nothing; today by default."""
    return get(f"{_node(node_id)}/automatic-offers", list[AutomaticOffer], day=day)


def _node(node_id: str) -> str:
    return f"/nodes/{quote(node_id, safe='')}"
