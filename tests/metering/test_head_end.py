"""From meters over a real MQTT broker to accepted readings, whatever fails on the way."""

import socket
from contextlib import ExitStack, closing
from dataclasses import replace

import pytest
from paho.mqtt import publish

from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import InvalidValue, ReadingsNotKept
from gridbourse.market.types import EnergyType, Side
from gridbourse.metering.broker import local_broker
from gridbourse.metering.forecast import forecast
from gridbourse.metering.headend import BURST_READINGS, READINGS_PER_SECOND, HeadEnd
from gridbourse.metering.intake import Anomaly, Intake, MeteringPoint
from gridbourse.metering.journal import Journal, JournalReader
from gridbourse.metering.meter import Meter
from gridbourse.metering.mqtt import Broker, Concentrator, Subscriber
from gridbourse.metering.reading import Reading
from gridbourse.metering.surplus import AutoTradingLimits, propose
from gridbourse.simulation.profiles import Profiles
from gridbourse.units import PERIODS_IN_24_HOURS

START = 1_946_400
PATIENCE = 60


class Place:
    """A broker, meters behind a concentrator, and a head-end that can be killed and started again."""

    def __init__(self, stack, running, folder, meters):
        self.stack = stack
        self.running = running
        self.region = folder.name
        self.path = folder / "readings"
        self.meters = meters
        self.found = set()
        self.concentrator = Concentrator(running.address, self.region, "concentrator-1", meters)
        stack.callback(self.concentrator.close)
        self.start_head_end()

    def start_head_end(self):
        self.subscriber = Subscriber(self.running.address, self.region, "session")
        self.journal = Journal(self.path)
        intake = Intake([MeteringPoint(meter.address, limit_w=20_000) for meter in self.meters])
        self.head_end = HeadEnd(intake, self.journal)
        self.intake = intake
        self.stack.callback(self.subscriber.close)
        self.stack.callback(self.journal.close)

    def stop_head_end(self):
        self.subscriber.close()
        self.running.wait_for_connections(1)

    def read(self, period, **flow):
        readings = []
        for meter in self.meters:
            meter.count(**flow)
            readings.append(meter.read(period))
        return readings

    def publish(self, readings):
        for signed in readings:
            self.concentrator.publish(signed)

    def collect_until(self, done):
        for _ in range(PATIENCE * 10):
            self.found |= {finding.fault for finding in self.head_end.collect(self.subscriber, 0.1)}
            if done():
                return
        pytest.fail(f"not reached; found: {self.found}")

    def collect_period(self, period):
        """Collect, and ask again for what is missing, until all readings up to a period are there."""
        self.collect_until(lambda: self.head_end.request_missing(self.subscriber, period) == 0)


@pytest.fixture
def place(broker, tmp_path):
    with ExitStack() as stack:
        place = Place(stack, broker, tmp_path, [Meter(SigningKey.generate()) for _ in range(3)])
        place.publish(place.read(START))
        place.collect_period(START)
        yield place


def faults(findings):
    return {finding.fault for finding in findings}


def test_what_meters_publish_is_metered(place):
    place.publish(place.read(START + 1, exported_wh=120, imported_wh=20))
    place.collect_until(lambda: all(place.intake.latest(meter.address).sequence for meter in place.meters))
    surpluses = [place.intake.surpluses_wh(meter.address, START + 1, START + 1) for meter in place.meters]
    assert surpluses == [[100]] * 3


def test_faulty_meters_are_found_out_and_do_no_harm_to_the_others(place):
    sound, absurd, backwards = place.meters
    stranger = Meter(SigningKey.generate())
    forged = Reading(sound.address, 1, START + 1, 0, 4_000, (START + 2) * 900).sign(SigningKey.generate())
    absurd.count(exported_wh=10**6)
    place.publish([forged, stranger.read(START + 1)])
    readings = place.read(START + 1, exported_wh=100)
    place.publish([*readings, readings[0]])
    registers = readings[2].reading
    later = Reading(backwards.address, 2, START + 2, 0, registers.exported_wh - 1, (START + 3) * 900)
    place.publish([later.sign(backwards._key)])
    publish.single(
        f"gridbourse/{place.region}/meters/{sound.address.hex()}/readings",
        b"noise",
        qos=1,
        hostname=place.running.address.host,
        port=place.running.address.port,
    )
    wanted = {Anomaly.WRONGLY_SIGNED, Anomaly.UNKNOWN_METER, Anomaly.REPEATED, Anomaly.UNREADABLE}
    place.found.clear()
    place.collect_until(lambda: wanted <= place.found and place.intake.latest(backwards.address).sequence == 2)
    assert place.found - {Anomaly.OUT_OF_ORDER} == wanted, "in which order messages come is the broker's affair"
    assert [faults(place.intake.findings(meter.address)) for meter in place.meters] == [
        set(),
        {Anomaly.ABSURD},
        {Anomaly.BACKWARDS},
    ]
    energies = [place.intake.surpluses_wh(meter.address, START + 1, START + 2) for meter in place.meters]
    assert energies == [[100, None], [None, None], [100, None]]


