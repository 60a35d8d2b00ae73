"""Whoever reads Chinese reads no English: every page, as everybody, also when something is wrong."""

import re
from dataclasses import fields, is_dataclass
from html.parser import HTMLParser

import pytest
from small_market import DAY, PERIOD, SPEC, ask, bid
from test_pages import visitor

from gridbourse.delivery import date_text
from gridbourse.ledger import records
from gridbourse.node.settling.settle_day import settle_day
from gridbourse.text import read_translation
from gridbourse.units import PERIODS_IN_24_HOURS
from gridbourse.web import audit, chains, energy, home, market, network
from service import PASSWORD, until

SECTIONS = (home, market, energy, chains, network, audit)
ACTORS = (None, "Anna", "grid", "regulator")
DATE = date_text(DAY)
DAY_PERIODS = range(DAY * PERIODS_IN_24_HOURS, (DAY + 1) * PERIODS_IN_24_HOURS)

NAMES = {
    "gridbourse",
    "small",
    "English",
    "main",
    *(word for master in SPEC.masters for word in (master.name, *(node.node_id for node in master.nodes))),
    *(word for master in SPEC.masters for node in master.nodes for word in node.location.split()),
}
TERMS = {
    "UTC",
    "API",
    "CSV",
    "PDF",
    "JSON",
    "HTML",
    "JavaScript",
    "ERC",
    "RFC",
    "SHA",
    "Merkle",
    "Host",
    "kWh",
    "ID",
    "gas",
    "xzz",
}
"""What Chinese writes in Latin letters."""
UNSEEN = {"script", "style", "code", "data", "time", "pre"}
SAID = {"aria-label", "title", "placeholder", "alt", "data-say", "data-none", "data-over", "data-on", "data-off"}


class Reader(HTMLParser):
    """Takes from a page what a reader, or a screen reader, reads of its words."""

    def __init__(self, page):
        super().__init__()
        self.texts, self._unseen = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag in UNSEEN:
            self._unseen.append(tag)
        given = dict(attributes)
        self.texts += [given[name] for name in SAID & given.keys() if tag not in UNSEEN and name in given]

    def handle_endtag(self, tag):
        if self._unseen[-1:] == [tag]:
            self._unseen.pop()

    def handle_data(self, text):
        if not self._unseen:
            self.texts.append(text)


def latin(page):
    """Words of a page in Latin letters that are neither names, hashes, nor terms."""
    text = " ".join(Reader(page).texts)
    words = re.findall(r"[A-Za-z][A-Za-z_]+", re.sub(r"\b(0x)?[0-9a-f]{6,}\b|/[\w/.-]+", " ", text))
    return sorted({word for word in words if word not in NAMES | TERMS})


@pytest.fixture(scope="module")
def busy(shared):
    """Something to see on every page: deals in every state, limits, a settled day, a silent meter, a checked region."""
    with shared.browser("Anna") as seller, shared.browser("Bert") as buyer:
        for turn in range(3):
            seller.post("/orders", json=ask(price_ticks=3_600 + turn))
            buyer.post("/orders", json=bid(price_ticks=3_600 + turn))
        for client in (seller, buyer):
            client.post("/deals/1/confirm")
        buyer.post("/deals/2/abandon")
        seller.post("/orders", json=ask(price_ticks=9_500))
        seller.post("/orders", json=ask(price_ticks=3_900))
        seller.put("/limits", json=LIMITS)
        until(lambda: seller.get("/deals/1").json()["status"] == "settled")
    still = [None if period == PERIOD + 1 else 0 for period in DAY_PERIODS]
    metered = dict.fromkeys(("Anna", "Arno", "Bert"), still)
    shared.region(settle_day, DAY_PERIODS, metered)
    with shared.browser("grid") as grid, shared.browser("regulator") as regulator, shared.browser("Anna") as anna:
        grid.post("/votes/settings", json={"cooling_off_seconds": 400})
        grid.post("/votes/suspension", json={"master": "roofs"})
        regulator.post("/audit/reports")
        waiting = anna.get("/orders", params={"status": "waiting"}).json()["items"]
        until(lambda: anna.get("/chains").json()[1]["anchored_count"])
        block = grid.get("/chains/main/blocks").json()["items"][0]["height"]
        order = waiting[0]
        transactions = grid.get(f"/chains/main/blocks/{order['height']}").json()["transactions"]
        count = regulator.get("/chains").json()[1]["record_count"]
    return {
        "deal_id": 1,
        "order_id": order["order_id"],
        "leaf": order["record_leaf"],
        "height": block,
        "tx_hash": transactions[0]["hash"],
        "records": count,
    }


