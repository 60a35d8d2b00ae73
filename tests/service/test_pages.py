"""The pages without JavaScript: what they say, to whom, and that every form works as it is."""

import html
import re
from contextlib import contextmanager

import httpx
import pytest
from small_market import DAY, PERIOD, ask, bid

from gridbourse.delivery import date_text
from gridbourse.node.settling.settle_day import settle_day
from gridbourse.service.settings import ServiceSettings
from gridbourse.text import read_translation
from gridbourse.units import PERIODS_IN_24_HOURS
from gridbourse.web.formats import kwh, price, yuan
from service import PASSWORD, Service, until

DAY_PERIODS = range(DAY * PERIODS_IN_24_HOURS, (DAY + 1) * PERIODS_IN_24_HOURS)
METER_PAGE = f"/energy/meter?day={date_text(DAY)}"
OPEN_PAGES = ("/", "/sign-in", "/market", f"/market?period={PERIOD}&type=pv", "/chains", "/network")
NODE_PAGES = (
    *OPEN_PAGES,
    "/energy",
    "/energy/orders",
    "/energy/account",
    METER_PAGE,
    f"/energy/statement?day={date_text(DAY)}",
    "/chains/main",
    "/chains/main/blocks/1",
    "/chains/roofs",
    "/chains/roofs/records/0",
)


@contextmanager
def visitor(service, name=None, language="en"):
    headers = {"Accept-Language": language, "Origin": service.url}
    with httpx.Client(base_url=service.url, headers=headers, follow_redirects=True, timeout=30) as client:
        if name:
            answer = client.post("/sign-in", data={"account": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
        yield client


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize(("name", "pages"), [(None, OPEN_PAGES), ("Anna", NODE_PAGES), ("roofs", NODE_PAGES)])
def test_every_page_is_there_in_both_languages(shared, name, pages, language):
    with visitor(shared, name, language) as client:
        for page in pages:
            answer = client.get(page)
            assert answer.status_code == 200, f"{page}: {answer.text}"
            assert f'lang="{"zh-CN" if language == "zh" else "en"}"' in answer.text
            assert not re.search(
                r"<[^>]* style=|<style|<script(?! (?:defer |type=\"module\" )src=)| on\w+=", answer.text
            )


def test_an_order_is_reviewed_before_it_is_sent_and_sent_once(service):
    form = {"period": PERIOD, "side": "bid", "energy_kwh": "1.5", "price_yuan_per_kwh": "0.37"}
    with visitor(service, "Bert") as client, service.browser("Anna") as seller:
        seller.post("/orders", json=ask(energy_wh=1_000, price_ticks=3_600))
        review = client.post("/market/order", data=form)
        said = text_of(review.text)
        assert "Best sell price now 0.3600 yuan/kWh" in said
        assert "Agreed at once 1 kWh" in said
        assert "Waits in the book 0.5 kWh" in said
        key = re.search(r'name="idempotency_key" value="([0-9a-f]+)"', review.text)[1]
        for _ in range(2):
            sent = client.post("/market/order", data=form | {"step": "place", "idempotency_key": key})
            assert "Your order is in the market." in sent.text
        assert len(re.findall('data-key="order-', sent.text)) == 1


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"energy_kwh": "0"}, "Give an energy of more than 0 kWh"),
        ({"energy_kwh": "1,5"}, "Give an energy of more than 0 kWh"),
        ({"price_yuan_per_kwh": "9"}, "Give a price from 0 to 6.5535"),
        ({"side": "ask"}, "Selling, choose exactly one energy type."),
    ],
)
def test_a_wrong_field_is_named_beside_it_and_nothing_entered_is_lost(shared, wrong, said):
    form = {"period": PERIOD, "side": "bid", "energy_kwh": "1.25", "price_yuan_per_kwh": "0.3712"} | wrong
    with visitor(shared, "Bert") as client:
        answer = client.post("/market/order", data=form)
        assert answer.status_code == 422
        assert said in answer.text
        assert f'value="{form["energy_kwh"]}"' in answer.text
        assert f'value="{form["price_yuan_per_kwh"]}"' in answer.text


