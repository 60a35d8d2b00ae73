"""From a signed reading, over MQTT or the API, to an automatic offer on both chains: once, whatever happens between."""

import asyncio
import runpy
import socket
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from region_work import ordered_periods
from small_market import SPEC, ask
from test_trade import place

from gridbourse.api.meter_schema import OfferOutcome
from gridbourse.api.schema import EnergyTypeName, Limits
from gridbourse.client import Client, meters, orders
from gridbourse.crypto.keys import SigningKey
from gridbourse.delivery import DeliveryCalendar
from gridbourse.errors import InvalidValue, ServiceProblem
from gridbourse.metering.broker import local_broker
from gridbourse.metering.journal import FRAME_BYTES
from gridbourse.metering.meter import Meter
from gridbourse.metering.mqtt import Broker, Concentrator
from gridbourse.node.folder.backup import restore
from gridbourse.node.region import Region
from gridbourse.region.description import NodeKind, NodeSpec
from gridbourse.region.layout import READINGS_FILE
from gridbourse.service.rights import Kind
from gridbourse.service.use_cases.service import Exchange
from service import Service, until

EXAMPLE = Path(__file__).parents[2] / "examples" / "meter.py"
ALL_TYPES = list(EnergyTypeName)
LIMITS = Limits(True, EnergyTypeName.PV, ALL_TYPES, lowest_sell_ticks=3_000, highest_buy_ticks=4_000)
SUN_WH, NEED_WH, LIMIT_W = 2_000, 1_200, 17_000
PAST = 12
"""Periods that a meter has counted before it is heard: enough to expect something of the next hour."""
FARTHEST = 6
"""From a reading to the last of the periods about which it lets a node decide. Its gate is open for another hour."""


def this_period():
    return int(time.time()) // 900


def counted(meter, *, until_period=None, periods=PAST, **flow):
    """Readings of a meter that has counted the same in every period, the newest that of the period that ended last."""
    last = this_period() - 1 if until_period is None else until_period
    readings = [meter.read(last - periods)]
    for period in range(last - periods + 1, last + 1):
        meter.count(**flow)
        readings.append(meter.read(period))
    return readings


def client_of(service, name, scopes=("read", "trade", "meter")):
    with service.browser(name) as browser:
        secret = browser.post("/tokens", json={"name": "test", "scopes": list(scopes)}).json()["secret"]
    return Client(service.url, token=secret)


HOUSES = tuple(f"House {number}" for number in range(1, 21))


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    """A service of many houses: each test has one of its own, and what one metered and offered is no other's."""
    roofs, grid = SPEC.masters
    houses = tuple(NodeSpec(name, NodeKind.PV, "Street") for name in HOUSES)
    folder = tmp_path_factory.mktemp("street") / "region"
    Region.create(folder, replace(SPEC, masters=(replace(roofs, nodes=roofs.nodes + houses), grid))).close()
    running = Service(folder).start()
    for name in (*HOUSES, "Bert", "Bea"):
        running.account(name)
    for name in ("roofs", "grid"):
        running.account(name, Kind.MASTER)
    running.account("regulator", Kind.REGULATOR)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def empty_houses():
    return iter(HOUSES)


@pytest.fixture
def house(empty_houses):
    return next(empty_houses)


@pytest.fixture
def owner(street, house):
    with closing(client_of(street, house)) as client:
        yield client


@pytest.fixture
def roofs(street):
    with closing(client_of(street, "roofs", ("read", "manage", "meter"))) as client:
        yield client


@pytest.fixture
def meter(roofs, house):
    """The house's meter, which its master has entered."""
    return entered(roofs, house)


def entered(master, node_id):
    meter = Meter(SigningKey.generate())
    master.send(meters.register(node_id, meter.address, LIMIT_W))
    return meter


