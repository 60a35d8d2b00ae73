"""The search finds whatever the reader may read, however old, and nothing else."""

import pytest
from small_market import DAY, ask, bid

from service import until

LATER_BLOCKS = 3


@pytest.fixture(scope="module")
def traded(shared):
    """A deal, and chains that have grown since."""
    with shared.browser("Anna") as seller, shared.browser("Bert") as buyer:
        order = seller.post("/orders", json=ask(energy_wh=2_000)).json()
        buyer.post("/orders", json=bid())
        until(lambda: seller.get("/chains/roofs/anchors").json()["items"])
    with shared.browser("regulator") as regulator:
        for _ in range(LATER_BLOCKS):
            with shared.browser("Anna") as seller:
                seller.post("/orders", json=ask(energy_wh=1, price_ticks=9_000))
        main = regulator.get("/chains/main/blocks/1").json()
        roofs = regulator.get("/chains/roofs/blocks/1").json()
        record = regulator.get("/chains/roofs/records?kind=order").json()["items"][-1]
    trader = shared.exchange.directory.trader("Anna", DAY)
    return {"order": order, "main": main, "roofs": roofs, "record": record, "trader": trader}


@pytest.fixture
def find(shared, traded):
    def find(name, text):
        with shared.browser(name) as client:
            hits = client.get("/chains/search", params={"q": text}).json()
        return {(hit["kind"], hit["chain"], hit["key"]) for hit in hits}

    return find


def test_a_block_is_found_by_its_hash_the_beginning_of_it_and_its_height(find, traded):
    head = traded["main"]["block"]
    assert find("Anna", head["hash"]) == {("block", "main", "1")}
    assert ("block", "main", "1") in find("Anna", "1")
    assert ("block", "main", "1") in find("Anna", head["hash"][:12])


def test_a_transaction_is_found_by_its_hash_on_every_chain_that_the_reader_may_read(find, traded):
    for name, block in (("main", traded["main"]), ("roofs", traded["roofs"])):
        tx_hash = block["transactions"][0]["hash"]
        assert find("Anna", tx_hash) == {("transaction", name, tx_hash)}
    assert find("Bert", traded["roofs"]["transactions"][0]["hash"]) == set()


@pytest.mark.parametrize("digits", [10, 34, 66])
def test_a_record_is_found_by_its_leaf_or_the_beginning_of_it(find, traded, digits):
    record = traded["record"]
    assert find("Anna", record["leaf"][:digits]) == {("record", "roofs", str(record["index"]))}
    assert find("Bert", record["leaf"][:digits]) == set()


def test_an_order_is_found_by_its_id_by_those_whose_it_is(find, traded):
    hit = ("order", "main", traded["order"]["order_id"])
    assert hit in find("Anna", traded["order"]["order_id"])
    assert hit in find("roofs", traded["order"]["order_id"])
    assert hit in find("regulator", traded["order"]["order_id"])
    assert find("Bert", traded["order"]["order_id"]) == set()


def test_a_deal_is_found_by_its_parties_who_do_not_learn_of_each_other(shared, find, traded):
    for name in ("Anna", "Bert", "regulator"):
        assert ("deal", "main", "1") in find(name, "1")
    assert ("deal", "main", "1") not in find("Arno", "1")
    with shared.browser("Bert") as buyer:
        texts = [hit["text"] for hit in buyer.get("/chains/search", params={"q": "1"}).json() if hit["kind"] == "deal"]
    assert texts == [f"deal 1, trader {traded['trader']} to Bert, intent"]


def test_a_trader_is_named_to_those_who_may_know_it(find, traded):
    hit = ("trader", "main", "Anna")
    assert hit in find("regulator", str(traded["trader"]))
    assert hit in find("roofs", str(traded["trader"]))
    assert hit not in find("grid", str(traded["trader"]))


def test_a_node_is_found_by_name_or_place_by_those_who_may_know_of_it(find):
    assert find("regulator", "roof 1") == {("node", "roofs", "Anna")}
    assert find("roofs", "anna") == {("node", "roofs", "Anna")}
    assert find("grid", "anna") == set()


def test_nobody_searches_who_has_not_signed_in(shared):
    with shared.browser() as client:
        assert client.get("/chains/search", params={"q": "1"}).status_code == 401
    with shared.browser("Anna") as client:
        assert client.get("/chains/search", params={"q": ""}).status_code == 422