def test_a_deal_is_confirmed_and_settled_and_stands_in_the_statement(service):
    with visitor(service, "Anna") as anna, visitor(service, "Bert") as bert:
        with service.browser("Anna") as seller, service.browser("Bert") as buyer:
            seller.post("/orders", json=ask())
            buyer.post("/orders", json=bid())
        for client in (anna, bert):
            assert "Confirm" in client.get("/energy").text
            assert "Confirmed." in client.post("/energy/deals/1", data={"answer": "confirm"}).text
        until(lambda: "settled" in anna.get("/energy").text)
        day = date_text(DAY)
        assert "0.36" in text_of(bert.get(f"/energy/statement?day={day}").text)
        page = bert.get(f"/energy/statement?day={day}").text
        for file, begins in (("csv", b"\xef\xbb\xbfnode,node_name,item,deal"), ("pdf", b"%PDF-")):
            link = html.unescape(re.search(rf'href="(/api/v1/statements/{DAY}\.{file}[^"]*)"', page)[1])
            assert bert.get(link).content.startswith(begins)
        until(lambda: "Inclusion proof" in bert.get("/chains/deal/1").text)
    with visitor(service, "regulator", "zh") as regulator:
        for page in ("/audit/deals/1", "/audit/deals/1.html"):
            assert "卖出光伏 1 千瓦时" in regulator.get(page).text


def test_an_order_is_amended_and_cancelled(service):
    with visitor(service, "Anna") as anna, service.browser("Anna") as api:
        order = api.post("/orders", json=ask()).json()["order_id"]
        form = anna.get(f"/energy/orders/{order}").text
        assert 'name="energy_kwh"' in form
        assert 'value="0.36"' in form
        wrong = anna.post(f"/energy/orders/{order}", data={"energy_kwh": "0", "price_yuan_per_kwh": "0.4"})
        assert wrong.status_code == 422
        assert 'value="0.4"' in wrong.text
        amended = anna.post(f"/energy/orders/{order}", data={"energy_kwh": "0.8", "price_yuan_per_kwh": "0.4"})
        assert "The order is amended." in amended.text
        assert "0.4000" in amended.text
        order = api.get("/orders", params={"status": "waiting"}).json()["items"][0]["order_id"]
        cancelled = anna.post(f"/energy/orders/{order}/cancel")
        assert "The order is withdrawn." in cancelled.text
        assert not re.search(r"/energy/orders/[0-9a-f]{16}", cancelled.text)


def test_a_payment_that_is_entered_twice_is_credited_once(shared):
    form = {"node_id": "Arno", "day": date_text(DAY), "yuan": "12.5", "payment": "2026/11-0815"}
    with visitor(shared, "grid") as grid, shared.browser("Arno") as arno:
        for _ in range(2):
            assert "The deposit is credited." in grid.post("/network/deposits", data=form).text
        assert arno.get("/deposits", params={"day": DAY}).json()[0]["free_money"] == 125_000_000
        grid.post("/network/deposits", data=form | {"payment": "another"})
        assert arno.get("/deposits", params={"day": DAY}).json()[0]["free_money"] == 250_000_000


def test_automatic_offering_is_switched_on_and_off(shared):
    limits = {
        "energy_type": "pv",
        "lowest_sell": "0.31",
        "highest_buy": "0.42",
        "reserve": "0.5",
        "share_percent": "80",
    }
    with visitor(shared, "Arno") as arno:
        assert 'value="0.0100"' in arno.get("/energy/meter").text
        page = arno.post("/energy/limits", data=limits | {"active": "yes"}).text
        assert "The limits are in force." in page
        assert 'value="0.3100"' in page
        assert ">on</span>" in page
        assert ">off</span>" in arno.post("/energy/limits", data=limits).text


