"""A real MQTT broker, amqtt, in a process of its own that can be killed."""

import socket
import subprocess
import sys
import time

import pytest

from gridbourse.metering.mqtt import Broker

CONFIGURATION = """
listeners:
  default: {{type: tcp, bind: "127.0.0.1:{port}"}}
plugins:
  amqtt.plugins.authentication.AnonymousAuthPlugin: {{allow_anonymous: true}}
"""


class RunningBroker:
    """It keeps its sessions in memory, so that whoever kills it takes from it all it had to deliver."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = Broker("127.0.0.1", free.getsockname()[1])
        self._configuration = folder / "broker.yaml"
        self._configuration.write_text(CONFIGURATION.format(port=self.address.port))
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

    def _answers(self):
        try:
            socket.create_connection((self.address.host, self.address.port)).close()
        except ConnectionRefusedError:
            return False
        return True


@pytest.fixture(scope="session")
def broker(tmp_path_factory):
    running = RunningBroker(tmp_path_factory.mktemp("broker"))
    yield running
    running.kill()