LIMITS = {
    "active": True,
    "energy_type": "pv",
    "accepted_types": ["wind", "pv"],
    "lowest_sell_ticks": 3_000,
    "highest_buy_ticks": 4_000,
}


def pages(sights):
    """The paths of every page that can be opened, each with something to show."""
    queries = {
        "/": [""],
        "/market": ["", f"?period={PERIOD}", f"?period={PERIOD}&type=wind", f"?day={DATE}"],
        "/market/quote": [
            f"?period={PERIOD}&side=bid&energy_kwh=1&price_yuan_per_kwh=0.4",
            f"?period={PERIOD}&side=ask&energy_kwh=1&price_yuan_per_kwh=0.4",
            f"?period={PERIOD - 10_000}&side=ask&energy_kwh=9&price_yuan_per_kwh=0.001&energy_types=pv",
        ],
        "/energy/meter": [f"?day={DATE}", "", "?node=Anna"],
        "/energy/account": [f"?day={DATE}"],
        "/energy/statement": [f"?day={DATE}", ""],
        "/chains": ["", "?q=1", "?q=a", f"?q={sights['leaf']}", f"?q={sights['tx_hash']}", "?q=nothing-there"],
        "/audit": ["", "?q=1", "?q=a", f"?q={sights['order_id']}", f"?q={sights['leaf'][:12]}"],
        "/audit/export": [f"?day={DATE}"],
        "/audit/trace": ["?deal=1"],
    }
    routes = [route for section in SECTIONS for route in section.router.routes]
    for route in (route for route in routes if "GET" in route.methods and not route.path.endswith(".json")):
        for chain in ("main", "roofs") if "{name}" in route.path else ("",):
            filled = {"name": chain, "index": 0, **sights}
            if chain == "roofs":
                filled["tx_hash"] = "0x" + "00" * 32
            path = re.sub(r"\{(\w+)\}", lambda found, filled=filled: str(filled[found[1]]), route.path)
            yield from (path + query for query in queries.get(path, [""]))
    yield from (f"/chains/roofs/records/{index}" for index in range(sights["records"]))
    yield from (f"/energy/orders?done={done}" for done in ("confirmed", "order_refused", "voted"))


@pytest.mark.parametrize("name", ACTORS)
def test_no_page_has_english_left(shared, busy, name):
    left, seen = {}, 0
    with visitor(shared, name, "zh") as client:
        for path in pages(busy):
            answer = client.get(path)
            assert answer.status_code in {200, 401, 403, 404, 409}, (path, answer.text)
            if answer.headers["content-type"].startswith("text/html"):
                seen += answer.status_code == 200
                if words := latin(answer.text):
                    left[path] = words
    assert left == {}
    assert seen > (20 if name else 8)


