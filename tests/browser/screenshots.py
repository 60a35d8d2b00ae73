"""Pictures of every page, for the docs: `make screenshots` writes them to docs/images/console."""

import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from browsing import DESK, PHONE, Visit, launched
from PIL import Image
from playwright.sync_api import sync_playwright
from valley import NOON, open_valley, trade_a_while

FOLDER = Path(__file__).parents[2] / "docs" / "images" / "console"
COLOURS = 96


class Shot(NamedTuple):
    """A picture: its name, the page, and who looks at it how."""

    name: str
    path: str
    actor: str | None = None
    language: str = "en"
    scheme: str = "light"
    size: tuple[int, int] = DESK


SHOTS = (
    Shot("home", "/"),
    Shot("home-zh", "/", language="zh", scheme="dark"),
    Shot("sign-in", "/sign-in"),
    Shot("market", f"/market?period={NOON}", "Home 01"),
    Shot("market-zh", f"/market?period={NOON}", "Home 01", language="zh"),
    Shot("market-dark", f"/market?period={NOON}", "Home 01", scheme="dark"),
    Shot("market-phone", f"/market?period={NOON}", "Home 01", size=PHONE),
    Shot("review", "review", "Home 01"),
    Shot("deals", "/energy", "Home 01"),
    Shot("deals-zh-phone", "/energy", "Home 01", language="zh", size=PHONE),
    Shot("orders", "/energy/orders", "Roof 01"),
    Shot("account", "/energy/account?day={day}", "Factory 01"),
    Shot("meter", "/energy/meter", "Roof 01"),
    Shot("meter-zh", "/energy/meter", "Roof 01", language="zh", scheme="dark"),
    Shot("statement", "/energy/statement?day={day}", "Factory 01"),
    Shot("chains", "/chains", "aggregator"),
    Shot("chains-zh-dark", "/chains", "aggregator", language="zh", scheme="dark"),
    Shot("chain", "/chains/aggregator", "aggregator"),
    Shot("block", "/chains/main/blocks/{block}", "aggregator"),
    Shot("transaction", "transaction", "aggregator"),
    Shot("record", "record", "Roof 01"),
    Shot("record-sealed", "/chains/aggregator/records/1", "Roof 01"),
    Shot("proof", "/chains/aggregator/records/4/proof", "aggregator"),
    Shot("deal", "deal", "Home 01"),
    Shot("network", "/network", "grid"),
    Shot("network-zh-phone", "/network", "aggregator", language="zh", size=PHONE),
    Shot("audit", "/audit?q=roof", "regulator"),
    Shot("trace", "/audit/deals/3", "regulator"),
    Shot("trace-zh-dark", "/audit/deals/3", "regulator", language="zh", scheme="dark"),
)


@dataclass
class Sights:
    """Where there is something to see."""

    url: str
    day: str
    block: int


def go_to(page, shot, sights):
    """Bring a page in front of the camera."""
    path = {
        "review": f"/market?period={NOON}",
        "transaction": f"/chains/main/blocks/{sights.block}",
        "record": "/energy/orders",
        "deal": "/energy",
    }.get(shot.path, shot.path)
    page.goto(sights.url + path.format(day=sights.day, block=sights.block), wait_until="load")
    if shot.path == "review":
        page.get_by_label("Energy", exact=True).fill("55")
        page.get_by_label("Price limit").fill("0.3650")
        page.get_by_role("button", name="Review order").click()
    elif shot.path == "transaction":
        page.locator("tbody th a").last.click()
    elif shot.path in {"record", "deal"}:
        page.locator('tbody a[href^="/chains/"]').last.click()
    elif shot.path.startswith("/market") and page.locator("#energy_kwh").count():
        page.locator("#energy_kwh").fill("55")
        page.locator("#price").fill("0.3650")
        page.locator("[data-quote] .quote").wait_for()
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(350)


def save(png: bytes, path: Path) -> None:
    """Write a picture with few colours, which is all that a page has."""
    picture = Image.open(BytesIO(png)).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def take(url: str, day: str, block: int, folder: Path, names: set[str]) -> None:
    """Take the pictures."""
    sights = Sights(url, day, block)
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, launched(playwright) as browser:
        for shot in SHOTS:
            if names and shot.name not in names:
                continue
            visit = Visit(browser, url, shot.actor, language=shot.language, scheme=shot.scheme, size=shot.size)
            go_to(visit.page, shot, sights)
            save(visit.page.screenshot(full_page=shot.size is not PHONE), folder / f"{shot.name}.png")
            visit.close()


def main() -> None:
    """Make the region, let it trade, and take the pictures that are named, or all."""
    from gridbourse.delivery import date_text

    with tempfile.TemporaryDirectory() as folder:
        service = open_valley(Path(folder) / "region")
        try:
            trade_a_while(service)
            block = service.exchange.index.chains.anchors("aggregator")[0].height
            take(service.url, date_text(NOON // 96), block, FOLDER, set(sys.argv[1:]))
        finally:
            service.stop()


if __name__ == "__main__":
    main()
