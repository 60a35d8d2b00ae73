"""Readings over MQTT 3.1.1 at QoS 1, by paho-mqtt.

=============================================== ================= ==========================================
topic                                           direction         payload
=============================================== ================= ==========================================
``gridbourse/<region>/meters/<meter>/readings`` meter -> head-end `SignedReading.to_bytes`, 117 bytes
``gridbourse/<region>/meters/<meter>/resend``   head-end -> meter first and last number wanted, 4 bytes each
=============================================== ================= ==========================================

``<meter>`` is the meter's address in 40 hexadecimal digits. QoS 1 reaches from a client to the broker and from the
broker to a client, each time at least once; what a broker loses between the two (it restarts, its queue is full) the
head-end notices by the numbers of the readings and asks the meter for again.
"""

from __future__ import annotations

import ssl
import struct
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Condition, Event
from typing import Any, NamedTuple, Self
from urllib.parse import unquote, urlsplit

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from gridbourse.crypto.keys import Address, keccak256
from gridbourse.errors import InvalidValue
from gridbourse.metering.access import HEAD_END, HOUR_SECONDS, METERS, password_of
from gridbourse.metering.meter import Meter
from gridbourse.metering.reading import SignedReading

_QOS = 1
_RESEND = struct.Struct(">II")
_LONGEST_RECONNECT_SECONDS = 30
_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class Broker:
    """Where the MQTT broker is.

    Parameters
    ----------
    host, port
        Its address.
    tls
        How to make sure of the broker and, by a client certificate, let it make sure of us; None on a network of
        one's own. Readings are signed but not encrypted: whoever reads them sees when somebody is at home.
    login
        User and password at a broker that has such; None where meters show that they are theirs by their keys.
    head_end_password
        The head-end's, at a broker of one's own.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    login: tuple[str, str] | None = field(default=None, repr=False)
    head_end_password: str | None = field(default=None, repr=False)

    @classmethod
    def at(cls, address: str) -> Self:
        """Read ``mqtt://[user:password@]host[:port]``, or ``mqtts://`` for TLS with the machine's certificates.

        Raises
        ------
        InvalidValue
            `address` is nothing of that kind.
        """
        remedy = "mqtt://host:port, or mqtts://user:password@host:port for TLS"
        try:
            parts = urlsplit(address)
            usual = _PORTS[parts.scheme]
            port = parts.port or usual
        except (ValueError, KeyError) as error:
            raise InvalidValue("broker", address, remedy) from error
        is_half = (parts.username is None) is not (parts.password is None)
        if not parts.hostname or parts.path.strip("/") or parts.query or parts.fragment or is_half:
            raise InvalidValue("broker", address.rpartition("@")[2], remedy)
        login = (unquote(parts.username), unquote(parts.password)) if parts.username and parts.password else None
        tls = ssl.create_default_context() if parts.scheme == "mqtts" else None
        return cls(parts.hostname, port, tls, login)


class Concentrator:
    """Publishes the readings of one or many meters over one connection, and answers when they are asked for again.

    It connects in the background, and again when the connection breaks; what is published meanwhile waits.

    Parameters
    ----------
    broker
        Where to publish.
    region
        Name of the region.
    name
        Name of the concentrator, its own in the region.
    meters
        The meters behind it.

    Attributes
    ----------
    forwarded : int
        How many payloads it has taken over so far.

    Raises
    ------
    InvalidValue
        `region` has characters that mean something in a topic.
    """

    def __init__(self, broker: Broker, region: str, name: str, meters: Iterable[Meter]) -> None:
        self.forwarded = 0
        self._region = region
        self._meters = {_topic(region, meter.address.hex(), "resend"): meter for meter in meters}
        self._outbox: deque[tuple[Address, bytes]] = deque()
        self._unconfirmed = 0
        self._confirmed = Condition()
        session = keccak256(b"".join(meter.prove(f"{region}/{name}", 0)[1] for meter in self._meters.values()))[:8]
        client_id = f"gridbourse-{region}-{name}-{session.hex()}"
        self._client = _client(client_id)
        self._client.on_pre_connect = lambda *_: self._log_in(broker, client_id)
        self._client.on_message = self._asked
        self._client.on_publish = self._published
        self._subscribed = _connect(self._client, broker, list(self._meters), self._send)

    def publish(self, signed: SignedReading) -> None:
        """Hand a reading to the broker, now or as soon as it can be reached."""
        self.forward(signed.reading.meter, signed.to_bytes())

    def forward(self, meter: Address, payload: bytes) -> None:
        """Hand on what came from a meter, whatever it is: a concentrator does not look into it."""
        with self._confirmed:
            self._unconfirmed += 1
            self.forwarded += 1
        self._outbox.append((meter, payload))
        # Before the connection stands, paho-mqtt could write this ahead of its CONNECT, which brokers punish.
        if self._client.is_connected():
            self._send()

    def await_broker(self, timeout_seconds: float) -> bool:
        """Wait until the broker has taken the first subscription, and tell whether it has."""
        return self._subscribed.wait(timeout_seconds)

    def flush(self, timeout_seconds: float) -> bool:
        """Wait until the broker has confirmed everything published, and tell whether it has."""
        with self._confirmed:
            return self._confirmed.wait_for(lambda: self._unconfirmed == 0, timeout_seconds)

    def close(self) -> None:
        """Disconnect; what is not confirmed yet stays in the meters' memories."""
        _disconnect(self._client)

    def _log_in(self, broker: Broker, client_id: str) -> None:
        """Say who connects, anew each time: what meters sign is good for an hour."""
        hour = int(time.time()) // HOUR_SECONDS
        proofs = [meter.prove(client_id, hour) for meter in self._meters.values()]
        self._client.username_pw_set(*(broker.login or (METERS, password_of(proofs))))

    def _send(self) -> None:
        """Hand the outbox to the client; called when something was put there, and when the connection stands."""
        while self._outbox:
            with suppress(IndexError):  # the other thread was faster
                meter, payload = self._outbox.popleft()
                self._client.publish(_topic(self._region, meter.hex(), "readings"), payload, _QOS)

    def _asked(self, _: Client, __: Any, message: MQTTMessage) -> None:
        meter = self._meters.get(message.topic)
        if meter is not None and len(message.payload) == _RESEND.size:
            for signed in meter.recall(*_RESEND.unpack(message.payload)):
                self.publish(signed)

    def _published(self, *_: Any) -> None:
        with self._confirmed:
            self._unconfirmed -= 1
            self._confirmed.notify_all()