WRONG = [
    ("Anna", "GET", "/energy/orders/0000000000000000", {}),
    ("Anna", "GET", "/energy/orders/nonsense", {}),
    ("Anna", "GET", "/energy?node=Bert", {}),
    ("Anna", "GET", "/energy?cursor=%21%21", {}),
    ("Anna", "GET", "/energy/statement?day=yesterday", {}),
    ("Anna", "GET", "/chains/none", {}),
    ("Anna", "GET", "/chains/main/records/0", {}),
    ("Anna", "GET", "/chains/record/nohash", {}),
    ("Anna", "GET", "/chains/record/0x" + "00" * 32, {}),
    ("Anna", "GET", "/chains/deal/99", {}),
    ("Anna", "GET", "/chains/roofs/records/99999", {}),
    ("Anna", "POST", "/energy/deals/2", {"answer": "confirm"}),
    ("Anna", "POST", "/energy/deals/1", {"answer": "abandon"}),
    ("Anna", "POST", "/energy/deals/1", {"answer": "perhaps"}),
    ("Anna", "POST", "/energy/orders/0000000000000000/cancel", {}),
    (
        "Anna",
        "POST",
        "/energy/limits",
        LIMITS_FORM := {
            "energy_type": "pv",
            "lowest_sell": "a",
            "highest_buy": "0.4",
            "reserve": "0",
            "share_percent": "80",
        },
    ),
    ("Anna", "POST", "/energy/limits", LIMITS_FORM | {"lowest_sell": "0.3", "reserve": "-1"}),
    ("Anna", "POST", "/energy/limits", LIMITS_FORM | {"share_percent": "800"}),
    ("Anna", "POST", "/energy/payouts", {"yuan": "much", "payee": "1"}),
    ("Anna", "POST", "/energy/payouts", {"yuan": "0", "payee": "1"}),
    ("Anna", "POST", "/energy/payouts", {"yuan": "1", "payee": ""}),
    ("grid", "POST", "/energy/payouts", {"yuan": "1", "payee": "1"}),
    ("Anna", "POST", "/market/order", {"period": PERIOD, "side": "ask", "energy_kwh": "1", "price_yuan_per_kwh": "1"}),
    ("grid", "POST", "/market/order", {"period": PERIOD, "side": "bid", "energy_kwh": "1", "price_yuan_per_kwh": "1"}),
    ("grid", "POST", "/network/accounts", {"name": "Bert", "node_id": "Bert", "password": PASSWORD}),
    ("grid", "POST", "/network/accounts", {"name": "x", "node_id": "Anna", "password": PASSWORD}),
    ("grid", "POST", "/network/accounts/close", {"name": "nobody"}),
    ("grid", "POST", "/network/deposits", {"node_id": "Eve", "day": DATE, "yuan": "1", "payment": "1"}),
    ("grid", "POST", "/network/deposits", {"node_id": "Anna", "day": DATE, "yuan": "much", "payment": "1"}),
    ("grid", "POST", "/network/votes/member", {"master": "none", "action": "suspend"}),
    (
        "grid",
        "POST",
        "/network/votes/settings",
        {
            "cooling_off_seconds": "1",
            "gate_lead_seconds": "1",
            "floor_yuan_per_kwh": "0.5",
            "cap_yuan_per_kwh": "0.1",
        },
    ),
    ("grid", "POST", "/network/votes/admission", {"account": "0x12", "role": "user"}),
    ("roofs", "POST", "/network/deposits", {"node_id": "Anna", "day": DATE, "yuan": "1", "payment": "1"}),
    ("regulator", "GET", "/audit/deals/99", {}),
    ("regulator", "GET", "/audit/export?day=x", {}),
    (None, "POST", "/sign-in", {"account": "Anna", "password": "wrong"}),
    (None, "GET", "/audit", {}),
    (None, "GET", "/no/such/page", {}),
    (None, "GET", "/market?period=-1", {}),
]


@pytest.mark.parametrize(("name", "method", "path", "form"), WRONG, ids=range(len(WRONG)))
def test_what_is_wrong_is_said_in_chinese(shared, busy, name, method, path, form):
    with visitor(shared, name, "zh") as client:
        answer = client.request(method, path, data=form or None)
    assert 400 <= answer.status_code < 500, answer.text
    given = {word for text in (path, *map(str, form.values())) for word in re.findall(r"\w+", text)}
    assert set(latin(answer.text)) <= given


@pytest.mark.parametrize(
    ("path", "status", "title", "detail"),
    [
        ("/orders/0000000000000000", 404, "未找到", "您没有订单 0000000000000000"),
        ("/audit/alarms", 403, "无权查看或操作", "功能节点无权追溯和审计"),
        ("/orders?cursor=%21", 422, "输入有误", "cursor：'!' 无效；应为上一页给出的游标，不加改动"),
        ("/orders?limit=9999", 422, "输入有误", "query.limit: 应不大于 500"),
    ],
)
def test_a_program_that_prefers_chinese_is_told_problems_in_chinese(shared, path, status, title, detail):
    with shared.browser("Anna") as client:
        answer = client.get(path, headers={"Accept-Language": "zh-CN"})
        plain = client.get(path).json()
    problem = answer.json()
    assert (answer.status_code, problem["title"], problem["detail"]) == (status, title, detail)
    assert answer.headers["content-language"] == "zh"
    assert plain["type"] == problem["type"]
    assert not re.search("[一-鿿]", plain["title"] + plain["detail"])


def test_every_field_of_every_record_has_a_text():
    named = {
        field.name
        for kind in vars(records).values()
        if is_dataclass(kind) and kind.__module__ == records.__name__
        for field in fields(kind)
    }
    assert {name for name in named if f"field.{name}" not in read_translation("zh").texts} == set()


def test_every_action_that_masters_vote_for_has_a_text():
    votable = {"admit", "suspend", "changeSettings", "changeSettlementAgent", "changeDispatcher", "changeRegulator"}
    assert {name for name in votable if f"action.{name}" not in read_translation("zh").texts} == set()
