"""A trade from order to settlement, as two browsers see it."""

import pytest
from small_market import DAY, PERIOD, ask, bid

from service import Service, until


@pytest.fixture
def anna(shared):
    with shared.browser("Anna") as client:
        yield client


@pytest.fixture
def bert(shared):
    with shared.browser("Bert") as client:
        yield client


def place(client, order, key=None):
    answer = client.post("/orders", json=order, headers={"Idempotency-Key": key} if key else {})
    assert answer.status_code == 201, answer.text
    return answer.json()


def deals_in(client, period):
    return [deal for deal in client.get("/deals").json()["items"] if deal["period"] == period]


def held_money(client):
    (deposit,) = client.get("/deposits", params={"day": DAY}).json()
    return deposit["held_money"]


def test_two_people_trade_and_each_sees_its_own_side_of_the_settled_deal(anna, bert, period):
    assert place(anna, ask(1_000, 3_600, period))["status"] == "waiting"
    bought = place(bert, bid(400, 3_700, period))
    assert (bought["status"], bought["agreed_wh"]) == ("filled", 400)
    for client in (anna, bert):
        (deal,) = deals_in(client, period)
        assert client.post(f"/deals/{deal['deal_id']}/confirm").status_code == 200
    settled = until(lambda: [deal for deal in deals_in(bert, period) if deal["status"] == "settled"])
    assert [(deal["node_id"], deal["energy_wh"], deal["money"]) for deal in settled] == [("Bert", 400, 400 * 3_600)]
    assert [deal["node_id"] for deal in deals_in(anna, period)] == ["Anna"]


def test_an_abandoned_deal_transfers_nothing_and_keeps_the_other_order_from_the_same_master(anna, bert, shared, period):
    before = held_money(bert)
    place(anna, ask(1_000, 3_600, period))
    place(bert, bid(400, 3_700, period))
    (first,) = [deal["deal_id"] for deal in deals_in(bert, period)]
    assert held_money(bert) == before + 400 * 3_600
    assert bert.post(f"/deals/{first}/abandon").json()["status"] == "abandoned"
    assert anna.post(f"/deals/{first}/confirm").status_code == 409
    until(lambda: held_money(bert) == before)
    with shared.browser("Bea") as bea:
        assert place(bea, bid(1_000, 3_650, period))["status"] == "waiting", "kept from the master that let it down"
    assert [deal["deal_id"] for deal in deals_in(anna, period)] == [first]


def test_a_second_ask_of_the_same_seller_can_be_sold_too(anna, bert, period):
    place(anna, ask(300, 3_600, period))
    place(anna, ask(300, 3_600, period))
    assert place(bert, bid(600, 3_600, period))["agreed_wh"] == 600


def test_an_order_that_the_market_refuses_comes_back_with_the_reason(anna, period):
    refused = place(anna, ask(1_000, 9_500, period))
    assert (refused["status"], refused["refusal"], refused["order_id"]) == ("refused", "price_out_of_bounds", None)
    listed = anna.get("/orders", params={"period": period}).json()["items"]
    assert [order["status"] for order in listed] == ["refused"]


def test_the_same_key_places_one_order_also_after_a_restart(folder):
    service = Service(folder).start()
    with service.browser("Anna") as anna:
        first = place(anna, ask(), key="k-1")
        assert place(anna, ask(), key="k-1")["order_id"] == first["order_id"]
        cookies = anna.cookies
    service.stop()
    service = Service(folder).start()
    try:
        with service.browser() as anna:
            anna.cookies = cookies
            assert place(anna, ask(), key="k-1")["order_id"] == first["order_id"]
            other = anna.post("/orders", json=ask(2_000), headers={"Idempotency-Key": "k-1"})
            assert (other.status_code, other.json()["type"]) == (422, "urn:gridbourse:idempotency-key-reused")
            assert len(anna.get("/orders").json()["items"]) == 1
    finally:
        service.stop()


def test_what_a_killed_service_had_taken_is_there_when_it_is_started_again(shared, anna, period, tmp_path):
    order = place(anna, ask(1_000, 3_600, period))
    again = Service(shared.left_by_a_kill(tmp_path / "left")).start()
    try:
        with again.browser("Anna") as client:
            assert client.get(f"/orders/{order['order_id']}").json() == order
    finally:
        again.stop()


def test_an_amended_order_waits_at_its_new_price_and_a_cancelled_one_no_more(anna, bert, period):
    order = place(anna, ask(1_000, 3_600, period))
    amended = anna.patch(f"/orders/{order['order_id']}", json={"energy_wh": 700, "price_ticks": 3_500})
    assert amended.status_code == 200, amended.text
    assert (amended.json()["replaces"], amended.json()["status"]) == (order["order_id"], "waiting")
    assert place(bert, bid(700, 3_500, period))["agreed_wh"] == 700
    assert anna.delete(f"/orders/{amended.json()['order_id']}").status_code == 409
    other = place(anna, ask(500, 4_000, period))
    assert anna.delete(f"/orders/{other['order_id']}").json()["status"] == "cancelled"
    assert bert.get(f"/market/periods/{period}/book").json()["asks"] == []
    assert bert.delete(f"/orders/{other['order_id']}").status_code == 404


def test_an_amendment_that_the_market_refuses_leaves_the_order_as_it_was(anna, period):
    order = place(anna, ask(1_000, 3_600, period))
    refused = anna.patch(f"/orders/{order['order_id']}", json={"energy_wh": 700, "price_ticks": 9_500}).json()
    assert (refused["status"], refused["refusal"]) == ("refused", "price_out_of_bounds")
    assert anna.get(f"/orders/{order['order_id']}").json()["status"] == "waiting"


def test_an_owner_sets_what_its_node_may_do_by_itself(shared, bert):
    limits = {
        "active": True,
        "energy_type": "pv",
        "accepted_types": ["wind", "pv"],
        "lowest_sell_ticks": 3_000,
        "highest_buy_ticks": 4_000,
    }
    with shared.browser("Arno") as arno:
        assert arno.get("/nodes/Arno/limits").status_code == 404
        assert arno.put("/limits", json=limits).status_code == 204
        assert limits.items() <= arno.get("/nodes/Arno/limits").json().items()
        assert bert.get("/nodes/Arno/limits").status_code == 404


@pytest.mark.parametrize(
    ("order", "remedy"),
    [
        (ask(period=0), "still open"),
        (bid(period=PERIOD - 2 * 96), "still open"),
        (bid(period=2**24 - 1), "twelve months"),
    ],
    ids=["of 1970", "of yesterday", "of 2448"],
)
def test_an_order_of_which_nothing_can_come_is_refused_before_it_is_recorded(anna, order, remedy):
    before = anna.get("/orders").json()["items"]
    answer = anna.post("/orders", json=order)
    assert answer.status_code == 422
    assert "period" in answer.text
    assert remedy in answer.text
    assert anna.get("/orders").json()["items"] == before
