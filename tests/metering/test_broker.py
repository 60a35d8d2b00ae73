"""The broker of one's own: it goes with whoever started it."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from gridbourse.errors import InvalidValue
from gridbourse.metering.broker import _answers, local_broker
from gridbourse.metering.mqtt import Broker

STARTED = """
import time
from gridbourse.metering.broker import local_broker
with local_broker() as broker:
    print(broker.port, flush=True)
    time.sleep(60)
"""


def until_gone(broker):
    deadline = time.monotonic() + 60
    while _answers(broker):
        assert time.monotonic() < deadline, "the broker ends"
        time.sleep(0.05)


def test_it_answers_within_the_block_and_not_after():
    with local_broker() as broker:
        assert _answers(broker)
    assert not _answers(broker)


def test_it_ends_when_who_started_it_is_killed():
    with subprocess.Popen([sys.executable, "-c", STARTED], stdout=subprocess.PIPE) as process:
        broker = Broker("127.0.0.1", int(process.stdout.readline()))
        assert _answers(broker)
        os.kill(process.pid, signal.SIGKILL)
    until_gone(broker)


def test_a_port_on_which_another_listens_is_refused_by_its_number():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(InvalidValue, match=str(port)), local_broker(port):
            pass
