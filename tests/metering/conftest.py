"""A real MQTT broker, amqtt, in a process of its own that can be killed."""

import re
import socket
import ssl
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from gridbourse.metering.mqtt import Broker

CONFIGURATION = """
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
  tls: {{bind: "127.0.0.1:{tls_port}", ssl: true, certfile: {certificate}, keyfile: {key}}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""


class RunningBroker:
    """It keeps its sessions in memory, so that whoever kills it takes from it all it had to deliver."""

    def __init__(self, folder):
        port, tls_port = free_ports()
        certificate, key = write_certificate(folder)
        self.address = Broker("127.0.0.1", port)
        self.tls_address = Broker("127.0.0.1", tls_port, ssl.create_default_context(cafile=certificate))
        self._configuration = folder / "broker.yaml"
        self._configuration.write_text(
            CONFIGURATION.format(port=port, tls_port=tls_port, certificate=certificate, key=key)
        )
        self._log = folder / "broker.log"
        self.start()

    def start(self):
        command = [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(self._configuration)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        while not self._answers():
            assert self._process.poll() is None, self._log.read_text()
            time.sleep(0.05)

    def kill(self):
        self._process.kill()
        self._process.wait()

    def wait_for_connections(self, count):
        """Wait until it serves so many: it forgets a client that is back before its old connection is cleaned up."""
        for _ in range(1_200):
            if re.findall(r"'default': (\d+)/", self._log.read_text())[-1:] == [str(count)]:
                return
            time.sleep(0.05)
        pytest.fail(self._log.read_text())

    def _answers(self):
        try:
            socket.create_connection((self.address.host, self.address.port)).close()
        except ConnectionRefusedError:
            return False
        return True


def free_ports():
    with socket.socket() as one, socket.socket() as other:
        one.bind(("127.0.0.1", 0))
        other.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]


def write_certificate(folder):
    key = generate_private_key(SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .sign(key, SHA256())
    )
    (folder / "broker.crt").write_bytes(certificate.public_bytes(Encoding.PEM))
    (folder / "broker.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "broker.crt", folder / "broker.key"


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    running = RunningBroker(tmp_path_factory.mktemp("broker"))
    yield running
    running.kill()
