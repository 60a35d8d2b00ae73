"""Settlement statements: deals and imbalances in one list, the same as JSON, as CSV, as PDF and in the client."""

import csv
import io
from dataclasses import replace

import pytest
from small_market import DAY, PERIOD, ask, bid

from gridbourse.api.schema import SideName, Statement, StatementItem, StatementLine
from gridbourse.client import Client, orders
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue
from gridbourse.node.settling.settle_day import settle_day
from gridbourse.service.use_cases.statement_pdf import MAX_PDF_LINES, statement_pdf
from gridbourse.service.use_cases.statement_text import statement_csv
from gridbourse.text import DisplayName, read_translation
from gridbourse.units import PERIODS_IN_24_HOURS
from service import until

DAY_PERIODS = range(DAY * PERIODS_IN_24_HOURS, (DAY + 1) * PERIODS_IN_24_HOURS)
STATEMENT = f"/statements/{DAY}"
LINE = StatementLine("=Bert", StatementItem.DEAL, PERIOD, 1, SideName.BID, None, 1_000, 3_600, 3_600_000)


@pytest.fixture(scope="module")
def settled(shared):
    """Anna sold Bert 1 kWh; she fed in 1.2 kWh, he drew 0.9; her next period has no reading."""
    with shared.browser("Anna") as seller, shared.browser("Bert") as buyer:
        seller.post("/orders", json=ask())
        buyer.post("/orders", json=bid())
        for client in (seller, buyer):
            client.post("/deals/1/confirm")
        until(lambda: seller.get("/deals/1").json()["status"] == "settled")
    fed_in = [None if period == PERIOD + 1 else 1_200 if period == PERIOD else 0 for period in DAY_PERIODS]
    drawn = [-900 if period == PERIOD else 0 for period in DAY_PERIODS]
    still = [0] * len(DAY_PERIODS)
    metered = {"Anna": fed_in, "Arno": still, "Bert": drawn}
    shared.region(settle_day, DAY_PERIODS, metered)
    with shared.browser("Anna") as seller:
        until(lambda: not seller.get(STATEMENT).json()["unsettled_nodes"])
    return shared


def test_a_statement_holds_deals_and_imbalances_and_says_what_is_open(settled):
    with settled.browser("Anna") as seller:
        found = seller.get(STATEMENT).json()
    assert [(line["item"], line["side"], line["energy_wh"], line["deal_id"]) for line in found["lines"]] == [
        ("deal", "ask", 1_000, 1),
        ("imbalance", "ask", 200, None),
    ]
    deal, imbalance = found["lines"]
    assert deal["money"] == 1_000 * 3_600
    assert imbalance["money"] == 200 * imbalance["price_ticks"]
    assert (found["paid"], found["received"]) == (0, deal["money"] + imbalance["money"])
    assert found["open_periods"] == 1


def test_a_master_sees_all_its_nodes_and_which_are_not_settled(settled):
    with settled.browser("grid") as grid:
        found = grid.get(STATEMENT).json()
        assert {line["node_id"] for line in found["lines"]} == {"Bert"}
        assert found["unsettled_nodes"] == ["Bea"]
        assert grid.get(STATEMENT, params={"node_id": "Anna"}).status_code == 404


def test_the_files_say_the_same(settled):
    with settled.browser("Bert") as buyer:
        stated = buyer.get(STATEMENT).json()
        file = buyer.get(f"{STATEMENT}.csv")
        pdf = buyer.get(f"{STATEMENT}.pdf", params={"language": "zh"})
    assert file.headers["content-type"] == "text/csv; charset=utf-8"
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [row["item"] for row in rows] == [line["item"] for line in stated["lines"]]
    assert sum(round(float(row["paid_yuan"] or 0) * 10**7) for row in rows) == stated["paid"]


def test_the_client_reads_all_three(settled):
    with settled.browser("Bert") as buyer:
        secret = buyer.post("/tokens", json={"name": "books", "scopes": ["read"]}).json()["secret"]
    with Client(settled.url, token=secret) as client:
        assert client.send(orders.statement(DAY)).lines[0].deal_id == 1
        assert client.send(orders.statement_csv(DAY, node_id="Bert")).startswith(b"\xef\xbb\xbfnode,")
        assert client.send(orders.statement_pdf(DAY, language="zh")).startswith(b"%PDF-")
        assert client.send(orders.metered(DAY))[0].imbalance_wh == 100


def test_times_in_files_are_local_and_no_cell_is_a_formula():
    stated = Statement(DAY, None, [LINE], 3_600_000, 0, 0, [], {LINE.node_id: DisplayName(zh="一号屋顶")})
    row = statement_csv(stated, DeliveryCalendar("Asia/Shanghai"), "zh").decode("utf-8-sig").splitlines()[1]
    assert row.startswith("'=Bert,一号屋顶,deal,1,")
    assert "T20:00+08:00,bid,,1,0.36,0.36," in row


def test_a_pdf_of_more_pages_than_anybody_reads_is_refused():
    stated = Statement(DAY, None, [replace(LINE)] * (MAX_PDF_LINES + 1), 0, 0, 0, [], {})
    with pytest.raises(InvalidValue, match="take CSV"):
        statement_pdf(stated, {"en": "small"}, DeliveryCalendar("UTC"), read_translation("en"))