def test_readings_made_while_the_broker_is_down_arrive_when_it_is_back(place):
    place.running.kill()
    for period in range(START + 1, START + 4):
        place.publish(place.read(period, exported_wh=period - START))
    place.running.start()
    place.collect_period(START + 3)
    for meter in place.meters:
        assert place.intake.surpluses_wh(meter.address, START + 1, START + 3) == [1, 2, 3]
        assert place.intake.findings(meter.address) == ()


def test_readings_lost_on_the_way_are_asked_for_again(place):
    lost = place.read(START + 1, exported_wh=10)
    place.publish(place.read(START + 2, exported_wh=20))
    lost += place.read(START + 3, exported_wh=30)
    place.collect_period(START + 3)
    for meter in place.meters:
        assert place.intake.surpluses_wh(meter.address, START + 1, START + 3) == [10, 20, 30]


def test_a_head_end_that_was_killed_has_what_it_accepted_and_gets_the_rest(place):
    place.publish(place.read(START + 1, exported_wh=10))
    place.collect_period(START + 1)
    before = [place.intake.readings(meter.address) for meter in place.meters]
    place.stop_head_end()
    place.publish(place.read(START + 2, exported_wh=20))
    assert place.concentrator.flush(PATIENCE)
    place.start_head_end()
    assert [place.intake.readings(meter.address) for meter in place.meters] == before
    place.collect_period(START + 2)
    for meter in place.meters:
        assert place.intake.surpluses_wh(meter.address, START + 1, START + 2) == [10, 20]


def test_a_reading_damaged_on_disk_is_asked_for_again(place):
    place.publish(place.read(START + 1, exported_wh=10))
    place.collect_period(START + 1)
    place.stop_head_end()
    data = bytearray(place.path.read_bytes())
    data[40] ^= 1
    place.path.write_bytes(data)
    place.start_head_end()
    assert len([meter for meter in place.meters if place.intake.missing(meter.address)]) == 1
    place.collect_period(START + 1)
    assert [place.intake.surpluses_wh(meter.address, START + 1, START + 1) for meter in place.meters] == [[10]] * 3


def test_what_was_received_but_not_collected_comes_again_after_a_crash(place):
    place.publish(place.read(START + 1, exported_wh=10))
    assert place.concentrator.flush(PATIENCE)
    assert place.subscriber.receive(PATIENCE)
    place.stop_head_end()
    place.start_head_end()
    place.collect_period(START + 1)
    assert [place.intake.surpluses_wh(meter.address, START + 1, START + 1) for meter in place.meters] == [[10]] * 3


def acknowledged(caplog):
    return [record.message for record in caplog.records if "PUBACK" in record.message and "Sending" in record.message]


def test_the_broker_hears_that_readings_arrived_when_they_are_on_disk(place, caplog, monkeypatch):
    place.subscriber._client.enable_logger()
    caplog.set_level("DEBUG")
    place.publish(place.read(START + 1, exported_wh=10))
    deliveries = place.subscriber.receive(PATIENCE)
    assert acknowledged(caplog) == []
    on_disk = []
    acknowledge = place.subscriber.acknowledge

    def look_at_disk(deliveries):
        on_disk.append(place.path.read_bytes())
        acknowledge(deliveries)

    monkeypatch.setattr(place.subscriber, "receive", lambda timeout: deliveries)
    monkeypatch.setattr(place.subscriber, "acknowledge", look_at_disk)
    place.head_end.collect(place.subscriber, 0)
    assert all(delivery.payload in on_disk[0] for delivery in deliveries)
    assert len(acknowledged(caplog)) == len(deliveries)


