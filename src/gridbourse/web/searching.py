"""What a search found, and where a page shows it."""

from __future__ import annotations

from urllib.parse import quote

from gridbourse.api.chain_schema import SearchHit
from gridbourse.service.rights import Kind
from gridbourse.web.frame import Frame


async def found_by(frame: Frame, text: str) -> list[tuple[SearchHit, str]]:
    """What the reader finds by a text, each with its page; nothing by an empty text."""
    hits = await frame.exchange.search.search(frame.principal, text) if text.strip() else []
    return [(hit, _link(frame, hit)) for hit in hits]


def _link(frame: Frame, hit: SearchHit) -> str:
    key, chain = quote(hit.key), quote(hit.chain or "")
    match hit.kind:
        case "deal":
            return f"/audit/deals/{key}" if frame.principal.kind is Kind.REGULATOR else f"/chains/deal/{key}"
        case "order":
            return f"/chains/record/{frame.exchange.trading.order(frame.principal, hit.key).record_leaf}"
        case "node" | "trader":
            return f"/energy/orders?node={key}"
        case _:
            return f"/chains/{chain}/{hit.kind}s/{key}"