def outcomes(client, node_id):
    """What a node made of the periods it may have thought of."""
    days = {(this_period() + ahead) // 96 for ahead in (0, 8)}
    found = [one for day in sorted(days) for one in client.send(meters.automatic_offers(node_id, day))]
    return {one.period: one for one in found}


def decided(client, node_id, period, outcome=OfferOutcome.OFFERED):
    """Wait until a node has made that of a period, and give what it made of all."""

    def look():
        found = outcomes(client, node_id)
        return found if period in found and found[period].outcome is outcome else None

    return until(look)


def offered(client, node_id, readings):
    """Wait until a node has offered by itself all that it offers after its readings, and give that by period."""
    decided(client, node_id, readings[-1].reading.period + FARTHEST)

    def submitted():
        found = outcomes(client, node_id).items()
        offers = {period: one for period, one in found if one.outcome is OfferOutcome.OFFERED}
        return offers if all(one.order.order_id for one in offers.values()) else None

    return until(submitted)


def recorded(service, node_id):
    """Periods of the orders on a node's slave chain."""
    return service.region(ordered_periods, node_id)


def test_readings_that_are_handed_in_lead_to_offers_on_both_chains(street, owner, house, meter):
    owner.send(orders.set_limits(LIMITS))
    readings = counted(meter, exported_wh=SUN_WH)
    receipt = owner.send(meters.hand_in(readings))
    assert (receipt.accepted, receipt.repeated) == (PAST + 1, 0)
    made = offered(owner, house, readings)
    for one in made.values():
        assert (one.order.side, one.order.energy_types) == ("ask", ["pv"])
        assert (one.order.energy_wh, one.order.price_ticks, one.order.status) == (SUN_WH, 3_000, "waiting")
        assert (one.expected_wh, one.expected_error_wh) == (SUN_WH, 0)
    assert recorded(street, house) == sorted(made)
    book = owner.send(orders.orders()).items
    assert sorted(order.period for order in book) == sorted(made)


def test_a_need_is_asked_for_at_the_owners_price(service):
    with closing(client_of(service, "grid", ("manage",))) as grid:
        meter = entered(grid, "Bert")
    readings = counted(meter, imported_wh=NEED_WH)
    last = readings[-1].reading.period
    for day in {DeliveryCalendar().day_of(period) for period in (last, last + FARTHEST)}:
        service.region(Region.open_day, day)
        service.region(Region.deposit, {"Bert": 10**9}, day, day.to_bytes(32, "big"))
    with closing(client_of(service, "Bert")) as bert:
        bert.send(orders.set_limits(LIMITS))
        bert.send(meters.hand_in(readings))
        made = offered(bert, "Bert", readings)
    assert {(one.order.side, one.order.energy_wh, one.order.price_ticks) for one in made.values()} == {
        ("bid", NEED_WH, 4_000)
    }


def test_readings_over_mqtt_lead_to_offers(folder):
    with local_broker() as broker:
        service = Service(folder, broker=broker).start()
        meter = Meter(SigningKey.generate())
        readings = counted(meter, exported_wh=SUN_WH)
        try:
            with closing(client_of(service, "roofs", ("manage",))) as roofs:
                roofs.send(meters.register("Anna", meter.address, LIMIT_W))
            with (
                closing(client_of(service, "Anna")) as anna,
                closing(Concentrator(broker, SPEC.name, "concentrator-1", [meter])) as concentrator,
            ):
                anna.send(orders.set_limits(LIMITS))
                assert concentrator.await_broker(30)
                concentrator.publish(readings[-1])
                # What it did not publish it is asked for.
                service.exchange.metering.ask_again()
                until(lambda: anna.send(meters.meters())[0].missing_count == 0)
                made = offered(anna, "Anna", readings)
                assert recorded(service, "Anna") == sorted(made)
                concentrator.forward(meter.address, b"noise")
                concentrator.publish(readings[-1])
                until(
                    lambda: (
                        {"unreadable", "repeated"}
                        <= {name for name, n in service.exchange.metering.counts.items() if n}
                    )
                )
            assert service.exchange.metering.is_listening
        finally:
            service.stop()


def test_the_meter_of_the_example_is_heard_and_counts_on_after_it_was_stopped(folder, tmp_path):
    example = runpy.run_path(str(EXAMPLE))
    last = this_period() - 1
    with local_broker() as broker:
        service = Service(folder, broker=broker).start()
        try:
            for periods in (range(last - 3, last - 1), range(last - 1, last + 1)):
                meter, memory, _ = example["open_meter"](tmp_path / "meter")
                with (
                    closing(Concentrator(broker, SPEC.name, "example", [meter])) as line,
                    closing(client_of(service, "roofs", ("read", "manage"))) as roofs,
                ):
                    assert line.await_broker(30)
                    roofs.send(meters.register("Anna", meter.address, LIMIT_W))
                    for period in periods:
                        example["report"](meter, memory, line, period, 100)
                    arrived = periods[-1] - (last - 3) + 1
                    found = until(lambda roofs=roofs, arrived=arrived: heard(roofs, arrived))
                memory.close()
            assert (found.last_period, found.missing_count) == (last, 0)
            with closing(client_of(service, "Anna")) as anna:
                shown = anna.send(meters.readings("Anna", last // 96))
            assert {one.surplus_wh for one in shown if one.surplus_wh is not None} == {100}
        finally:
            service.stop()


def heard(client, count):
    """The only meter, once so many of its readings have come: they come in any order."""
    (meter,) = client.send(meters.meters())
    return meter if meter.reading_count == count else None


def test_what_is_handed_in_twice_is_taken_once(street, owner, meter):
    file, readings = street.folder / READINGS_FILE, counted(meter, exported_wh=SUN_WH)
    before = file.stat().st_size
    owner.send(meters.hand_in(readings))
    receipt = owner.send(meters.hand_in(readings))
    assert (receipt.accepted, receipt.repeated) == (0, PAST + 1)
    assert file.stat().st_mode & 0o77 == 0
    assert file.stat().st_size == before + (PAST + 1) * FRAME_BYTES
    assert owner.send(meters.meters())[0].reading_count == PAST + 1


def test_readings_that_are_not_taken_are_named_and_counted_and_the_others_are_taken(street, owner, house, meter):
    stranger = Meter(SigningKey.generate())
    first, second = counted(meter, periods=1)
    forged = bytearray(first.to_bytes())
    forged[-2] ^= 1
    early = meter.read(this_period() + 4)
    bad = [stranger.read(this_period() - 1).to_bytes(), bytes(forged), b"noise", early.to_bytes()]
    body = {"readings": [f"0x{payload.hex()}" for payload in (first.to_bytes(), *bad, second.to_bytes())]}
    before = dict(street.exchange.metering.counts)
    with street.browser(house) as browser:
        answer = browser.post("/readings", json=body)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:gridbourse:readings-refused"
    named = {fault["field"]: fault["remedy"] for fault in answer.json()["faults"]}
    assert list(named) == [f"body.readings.{place}" for place in (1, 2, 3, 4)]
    for turn, words in ((1, "no such meter"), (2, "not signed"), (3, "117 bytes"), (4, "still to come")):
        assert words in named[f"body.readings.{turn}"]
    assert owner.send(meters.meters())[0].reading_count == 2
    with street.browser() as nobody:
        told = nobody.get(f"{street.url}/metrics").text
    added = {"unknown_meter": 1, "wrongly_signed": 1, "unreadable": 1, "premature": 1, "accepted": 2}
    for outcome, count in added.items():
        assert f'gridbourse_readings_total{{outcome="{outcome}"}} {before[outcome] + count}.0' in told


def test_a_reading_under_a_number_that_is_taken_is_refused_if_it_says_otherwise(owner, meter):
    key = meter._key
    twin = Meter(key)
    owner.send(meters.hand_in([meter.read(this_period() - 1)]))
    twin.count(exported_wh=1)
    with pytest.raises(ServiceProblem, match="signed two"):
        owner.send(meters.hand_in([twin.read(this_period() - 1)]))


def test_who_ordered_by_hand_is_left_alone_in_that_period(street, owner, house, meter):
    last = this_period() - 1
    period = last + FARTHEST
    with street.browser(house) as browser:
        place(browser, ask(500, 3_900, period))
    owner.send(orders.set_limits(LIMITS))
    owner.send(meters.hand_in(counted(meter, until_period=last, exported_wh=SUN_WH)))
    found = decided(owner, house, period - 1)
    assert found[period].outcome is OfferOutcome.ORDERED
    assert found[period].order.energy_wh == 500
    assert recorded(street, house).count(period) == 1


def test_offers_by_hand_and_by_itself_take_turns(street, owner, house, meter, caplog):
    owner.send(orders.set_limits(LIMITS))
    last = this_period() - 1
    readings = counted(meter, until_period=last, periods=PAST + 2, exported_wh=SUN_WH)
    owner.send(meters.hand_in(readings[:-2]))
    first = offered(owner, house, readings[:-2])
    with street.browser(house) as browser:
        place(browser, ask(500, 3_900, last + 20))
    owner.send(meters.hand_in(readings[-2:]))
    made = offered(owner, house, readings)
    assert set(made) > set(first)
    assert recorded(street, house) == sorted([*made, last + 20])
    assert "did not offer" not in caplog.text


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"reserve_wh": SUN_WH}, OfferOutcome.NOTHING_LEFT),
        ({"lowest_sell_ticks": 9_001}, OfferOutcome.PRICE_LIMIT),
        ({"active": False}, OfferOutcome.OFF),
    ],
    ids=["nothing left", "price limit", "off"],
)
def test_a_node_says_why_it_offered_nothing_and_offers_once_its_limits_allow_it(
    street, owner, house, meter, changes, outcome
):
    given = {field: getattr(LIMITS, field) for field in LIMITS.__slots__}
    owner.send(orders.set_limits(Limits(**(given | changes))))
    owner.send(meters.hand_in(readings := counted(meter, exported_wh=SUN_WH)))
    until(lambda: [one for one in outcomes(owner, house).values() if one.outcome is outcome])
    assert recorded(street, house) == []
    owner.send(orders.set_limits(LIMITS))
    made = offered(owner, house, readings)
    assert recorded(street, house) == sorted(made)