def test_what_came_over_a_lost_connection_is_not_acknowledged_over_the_next(place, caplog):
    place.publish(place.read(START + 1, exported_wh=10))
    deliveries = place.subscriber.receive(PATIENCE)
    first = deliveries[0].connection
    place.running.kill()
    place.running.start()
    place.subscriber._client.enable_logger()
    caplog.set_level("DEBUG")
    for _ in range(PATIENCE):
        place.publish(place.meters[0].recall(1, 1))
        deliveries += place.subscriber.receive(1)
        if deliveries[-1].connection != first:
            break
    over_the_next = [delivery for delivery in deliveries if delivery.connection != first]
    place.subscriber.acknowledge(deliveries)
    assert len(acknowledged(caplog)) == len(over_the_next) > 0


def test_meters_and_head_end_may_talk_over_tls(broker, tmp_path):
    meter = Meter(SigningKey.generate())
    with (
        closing(Subscriber(broker.tls_address, tmp_path.name, "session")) as subscriber,
        closing(Concentrator(broker.tls_address, tmp_path.name, "concentrator-1", [meter])) as concentrator,
    ):
        signed = meter.read(START)
        payloads = set()
        for _ in range(PATIENCE):
            concentrator.publish(signed)
            payloads |= {delivery.payload for delivery in subscriber.receive(1)}
            if payloads:
                break
        assert payloads == {signed.to_bytes()}


