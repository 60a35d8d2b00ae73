"""A whole story, in each language: two people in two browsers make two deals, one comes off, a third traces it."""

import pytest
from small_market import PERIOD
from test_metering import counted

from gridbourse.crypto.keys import SigningKey
from gridbourse.delivery import date_text
from gridbourse.metering.meter import Meter
from gridbourse.node.connections import register_meter


def place(visitor, side, kwh, price, energy_type=None, period=PERIOD):
    t, page = visitor.t, visitor.page
    visitor.go(f"/market?period={period}")
    page.get_by_label(t(f"side.{side}"), exact=True).check(force=True)
    if energy_type:
        page.locator("#order-form").get_by_label(t(f"type.{energy_type}")).check(force=True)
    page.get_by_label(t("col.energy"), exact=True).fill(kwh)
    page.get_by_label(t("place.limit")).fill(price)
    return page.locator("[data-quote] .quote")


@pytest.mark.parametrize(("language", "name", "limits"), [("en", "Arno", "0.30"), ("zh", "Bea", "0.31")])
def test_an_owner_lets_a_node_offer_what_its_meter_lets_expect(visit, service, language, name, limits):
    owner = visit(name, language=language)
    t, page = owner.t, owner.page
    meter = Meter(SigningKey.generate())
    service.region(register_meter, name, meter.address, 17_000)
    owner.go("/energy/meter")
    owner.sees(t("meter.no_readings"))
    page.get_by_role("checkbox", name=t("meter.switch")).check()
    page.get_by_label(t("meter.lowest_sell")).fill(limits)
    owner.press("meter.keep")
    owner.sees(t("done.limits_kept"))
    owner.sees(t("offer.no_reading"), page.locator("#did"))

    # The readings come: what they let expect, and the offer that follows, come up without the owner's doing anything.
    readings = counted(meter, exported_wh=2_000)
    with service.browser(name) as program:
        answer = program.post("/readings", json={"readings": [f"0x{one.to_bytes().hex()}" for one in readings]})
    assert answer.json() == {"accepted": len(readings), "repeated": 0}
    owner.sees(t("offer.offered"), page.locator("#did"))
    page.locator(f"#did data[value='{limits[2:]}00']").first.wait_for()
    page.locator("#readings [data-expected] data[value='2000']").first.wait_for()
    page.locator('[data-chart="meter"] canvas').wait_for()
    owner.sees(t("meter.heard_now"), page.locator("#meters"))
    owner.go(
        f"/energy/meter?day={date_text(readings[-1].reading.period // 96)}"
    )  # in the day's first minutes, yesterday
    page.locator("#readings [data-surplus] data[value='2000']").first.wait_for()


def send(visitor):
    visitor.press("place.review")
    visitor.sees(visitor.t("place.review_hint"))
    visitor.press("place.send")
    visitor.sees(visitor.t("done.order_placed"))