def test_metered_energy_is_shown_beside_what_was_traded_and_a_silent_meter_raises_an_alarm(service):
    with service.browser("Anna") as seller, service.browser("Bert") as buyer:
        seller.post("/orders", json=ask())
        buyer.post("/orders", json=bid())
        for client in (seller, buyer):
            client.post("/deals/1/confirm")
        until(lambda: seller.get("/deals/1").json()["status"] == "settled")
    fed_in = [None if period == PERIOD + 1 else 1_200 if period == PERIOD else 0 for period in DAY_PERIODS]
    still = [0] * len(DAY_PERIODS)
    metered = {"Anna": fed_in, "Arno": still, "Bert": still, "Bea": still}
    service.region(settle_day, DAY_PERIODS, metered)
    with visitor(service, "Anna") as anna, visitor(service, "regulator") as regulator:
        shown = until(lambda: re.search(r"12:00–12:15 (1.2 0 1.2 1 0 0.2)", text_of(anna.get(METER_PAGE).text)))
        assert shown
        assert "Overdue meter: Anna" in text_of(regulator.get("/audit").text)


@pytest.mark.parametrize(
    ("name", "page", "status"),
    [
        (None, "/energy", 401),
        (None, "/audit", 401),
        ("Anna", "/audit", 403),
        ("Anna", "/chains/grid/records/0", 403),
        ("Anna", "/energy?node=Bert", 404),
        ("Anna", "/chains/main/blocks/999999", 404),
        ("Anna", "/chains/none", 404),
        (None, "/no/such/page", 404),
        (None, "/market?day=yesterday", 422),
        (None, "/market?period=-1", 422),
    ],
)
def test_what_cannot_be_shown_is_said_on_a_page(shared, name, page, status):
    with visitor(shared, name) as client:
        answer = client.get(page)
        assert answer.status_code == status
        assert answer.headers["content-type"].startswith("text/html")
        assert "<h1>" in answer.text


@pytest.mark.parametrize(
    ("path", "status"),
    [("/", 200), ("/market", 200), ("/static/console.css", 200), ("/energy", 401), ("/no/such/page", 404)],
)
def test_head_answers_like_get_without_the_body(shared, path, status):
    with visitor(shared) as client:
        head, whole = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (status, b"")
    assert whole.status_code == status
    assert head.headers["content-type"] == whole.headers["content-type"]
    assert int(head.headers["content-length"]) > 0


def test_the_head_of_an_endless_stream_ends(shared):
    watching = shared.exchange.feed.watchers
    assert httpx.head(f"{shared.url}/api/v1/events").headers["content-type"].startswith("text/event-stream")
    until(lambda: shared.exchange.feed.watchers == watching)


def test_the_spread_is_that_of_orders_that_could_meet(shared, period):
    with shared.browser("Anna") as seller, shared.browser("Bert") as buyer:
        seller.post("/orders", json=ask(price_ticks=3_400, period=period, energy_types=["wind"]))
        buyer.post("/orders", json=bid(price_ticks=3_700, period=period, energy_types=["pv"]))
        book = f"/market/periods/{period}/book"
        assert buyer.get(book).json()["spread_ticks"] is None
        with visitor(shared) as client:
            assert "no bid accepts what is offered" in client.get(f"/market?period={period}").text
        seller.post("/orders", json=ask(price_ticks=3_950, period=period))
        assert buyer.get(book).json()["spread_ticks"] == 250
        assert buyer.get(book, params={"energy_type": "wind"}).json()["spread_ticks"] is None


def test_a_problem_before_any_page_is_told_on_a_page_to_people_and_as_a_document_to_programs(shared):
    with visitor(shared, "Anna", "zh") as client:
        for answer, status in (
            (client.post("/market"), 405),
            (client.get("/static/none.css"), 404),
            (client.post("/energy/limits", content=b" " * 300_000), 413),
        ):
            assert answer.status_code == status
            assert answer.headers["content-type"].startswith("text/html")
            assert f"<h1>{read_translation('zh')(f'status.{status}')}</h1>" in answer.text
        assert client.get("/api/v1/none").headers["content-type"] == "application/problem+json"