def test_a_day_of_the_data_set_leads_from_meter_to_offer(place):
    household, plant, _ = place.meters
    profiles = Profiles.load()
    load = profiles.energies_wh("household_c", 5_000)
    sun = profiles.energies_wh("pv_5", 8_000)
    for number in range(PERIODS_IN_24_HOURS + PERIODS_IN_24_HOURS // 2):
        household.count(imported_wh=load[number])
        plant.count(exported_wh=sun[number])
        place.publish(meter.read(START + 1 + number) for meter in (household, plant))
    last = START + PERIODS_IN_24_HOURS + PERIODS_IN_24_HOURS // 2
    place.collect_until(lambda: all(place.intake.energy(meter.address, last) for meter in (household, plant)))
    limits = AutoTradingLimits(
        active=True,
        energy_type=EnergyType.PV,
        accepted_types=EnergyType.any(),
        lowest_sell_ticks=3_000,
        highest_buy_ticks=5_000,
        max_share_permille=800,
    )
    offers = []
    for meter in (household, plant):
        history = place.intake.surpluses_wh(meter.address, START + 1, last)
        offers.append(propose(limits, last + 4, forecast(history, ahead=4).surplus_wh))
    assert [offer.side for offer in offers] == [Side.BID, Side.ASK]
    assert place.intake.surpluses_wh(plant.address, START + 1, last) == list(sun[: last - START])


def test_what_is_handed_in_is_on_disk_when_it_is_confirmed_and_taken_once(tmp_path):
    meter = Meter(SigningKey.generate())
    payloads = [meter.read(START).to_bytes(), meter.read(START + 1).to_bytes()]
    head_end = HeadEnd(Intake([MeteringPoint(meter.address, 20_000)]), Journal(tmp_path / "readings"))
    assert [arrival.finding for arrival in head_end.take(payloads)] == [None, None]
    with closing(Journal(tmp_path / "readings")) as on_disk:
        assert list(on_disk.unread()) == payloads
    assert {arrival.finding.fault for arrival in head_end.take(payloads)} == {Anomaly.REPEATED}
    with closing(Journal(tmp_path / "readings")) as on_disk:
        assert list(on_disk.unread()) == payloads
    assert (head_end.received, head_end.accepted, dict(head_end.faults)) == (4, 2, {Anomaly.REPEATED: 2})


def test_head_ends_of_several_processes_accept_a_reading_once_and_know_what_the_others_have(tmp_path):
    meter = Meter(SigningKey.generate())
    payloads = [meter.read(START).to_bytes(), meter.read(START + 1).to_bytes()]
    point = MeteringPoint(meter.address, 20_000)
    one, other = (HeadEnd(Intake([point]), Journal(tmp_path / "readings")) for _ in range(2))
    one.take(payloads[:1])
    assert other.intake.latest(meter.address) is None
    other.catch_up()
    assert other.intake.latest(meter.address).period == START
    assert [arrival.accepted is not None for arrival in other.take(payloads)] == [False, True]
    one.catch_up()
    assert one.intake.count(meter.address) == other.intake.count(meter.address) == 2
    assert list(JournalReader(tmp_path / "readings").unread()) == payloads


def test_what_the_disk_does_not_take_is_never_confirmed(tmp_path, monkeypatch):
    meter = Meter(SigningKey.generate())
    payload = meter.read(START).to_bytes()
    journal = Journal(tmp_path / "readings")
    head_end = HeadEnd(Intake([MeteringPoint(meter.address, 20_000)]), journal)

    def full():
        raise OSError("no space left on device")

    monkeypatch.setattr(journal, "sync", full)
    for _ in range(2):
        with pytest.raises(ReadingsNotKept, match="no space"):
            head_end.take([payload])


def test_a_meter_whose_clock_is_fast_is_not_believed(tmp_path):
    meter = Meter(SigningKey.generate())
    ends = (START + 1) * 900
    payload = meter.read(START).to_bytes()
    for second, accepted in ((ends - 61, 0), (ends - 60, 1)):
        intake = Intake([MeteringPoint(meter.address, 20_000)])
        head_end = HeadEnd(intake, Journal(tmp_path / str(second)), lambda second=second: second)
        head_end.take([payload])
        assert head_end.accepted == accepted


def test_a_name_of_a_region_that_means_something_in_a_topic_is_refused():
    for region in ("", "a/b", "+", "a#", "a\0"):
        with pytest.raises(InvalidValue, match="region"):
            Subscriber(Broker("127.0.0.1", 1), region, "session")


@pytest.mark.parametrize(
    ("address", "host", "port", "encrypted"),
    [
        ("mqtt://127.0.0.1:1884", "127.0.0.1", 1884, False),
        ("mqtt://broker.example", "broker.example", 1883, False),
        ("mqtts://broker.example/", "broker.example", 8883, True),
    ],
)
def test_a_broker_is_named_by_its_url(address, host, port, encrypted):
    broker = Broker.at(address)
    assert (broker.host, broker.port, broker.tls is not None) == (host, port, encrypted)


@pytest.mark.parametrize(
    "address", ["127.0.0.1:1883", "http://a:1", "mqtt://", "mqtt://a:b", "mqtt://a:70000", "mqtt://u@a", "mqtt://a/b"]
)
def test_what_is_no_url_of_a_broker_is_refused(address):
    with pytest.raises(InvalidValue, match="mqtt://host:port"):
        Broker.at(address)


def test_a_broker_of_its_own_answers_and_is_gone_afterwards(tmp_path):
    meter = Meter(SigningKey.generate())
    with local_broker() as broker, closing(Subscriber(broker, tmp_path.name, "session")) as subscriber:
        assert subscriber.await_broker(PATIENCE)
        with closing(Concentrator(broker, tmp_path.name, "concentrator-1", [meter])) as concentrator:
            concentrator.publish(meter.read(START))
            assert len(subscriber.receive(PATIENCE)) == 1
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((broker.host, broker.port))


def test_a_url_may_hold_a_login_which_no_error_repeats():
    assert Broker.at("mqtts://head%40end:s%3Acret@broker.example").login == ("head@end", "s:cret")
    with pytest.raises(InvalidValue) as refused:
        Broker.at("mqtt://user:secret@broker/topic")
    assert "secret" not in str(refused.value)


def test_one_meter_cannot_fill_the_disk_and_others_are_heard_meanwhile(tmp_path):
    flooding, other = Meter(SigningKey(b"\x21" * 32)), Meter(SigningKey(b"\x22" * 32))
    now = [0.0]
    intake = Intake([MeteringPoint(flooding.address, 1_000), MeteringPoint(other.address, 1_000)])
    head_end = HeadEnd(intake, Journal(tmp_path / "journal"), monotonic=lambda: now[0])
    with closing(head_end):
        arrivals = head_end.take([flooding.read(1_000_000).to_bytes() for _ in range(BURST_READINGS + 10)])
        refused = [arrival.finding.fault for arrival in arrivals[BURST_READINGS:]]
        assert refused == [Anomaly.TOO_MANY] * 10
        assert head_end.accepted == BURST_READINGS
        assert head_end.take([other.read(1_000_000).to_bytes()])[0].accepted is not None
        now[0] += 1 / READINGS_PER_SECOND
        again = [flooding.read(1_000_001).to_bytes() for _ in range(2)]
        assert [arrival.accepted is not None for arrival in head_end.take(again)] == [True, False]


def test_what_a_forger_sends_takes_nothing_from_the_meter_it_names(tmp_path):
    meter = Meter(SigningKey(b"\x23" * 32))
    intake = Intake([MeteringPoint(meter.address, 1_000)])
    head_end = HeadEnd(intake, Journal(tmp_path / "journal"), monotonic=lambda: 0.0)
    with closing(head_end):
        reading = meter.read(1_000_000)
        forged = replace(reading, signature=bytes(65)).to_bytes()
        head_end.take([forged] * (BURST_READINGS + 1))
        assert head_end.take([reading.to_bytes()])[0].accepted is not None