def test_a_node_without_readings_says_what_it_waits_for(owner, house, roofs):
    owner.send(orders.set_limits(LIMITS))
    assert {one.outcome for one in outcomes(owner, house).values()} == {OfferOutcome.NO_METER}
    meter = entered(roofs, house)
    assert {one.outcome for one in outcomes(owner, house).values()} == {OfferOutcome.NO_READING}
    owner.send(meters.hand_in(counted(meter, periods=1, exported_wh=SUN_WH)))
    until(lambda: OfferOutcome.NO_FORECAST in {one.outcome for one in outcomes(owner, house).values()})


def test_readings_are_shown_by_period_with_what_they_let_expect(owner, house, meter):
    last = this_period() - 1
    owner.send(meters.hand_in(counted(meter, until_period=last, imported_wh=100, exported_wh=SUN_WH)))
    found = {
        one.period: one for day in {last // 96, (last + 6) // 96} for one in owner.send(meters.readings(house, day))
    }
    known = found[last]
    assert (known.imported_wh, known.exported_wh, known.surplus_wh) == (100, SUN_WH, SUN_WH - 100)
    assert known.expected_wh is None
    coming = found[last + 6]
    assert (coming.surplus_wh, coming.expected_wh, coming.expected_error_wh) == (None, SUN_WH - 100, 0)


def test_a_master_sees_its_nodes_meters_and_nobody_sees_anothers(street, house, roofs, meter):
    address = f"0x{meter.address.hex()}"
    with closing(client_of(street, "Bert")) as bert, closing(client_of(street, "regulator", ("read",))) as regulator:
        assert bert.send(meters.meters()) == []
        for everything in (roofs, regulator):
            assert [one.node_id for one in everything.send(meters.meters()) if one.meter == address] == [house]
        for request in (meters.readings(house), meters.automatic_offers(house)):
            assert regulator.send(request) is not None
            with pytest.raises(ServiceProblem) as refused:
                bert.send(request)
            assert refused.value.status == 404
    with closing(client_of(street, "grid", ("manage",))) as grid, pytest.raises(ServiceProblem) as refused:
        grid.send(meters.register(house, meter.address, LIMIT_W))
    assert refused.value.status == 404


def test_a_meter_of_another_node_cannot_be_entered(roofs, meter):
    with pytest.raises(ServiceProblem, match="no other node"):
        roofs.send(meters.register("Arno", meter.address, LIMIT_W))


def test_an_exchanged_meter_is_another_and_the_readings_of_the_old_one_stay(owner, house, roofs, meter):
    last = this_period() - 1
    owner.send(meters.hand_in(counted(meter, until_period=last, exported_wh=SUN_WH)))
    roofs.send(meters.register(house, SigningKey.generate().address, LIMIT_W))
    old, new = owner.send(meters.meters())
    assert (old.is_current, old.reading_count, new.is_current, new.reading_count) == (False, PAST + 1, True, 0)
    assert {one.period for one in owner.send(meters.readings(house, last // 96))} >= {last}


def test_a_meter_of_which_a_reading_is_overdue_is_an_alarm(street, owner, house, meter):
    def alarms():
        return [one for one in street.exchange.alarms() if (one.kind, one.subject) == ("silent_meter", house)]

    assert alarms() == []
    readings = counted(meter, until_period=this_period() - 4, exported_wh=SUN_WH)
    owner.send(meters.hand_in(readings))
    assert [alarm.since for alarm in alarms()] == [readings[-1].reading.taken_at]
    assert owner.send(meters.meters())[0].is_silent


def test_a_head_end_that_does_not_reach_its_broker_is_an_alarm_and_takes_readings_over_the_api(folder):
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        service = Service(folder, broker=Broker("127.0.0.1", silent.getsockname()[1])).start()
        try:
            assert [alarm.kind for alarm in service.exchange.alarms()] == ["deaf_head_end"]
            meter = Meter(SigningKey.generate())
            with closing(client_of(service, "roofs", ("manage", "meter"))) as roofs:
                roofs.send(meters.register("Anna", meter.address, LIMIT_W))
                assert roofs.send(meters.hand_in(counted(meter))).accepted == PAST + 1
        finally:
            service.stop()


class Cut:
    """A service started on what a kill leaves."""

    def __init__(self, service, folder):
        self.service = Service(service.left_by_a_kill(folder)).start()

    def offers(self, node_id, readings):
        """What a node has offered by itself after readings, and what lies on its slave chain."""
        until(lambda: node_id in self.service.exchange.offering._seen)  # what it is to do after the start is done
        with closing(client_of(self.service, node_id)) as owner:
            made = offered(owner, node_id, readings)
        return sorted(made), recorded(self.service, node_id)


@pytest.fixture
def anna(service):
    with closing(client_of(service, "Anna")) as client:
        yield client


@pytest.fixture
def annas_meter(service):
    with closing(client_of(service, "roofs", ("manage",))) as roofs:
        return entered(roofs, "Anna")


def test_killed_between_reading_and_offer_a_service_loses_nothing_and_offers_once(service, anna, annas_meter, tmp_path):
    service.loop.call_soon_threadsafe(service.exchange._offering.cancel)
    anna.send(orders.set_limits(LIMITS))
    anna.send(meters.hand_in(readings := counted(annas_meter, exported_wh=SUN_WH)))
    assert recorded(service, "Anna") == []
    cut = Cut(service, tmp_path / "killed")
    try:
        made, written = cut.offers("Anna", readings)
        assert made == written
    finally:
        cut.service.stop()


def test_killed_between_decision_and_offer_a_service_offers_once(service, anna, annas_meter, tmp_path):
    class Dead:
        async def ask(self, *_):
            await asyncio.Event().wait()

    service.exchange.offering._node = Dead()
    anna.send(orders.set_limits(LIMITS))
    anna.send(meters.hand_in(readings := counted(annas_meter, exported_wh=SUN_WH)))
    until(lambda: service.exchange.store.rows("SELECT * FROM decisions"))
    assert OfferOutcome.OFFERED not in {one.outcome for one in outcomes(anna, "Anna").values()}
    cut = Cut(service, tmp_path / "killed")
    try:
        made, written = cut.offers("Anna", readings)
        assert made == written
    finally:
        cut.service.stop()


def test_a_service_that_was_killed_after_an_offer_knows_that_it_made_it(street, owner, house, meter, tmp_path):
    owner.send(orders.set_limits(LIMITS))
    owner.send(meters.hand_in(readings := counted(meter, exported_wh=SUN_WH)))
    before = offered(owner, house, readings)
    cut = Cut(street, tmp_path / "killed")
    try:
        assert cut.offers(house, readings) == (sorted(before), sorted(before))
        with closing(client_of(cut.service, house)) as again:
            after = outcomes(again, house)
            assert [after[period].order.order_id for period in before] == [
                one.order.order_id for one in before.values()
            ]
            assert again.send(meters.meters())[0].reading_count == PAST + 1
    finally:
        cut.service.stop()


def test_a_backup_holds_the_readings(street, owner, meter, tmp_path):
    owner.send(meters.hand_in(counted(meter, exported_wh=SUN_WH)))
    street.ask(street.exchange.back_up(tmp_path / "archive.tar"))
    restore(tmp_path / "archive.tar", tmp_path / "restored")
    kept = (tmp_path / "restored" / READINGS_FILE).read_bytes()
    assert kept == (street.folder / READINGS_FILE).read_bytes() != b""


def test_a_region_whose_name_no_topic_can_have_gets_no_head_end(tmp_path):
    Region.create(tmp_path / "region", replace(SPEC, name="a/b")).close()
    with pytest.raises(InvalidValue, match="region"):
        asyncio.run(Exchange.open(tmp_path / "region", broker=Broker("127.0.0.1", 1)))