class Delivery(NamedTuple):
    """What came from a meter, and what its acknowledgement needs."""

    payload: bytes
    message_id: int
    connection: int


class Subscriber:
    """Receives what the meters of a region publish, as the region's one head-end.

    A delivery that is not acknowledged, because the process died before it had it on disk, comes again.

    Parameters
    ----------
    broker
        Where to subscribe.
    region
        Name of the region.
    session
        A secret that ends its client id, so that nobody can take its place at the broker by that id. The same after a
        restart, so that the broker still knows the session.

    Raises
    ------
    InvalidValue
        `region` has characters that mean something in a topic.
    """

    def __init__(self, broker: Broker, region: str, session: str) -> None:
        self._region = region
        self._deliveries: SimpleQueue[Delivery] = SimpleQueue()
        self._connection = 0
        self._client = _client(f"gridbourse-{region}-head-end-{session}", manual_ack=True)
        if broker.login is not None or broker.head_end_password is not None:
            self._client.username_pw_set(*(broker.login or (HEAD_END, broker.head_end_password)))
        self._client.on_message = self._arrived
        self._client.on_disconnect = self._disconnected
        self._subscribed = _connect(self._client, broker, [_topic(region, "+", "readings")])

    def await_broker(self, timeout_seconds: float) -> bool:
        """Wait until the broker has taken the first subscription, and tell whether it has."""
        return self._subscribed.wait(timeout_seconds)

    @property
    def is_connected(self) -> bool:
        """Whether the broker can be reached."""
        return self._client.is_connected()

    def receive(self, timeout_seconds: float) -> list[Delivery]:
        """Take everything that has come; if nothing has, wait for the first."""
        deliveries: list[Delivery] = []
        try:
            deliveries.append(self._deliveries.get(timeout=timeout_seconds))
            while True:
                deliveries.append(self._deliveries.get_nowait())
        except Empty:
            return deliveries

    def acknowledge(self, deliveries: Iterable[Delivery]) -> None:
        """Tell the broker that these need not come again."""
        for delivery in deliveries:
            # A message id means something else on the next connection.
            if delivery.connection == self._connection:
                self._client.ack(delivery.message_id, _QOS)

    def request(self, meter: Address, first: int, last: int) -> None:
        """Ask a meter for its readings numbered `first` to `last` again; without a connection nothing is asked."""
        if self._client.is_connected():
            topic = _topic(self._region, meter.hex(), "resend")
            self._client.publish(topic, _RESEND.pack(first, last), _QOS)

    def close(self) -> None:
        """Disconnect; the broker keeps what comes meanwhile."""
        _disconnect(self._client)

    def _arrived(self, _: Client, __: Any, message: MQTTMessage) -> None:
        self._deliveries.put(Delivery(bytes(message.payload), message.mid, self._connection))

    def _disconnected(self, *_: Any) -> None:
        self._connection += 1


def require_topic_name(region: str) -> None:
    """Refuse a name of a region that no topic can have.

    Raises
    ------
    InvalidValue
        It has characters that mean something in a topic.
    """
    if not region or set(region) & set("/+#\0"):
        raise InvalidValue("region", region, "a name without '/', '+', '#' and NUL")


def _topic(region: str, meter: str, subject: str) -> str:
    require_topic_name(region)
    return f"gridbourse/{region}/meters/{meter}/{subject}"


def _client(client_id: str, *, manual_ack: bool = False) -> Client:
    """Make a client whose session the broker keeps while it is away."""
    return Client(CallbackAPIVersion.VERSION2, client_id=client_id, clean_session=False, manual_ack=manual_ack)


def _connect(
    client: Client, broker: Broker, topics: list[str], when_connected: Callable[[], None] = lambda: None
) -> Event:
    """Connect in the background, for ever, and subscribe each time: the broker may have forgotten the session.

    Returns
    -------
    Event
        Set when the broker has taken a subscription.
    """
    taken = Event()

    def connected(*_: Any) -> None:
        client.subscribe([(topic, _QOS) for topic in topics])
        when_connected()

    def subscribed(*_: Any) -> None:
        taken.set()

    client.on_connect = connected
    client.on_subscribe = subscribed
    client.reconnect_delay_set(1, _LONGEST_RECONNECT_SECONDS)
    if broker.tls is not None:
        client.tls_set_context(broker.tls)
    client.connect_async(broker.host, broker.port)
    client.loop_start()
    return taken


def _disconnect(client: Client) -> None:
    client.disconnect()
    client.loop_stop()
