"""Who may do what at a broker of one's own: nobody without a key, and each meter on its own topics."""

import time
from contextlib import closing, contextmanager
from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from gridbourse.crypto.keys import SigningKey
from gridbourse.errors import InvalidValue
from gridbourse.metering.access import HEAD_END, HOUR_SECONDS, METERS, AccessList, password_of, proven_meters
from gridbourse.metering.broker import local_broker
from gridbourse.metering.meter import Meter
from gridbourse.metering.mqtt import Concentrator, Subscriber

NOW = 1_800_000_000
HOUR = NOW // HOUR_SECONDS
ONE, OTHER = (Meter(SigningKey(bytes([number]) * 32)) for number in (1, 2))


def topic(meter, subject, region="valley"):
    return f"gridbourse/{region}/meters/{meter.address.hex()}/{subject}"


def test_a_password_proves_the_meters_that_signed_it():
    password = password_of([ONE.prove("client", HOUR), OTHER.prove("client", HOUR)])
    assert proven_meters(password, "client", NOW) == {ONE.address, OTHER.address}


@pytest.mark.parametrize("ahead", [-2, -1, 0, 1, 2])
def test_a_password_is_good_for_the_hour_before_and_after(ahead):
    password = password_of([ONE.prove("client", HOUR)])
    if abs(ahead) <= 1:
        assert proven_meters(password, "client", NOW + ahead * HOUR_SECONDS)
    else:
        with pytest.raises(InvalidValue):
            proven_meters(password, "client", NOW + ahead * HOUR_SECONDS)


@pytest.mark.parametrize(
    "password",
    [
        "",
        "not base64",
        password_of([]),
        password_of([ONE.prove("another client", HOUR)]),
        password_of([(OTHER.address, ONE.prove("client", HOUR)[1])]),
        password_of([ONE.prove("client", HOUR), (OTHER.address, bytes(65))]),
        password_of([ONE.prove("client", HOUR)])[:-8],
    ],
)
def test_another_password_proves_nothing(password):
    with pytest.raises(InvalidValue):
        proven_meters(password, "client", NOW)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_whatever_is_said_nobody_is_let_in_by_chance(said, user):
    access = AccessList("secret")
    assert not access.admit("client", user, said.decode("latin-1"), NOW)
    assert not access.allows("client", topic(ONE, "readings"), publishes=True)


def test_each_does_what_it_is_there_for_and_nothing_else():
    access = AccessList("secret")
    assert access.admit("head", HEAD_END, "secret", NOW)
    assert access.admit("one", METERS, password_of([ONE.prove("one", HOUR)]), NOW)
    allowed = {
        (client, meter, subject, publishes)
        for client in ("head", "one", "stranger")
        for meter in (ONE, OTHER)
        for subject in ("readings", "resend", "other")
        for publishes in (True, False)
        if access.allows(client, topic(meter, subject), publishes=publishes)
    }
    assert allowed == {
        *(("head", meter, "resend", True) for meter in (ONE, OTHER)),
        *(("head", meter, "readings", False) for meter in (ONE, OTHER)),
        ("one", ONE, "readings", True),
        ("one", ONE, "resend", False),
    }
    assert access.allows("head", "gridbourse/valley/meters/+/readings", publishes=False)
    for wild in ("#", "gridbourse/#", "gridbourse/valley/meters/+/resend", "+/+/+/+/resend", "$SYS/broker/uptime"):
        assert not access.allows("one", wild, publishes=False)
        assert not access.allows("head", wild, publishes=False)


def test_nobody_takes_the_place_of_a_client_that_is_known():
    access = AccessList("secret")
    assert access.admit("one", METERS, password_of([ONE.prove("one", HOUR)]), NOW)
    assert not access.admit("one", METERS, password_of([OTHER.prove("one", HOUR)]), NOW)
    assert access.allows("one", topic(ONE, "readings"), publishes=True)
    assert access.admit("one", METERS, password_of([ONE.prove("one", HOUR + 1)]), NOW + HOUR_SECONDS)


# At a broker that runs


@contextmanager
def stranger(broker, client_id="stranger", user=None, password=None):
    """A client of the broker; tells whether it was let in, and what it heard."""
    client = Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=True)
    client.answered, client.heard, client.refused = Event(), [], None

    def connected(_, __, ___, reason, ____):
        client.refused = reason.is_failure
        client.answered.set()

    client.on_connect = connected
    client.on_message = lambda _, __, message: client.heard.append(message.topic)
    if user is not None:
        client.username_pw_set(user, password)
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield client
    finally:
        client.disconnect()
        client.loop_stop()


@pytest.fixture(scope="module")
def broker():
    with local_broker() as running:
        yield running


def test_strangers_are_not_let_in(broker):
    for user, password in ((None, None), (HEAD_END, "guessed"), (METERS, "AAAA"), ("admin", "admin")):
        with stranger(broker, user=user, password=password) as client:
            assert client.answered.wait(30)
            assert client.refused


def test_a_meter_hears_and_writes_nothing_of_another(broker):
    region = "own topics"
    proof = password_of([OTHER.prove("spy", int(time.time()) // HOUR_SECONDS)])
    with (
        closing(Subscriber(broker, region, "session")) as subscriber,
        closing(Concentrator(broker, region, "line", [ONE])) as line,
        stranger(broker, "spy", METERS, proof) as spy,
    ):
        assert subscriber.await_broker(30)
        assert line.await_broker(30)
        assert spy.answered.wait(30)
        spy.subscribe("#", 1)
        spy.subscribe(f"gridbourse/{region}/meters/+/readings", 1)
        spy.publish(topic(ONE, "readings", region), b"forged", 1).wait_for_publish(30)
        reading = ONE.read(NOW // 900)
        line.publish(reading)
        assert line.flush(30)
        assert [delivery.payload for delivery in subscriber.receive(30)] == [reading.to_bytes()]
        assert spy.heard == []


def test_who_knows_the_region_does_not_know_the_head_ends_place(broker):
    region = "guessed id"
    with (
        closing(Subscriber(broker, region, "0123456789abcdef")) as subscriber,
        closing(Concentrator(broker, region, "line", [ONE])) as line,
    ):
        assert subscriber.await_broker(30)
        assert line.await_broker(30)
        with stranger(broker, f"gridbourse-{region}-head-end") as client:
            assert client.answered.wait(30)
            line.publish(ONE.read(NOW // 900 + 1))
            assert line.flush(30)
            assert len(subscriber.receive(30)) == 1
            assert subscriber.is_connected
