"""Every page in a real browser: for everybody's eyes and hands, on a phone, and under attack."""

from pathlib import Path

import pytest
from browsing import DESK, EVIL, PHONE
from small_market import DAY, PERIOD

from gridbourse.delivery import date_text

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
MARKET = f"/market?period={PERIOD + 8}"
PAGES = {
    None: ["/", "/sign-in", MARKET, "/chains", "/network", "/no/such/page"],
    "Anna": [
        MARKET,
        "/energy",
        "/energy/orders",
        f"/energy/account?day={date_text(DAY)}",
        "/energy/meter",
        f"/energy/statement?day={date_text(DAY)}",
        "/energy/month",
        "/energy/community",
        "/chains",
        "/chains/roofs",
        "/chains/main/blocks/1",
        "/chains/roofs/records/{own}",
        "/chains/roofs/records/{own}/proof",
        "/chains/roofs/records/1",
        "/chains/deal/{deal}",
    ],
    "grid": ["/network", "/energy", "/energy/orders"],
    "regulator": ["/audit?q=e", "/audit/deals/{deal}", "/network", "/chains/grid/records/3"],
}


@pytest.fixture(scope="module")
def sights(service):
    """Something on every page: waiting orders, a deal that waits for answers, one that is settled."""
    with service.browser("Anna") as anna, service.browser("Bert") as bert:
        for turn, price in enumerate((3_500, 3_600, 3_650)):
            ask = {"side": "ask", "energy_types": ["pv"], "period": PERIOD + 8, "energy_wh": 2_000}
            leaf = anna.post("/orders", json=ask | {"price_ticks": price}).json()["record_leaf"]
            bid = {"side": "bid", "period": PERIOD + 8, "energy_wh": 1_500, "price_ticks": price - 100 * turn}
            bert.post("/orders", json=bid)
        deals = [deal["deal_id"] for deal in anna.get("/deals").json()["items"]]
        for client in (anna, bert):
            client.post(f"/deals/{deals[0]}/confirm")
        own = anna.get("/chains/roofs/records?kind=order").json()["items"][-1]["index"]
    assert leaf
    return {"own": own, "deal": deals[0]}


def pages_of(name, sights):
    return [page.format(**sights) for page in PAGES[name]]


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed; `make tests/browser/node_modules` installs it")
@pytest.mark.parametrize(
    ("name", "language", "scheme"),
    [*((name, "en", "light") for name in PAGES), (None, "zh", "dark"), ("Anna", "zh", "dark")],
)
def test_axe_finds_no_barrier(visit, sights, name, language, scheme):
    visitor, barriers = visit(name, language=language, scheme=scheme), []
    for page in pages_of(name, sights):
        visitor.go(page)
        visitor.page.evaluate(AXE.read_text("utf-8"))
        found = visitor.page.evaluate("rules => axe.run({ runOnly: rules })", RULES)
        barriers += [(page, one["id"], one["help"], one["nodes"][0]["html"][:250]) for one in found["violations"]]
    assert barriers == []


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_shows_every_page_without_scrolling_sideways(visit, sights, name):
    visitor = visit(name, size=PHONE)
    for page in pages_of(name, sights):
        visitor.go(page)
        wide = visitor.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= PHONE[0], page
        ends = visitor.page.evaluate(
            "[...document.querySelectorAll('.tabs a')].map(one => one.getBoundingClientRect().right)"
        )
        assert all(end <= PHONE[0] for end in ends), page


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", [None, "Anna"])
def test_a_desk_shows_every_table_whole(visit, sights, name, language):
    visitor = visit(name, language=language, size=DESK)
    for page in pages_of(name, sights):
        visitor.go(page)
        cut = "[...document.querySelectorAll('.table')].filter(one => one.scrollWidth > one.clientWidth + 1).length"
        assert visitor.page.evaluate(cut) == 0, page


@pytest.mark.parametrize("path", ["/energy", "/energy/orders"])
def test_a_tablet_shows_what_is_to_be_done_without_scrolling(visit, sights, path):
    visitor = visit("Anna", size=(768, 1024))
    visitor.go(path)
    button = visitor.page.locator("td.actions button").first.bounding_box()
    assert button["x"] + button["width"] <= 768


def test_what_somebody_writes_is_shown_as_text_wherever_it_turns_up(visit, sights):
    for name in ("grid", "regulator"):
        visitor = visit(name)
        for page in pages_of(name, sights):
            visitor.go(page)
            assert visitor.page.evaluate("window.hacked") is None, page
    visitor.go("/network")
    visitor.sees(EVIL[:20])


FORMS = {
    None: [("/sign-in", ["account", "password"], "frame.sign_in")],
    "Anna": [(MARKET, ["energy_kwh", "price_yuan_per_kwh"], "place.review")],
    "regulator": [("/audit", ["q"], "audit.find"), ("/audit", ["deal"], "audit.trace")],
    "grid": [
        ("/network", ["payment", "node_id", "yuan"], "network.credit"),
        ("/network", ["password", "name"], "network.open_account"),
        ("/network", ["account"], "network.vote"),
        ("/network", ["floor_yuan_per_kwh", "cap_yuan_per_kwh"], "network.vote"),
    ],
}


@pytest.mark.parametrize("name", FORMS)
def test_markup_in_a_field_comes_back_as_text(visit, name):
    visitor = visit(name)
    for path, fields, button in FORMS[name]:
        visitor.go(path)
        form = visitor.page.locator(f"input[name={fields[0]}]").first.locator("xpath=ancestor::form")
        form.evaluate("form => { form.noValidate = true }")
        for field in fields:
            at = form.locator(f"input[name={field}]")
            at.evaluate("(input, text) => { input.removeAttribute('maxlength'); input.value = text }", EVIL[:70])
        form.get_by_role("button", name=visitor.t(button)).click()
        visitor.page.wait_for_load_state()
        assert visitor.page.evaluate("window.hacked") is None
        assert visitor.page.locator("h1").is_visible()


def test_markup_in_an_address_comes_back_as_text(visit):
    visitor = visit("regulator")
    for query in ("/sign-in?next=javascript:alert(1)", f"/audit?q={EVIL}", f"/market?type={EVIL}", f"/{EVIL}"):
        visitor.go(query)
        assert visitor.page.evaluate("window.hacked") is None
        assert visitor.page.locator("a[href^='javascript'], form[action^='javascript']").count() == 0