# The tests' names are the same on both sides of midnight, when several processes read them.
@pytest.mark.parametrize(("language", "period"), [("en", PERIOD), ("zh", PERIOD + 1)], ids=["en", "zh"])
def test_two_people_trade_and_the_regulator_traces_it(visit, service, language, period):
    anna, bert = visit("Anna", language=language), visit("Bert", language=language)
    t = anna.t
    first = service.exchange.index.trades.count() + 1

    # Bert watches the market while Anna places her order: it comes up without his doing anything.
    quote = place(bert, "bid", "1.5", "0.37", period=period)
    quote.get_by_text(t("quote.at_once")).wait_for()
    place(anna, "ask", "2", "0.36", "pv", period)
    send(anna)
    bert.page.locator("#book .asks data[value='3600']").wait_for()

    # What will happen is said before it is sent: he pays the seller's price.
    quote.get_by_text("0.54").first.wait_for()
    send(bert)

    # Both confirm; each sees where the deal stands without loading the page anew.
    rows = {}
    for visitor, side in ((anna, "ask"), (bert, "bid")):
        visitor.go("/energy")
        rows[visitor] = visitor.page.locator(f"#open-deals [data-key='deal-{first}-{side}']")
        assert rows[visitor].locator("[data-countdown]").inner_text() != t("energy.time_over")
    anna.press("energy.confirm", rows[anna])
    anna.sees(t("done.confirmed"))
    rows[bert].get_by_text(t("answer.confirmed")).wait_for()
    bert.press("energy.confirm", rows[bert])
    for visitor, side in ((anna, "ask"), (bert, "bid")):
        visitor.page.locator(f"#deals [data-key='deal-{first}-{side}-settled'] .tag.good").wait_for()

    # The trade stands on the main chain and on the slave chain of each, anchored.
    for visitor, chain in ((anna, "roofs"), (bert, "grid")):
        visitor.go(f"/chains/deal/{first}")
        visitor.sees(t("chains.slave_of", name=chain))
        proofs = visitor.page.locator("#slave-records").get_by_text(t("record.to_proof"))
        proofs.nth(3).wait_for()
        proofs.first.click()
        visitor.sees(t("proof.holds"))
        visitor.go("/chains")
        visitor.page.locator(".strips .block").first.wait_for()

    # The rest of Anna's offer meets another bid; Anna abandons, and nothing moves.
    place(bert, "bid", "0.5", "0.36", period=period)
    send(bert)
    anna.go("/energy")
    anna.press("energy.abandon", anna.page.locator(f"#open-deals [data-key='deal-{first + 1}-ask']"))
    anna.sees(t("done.abandoned"))
    anna.page.locator(f"#deals [data-key='deal-{first + 1}-ask-abandoned'] .tag.bad").wait_for()

    regulator = visit("regulator", language=language)
    regulator.go("/audit")
    regulator.page.get_by_label(t("audit.search_hint")).fill(str(first))
    regulator.press("audit.find")
    regulator.page.locator("main a").filter(has_text="Anna").first.click()
    regulator.sees(t("trace.holds"))
    assert regulator.page.locator(".verdicts li").count() == 18
    assert regulator.page.locator(".verdicts li.fails").count() == 0
    regulator.sees("Roof 1")
    regulator.sees("House 3")
    regulator.go("/audit")
    regulator.press("audit.check_now")
    regulator.sees(t("audit.holds"))


def test_an_order_is_placed_with_the_keyboard_alone(visit):
    bea = visit("Bea")
    bea.go(f"/market?period={PERIOD + 2}")
    keyboard, page = bea.page.keyboard, bea.page

    def tab_to(condition, presses=80):
        for _ in range(presses):
            keyboard.press("Tab")
            if page.evaluate(f"(() => {{ const it = document.activeElement; return Boolean({condition}) }})()"):
                return
        pytest.fail(f"the keyboard does not reach {condition}")

    keyboard.press("Tab")
    assert page.evaluate("document.activeElement.hash") == "#content"
    keyboard.press("Enter")
    tab_to("it.name === 'side'")
    keyboard.press("Space")
    tab_to("it.value === 'hydro'")
    keyboard.press("Space")
    tab_to("it.name === 'energy_kwh'")
    keyboard.type("3")
    tab_to("it.name === 'price_yuan_per_kwh'")
    keyboard.type("0.31")
    keyboard.press("Enter")
    bea.sees(bea.t("place.review_hint"))
    tab_to("it.value === 'place'")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    keyboard.press("Enter")
    bea.sees(bea.t("done.order_placed"))
    bea.page.locator("#orders").get_by_text("hydro").wait_for()


def test_who_keeps_a_key_in_a_wallet_signs_in_with_it(visit, service):
    from eth_account import Account
    from eth_account.messages import encode_defunct

    from gridbourse.node.folder.key_rotation import RegionKeys

    secret = RegionKeys(service.folder).nodes.load_node("Arno").signing.secret
    wallet = Account.from_key(secret)
    arno = visit()

    def request(call):
        if call["method"] == "eth_requestAccounts":
            return [wallet.address]
        assert call["method"] == "personal_sign"
        text, address = call["params"]
        assert address == wallet.address
        signed = wallet.sign_message(encode_defunct(hexstr=text))
        return "0x" + signed.signature.hex().removeprefix("0x")

    arno.page.expose_function("askWallet", request)
    arno.page.add_init_script("window.ethereum = { request: (call) => window.askWallet(call) }")
    arno.go("/sign-in?next=/energy/orders")
    arno.press("sign_in.with_wallet")
    arno.page.wait_for_url(f"{arno.url}/energy/orders")
    arno.page.locator(".account").get_by_text("Arno").wait_for()
