"""The same index in PostgreSQL, which several web servers read."""

import pytest
from hand_made import Blocks, index_in, leaf, node, reader_of, traders
from index_region import DAY, PERIOD, SPEC, everything, indexed
from postgresql import postgresql, programs

from gridbourse.errors import IndexUnavailable, InvalidValue
from gridbourse.index.database import Database
from gridbourse.ledger.records import Confirmation, NodeReport, OrderDetails
from gridbourse.market.events import Deposited
from gridbourse.market.types import EnergyType, Offer, Side
from gridbourse.node.region import Region
from gridbourse.region.layout import INDEX_URL_FILE

PROGRAMS = programs()
needs_postgresql = pytest.mark.skipif(PROGRAMS is None, reason="needs PostgreSQL: `make postgresql` installs Debian's")


@pytest.fixture(scope="module")
def server():
    pytest.importorskip("psycopg")
    with postgresql(PROGRAMS) as url:
        yield url


@needs_postgresql
def test_a_regions_index_is_the_same_in_postgresql_as_in_its_file(server, tmp_path):
    with Region.create(tmp_path / "region", SPEC) as region:
        region.open_day(DAY)
        region.deposit({"Bert": 2**80, "Bea": 10**12}, DAY, b"\x01" * 32)
        offers = [
            ("Anna", Offer(Side.ASK, EnergyType.PV, PERIOD, 500, 3_600)),
            ("Bert", Offer(Side.BID, EnergyType.any(), PERIOD, 300, 3_700)),
            ("Bea", Offer(Side.BID, EnergyType.any(), PERIOD, 100, 3_650)),
        ]
        region.offer(offers)
        region.answer(region.deliver(), confirmed=True)
        region.settle()
        region.anchor()
        in_file = everything(indexed(region))
    (tmp_path / "region" / INDEX_URL_FILE).write_text(f"{server}\n")
    with Region.open(tmp_path / "region") as region:
        index = indexed(region)
        assert everything(index) == in_file
        assert index.database.name.startswith("postgresql")
        assert index.trades.prices(range(PERIOD, PERIOD + 1), EnergyType.any())[PERIOD].deal_count == 2
        assert [level.energy_wh for level in index.orders.levels(PERIOD, Side.ASK, EnergyType.any(), 9)] == [100]
        region.forget_index()
        region.catch_up()
        assert everything(index) == in_file


@needs_postgresql
def test_whatever_a_user_writes_postgresql_takes_it(server, tmp_path):
    (tmp_path / INDEX_URL_FILE).write_text(server)
    index, blocks = index_in(tmp_path, region="small"), Blocks()
    index.clear()
    text = "\ud800\0 A" * 100
    order = OrderDetails("Bert", text, 0, Side.BID, EnergyType(255), PERIOD, 100, 1)
    answers = [Confirmation("Bert", number, Side.ASK, confirmed=True) for number in (2**64 - 1, 2**63, 2**63 - 1)]
    index.apply([blocks.main(*traders(1), Deposited(1, 2**96 - 1, b"p" * 32))])
    index.apply([blocks.slave("roofs", node("Bert"), order, NodeReport("Bert", text, text), *answers)])
    reader = reader_of(index)
    assert reader.accounts.account(1).free_money == 2**96 - 1
    assert reader.orders.with_leaf("roofs", leaf(1)).order.node_id == "Bert"
    assert reader.records.answer("Bert", 2**63 - 1, Side.ASK) is True


def test_another_url_than_postgresqls_is_refused_without_its_password(tmp_path):
    for url in ("mysql://user:secret@db/valley", "no url: secret", ""):
        (tmp_path / INDEX_URL_FILE).write_text(url)
        with pytest.raises(InvalidValue, match=r"index\.url") as refused:
            Database.of(tmp_path)
        assert "secret" not in str(refused.value)


def test_a_server_that_is_not_reached_is_named_without_its_password(tmp_path):
    pytest.importorskip("psycopg")
    (tmp_path / INDEX_URL_FILE).write_text(f"postgresql://user:secret@/valley?host={tmp_path}")
    with pytest.raises(IndexUnavailable, match="cannot be read") as failed:
        index_in(tmp_path)
    assert "secret" not in str(failed.value)