def test_who_tries_too_many_passwords_is_told_so_on_a_page(folder):
    service = Service(folder, ServiceSettings(sign_ins_per_minute=2)).start()
    try:
        with visitor(service) as client:
            tries = [client.post("/sign-in", data={"account": "Anna", "password": "guess"}) for _ in range(3)]
        assert [answer.status_code for answer in tries] == [401, 401, 429]
        assert int(tries[-1].headers["retry-after"]) > 0
        assert "Too many requests; wait" in tries[-1].text
    finally:
        service.stop()


@pytest.mark.parametrize(
    ("language", "wrong", "said"),
    [
        ("en", {"cooling_off_seconds": "soon"}, "Cooling-off time: give a whole number. Go back and try again."),
        ("zh", {"gate_lead_seconds": "-1"}, "交割前截止申报：应不小于 0。请返回重试。"),
    ],
)
def test_a_field_that_is_not_as_the_form_has_it_is_named(shared, language, wrong, said):
    form = {"cooling_off_seconds": "1", "gate_lead_seconds": "1", "floor_yuan_per_kwh": "0.1", "cap_yuan_per_kwh": "1"}
    with visitor(shared, "grid", language) as client:
        answer = client.post("/network/votes/settings", data=form | wrong)
    assert answer.status_code == 422
    assert said in answer.text


@pytest.mark.parametrize(("failing", "kind"), [("book", "text/html"), ("settings", "application/problem+json")])
def test_a_fault_of_the_service_is_told_even_if_no_page_can_be_made(shared, monkeypatch, failing, kind):
    def fail(*_, **__):
        raise RuntimeError("secret")

    with visitor(shared, "Anna") as client:
        monkeypatch.setattr(shared.exchange.market, failing, fail)
        answer = client.get("/market")
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    assert "its log says why" in answer.text
    assert "secret" not in answer.text


def test_a_form_of_another_site_is_refused(shared):
    with visitor(shared, "Anna") as client:
        client.headers["Origin"] = "https://elsewhere.example"
        for path, data in (
            ("/market/order", {"period": PERIOD, "side": "bid", "energy_kwh": "1", "price_yuan_per_kwh": "0.3"}),
            ("/energy/deals/1", {"answer": "abandon"}),
            ("/sign-out", {}),
        ):
            assert client.post(path, data=data).status_code == 403


@pytest.mark.parametrize(
    "elsewhere", ["https://elsewhere.example", "//elsewhere.example", "/\\elsewhere", "javascript:1"]
)
def test_signing_in_leads_nowhere_else(shared, elsewhere):
    with visitor(shared) as client:
        form = {"account": "Anna", "password": PASSWORD, "next": elsewhere}
        answer = client.post("/sign-in", data=form, follow_redirects=False)
        assert answer.headers["location"] == "/"


def test_language_and_colours_are_kept(shared):
    with visitor(shared) as client:
        page = client.post("/preferences", data={"language": "zh", "next": "/market"})
        assert 'lang="zh-CN"' in page.text
        assert page.url.path == "/market"
        assert 'data-theme="dark"' in client.post("/preferences", data={"theme": "dark"}).text
        assert "data-theme" not in client.post("/preferences", data={"theme": "auto"}).text


def test_numbers_are_shown_rounded_and_kept_exact():
    assert kwh(1_234_500) == '<data value="1234500">1,234.5</data>'
    assert kwh(-20) == '<data value="-20">-0.02</data>'
    assert price(3_600) == '<data value="3600">0.3600</data>'
    assert yuan(123_449_999) == '<data value="123449999">12.34</data>'
    assert yuan(123_450_000) == '<data value="123450000">12.35</data>'
    assert yuan(-1) == '<data value="-1">0.00</data>'
