"""The region's own process: what it does when one of the two processes ends, is told to stop, or fails."""

import asyncio
import os
import pickle
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from region_work import divide_by_zero, process_number

from gridbourse import errors
from gridbourse.chain.revert import contract_error
from gridbourse.crypto.envelope import open_envelope, seal
from gridbourse.crypto.node_keys import NodeKeys
from gridbourse.errors import (
    ChainCorrupted,
    ContractReverted,
    InvalidValue,
    OrderRefused,
    RegionStopped,
    RpcError,
    TransactionRejected,
)
from gridbourse.market.types import Reason
from gridbourse.node.jobs import JobSchedule
from gridbourse.node.node import Region
from gridbourse.service.node_client import RegionProcess
from gridbourse.text import Message, say
from service import PATIENCE_SECONDS, until

from small_market import ask  # isort: skip

ERRORS = [
    InvalidValue("energy_wh", -1, "a positive number"),
    TransactionRejected("nonce: 3 is not the next", errors.Rejection.NONCE_TOO_LOW),
    ContractReverted("WrongState", (1, "x"), b"\x01"),
    ChainCorrupted(Path("main.chain"), "block 3", "another hash"),
    RpcError(-32_000, "no", "0x"),
    OrderRefused(Reason(1)),
    errors.ServiceProblem(503, "stopped", "try again", (("a", "b"),)),
    errors.ReadingsRefused("two of three", (("1", "too old"),)),
    errors.NotFound(Message("there is no deal {deal} of yours", deal=7)),
    contract_error(b"", None),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_as_it_was_raised(error):
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), arrived.args, vars(arrived)) == (type(error), error.args, vars(error))
    assert say(Message.of(arrived), "zh") == say(Message.of(error), "zh")


@pytest.mark.parametrize("suite", ["hpke", "gmt"])
def test_keys_arrive_with_all_that_they_replaced(suite):
    from gridbourse.crypto.suite import suite_named

    if suite == "gmt":
        pytest.importorskip("gmssl_pyx")
    keys = NodeKeys.generate(suite_named(suite)).renewed()
    arrived = pickle.loads(pickle.dumps(keys))
    envelope = seal(b"old", place=b"here", recipients=[keys.before.encryption.public_bytes], suite=suite_named(suite))
    assert arrived.address == keys.address
    assert open_envelope(envelope, place=b"here", key=arrived.opening[1]) == b"old"


def region_of(service):
    """Number of the region's process."""
    return service.exchange.region._process.pid


def test_killed_the_regions_process_takes_the_service_out_of_rotation_and_nobody_waits_for_ever(service):
    with service.browser("Anna") as anna:
        until(lambda: service.exchange.is_running)
        os.kill(region_of(service), signal.SIGKILL)
        until(lambda: httpx.get(f"{service.url}/ready").status_code == 503)
        answer = anna.post("/orders", json=ask())
        assert answer.status_code == 503
        assert anna.get("/orders").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_it_goes_on_when_a_terminal_tells_both_processes_to_stop(service, number):
    until(lambda: service.exchange.is_running)
    os.kill(region_of(service), number)
    assert service.region(process_number) == region_of(service)


def test_it_ends_at_once_when_the_web_server_is_gone(folder):
    command = [sys.executable, "-m", "gridbourse.service.region_main", str(folder), "{}", "30"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout.read(4), "the region is open"
    process.stdin.close()
    assert process.wait(PATIENCE_SECONDS) == 1
    Region.open(folder).close()


def test_a_folder_that_holds_no_region_is_refused_by_name(tmp_path):
    with pytest.raises(InvalidValue, match=str(tmp_path)):
        asyncio.run(RegionProcess.open(tmp_path, JobSchedule()))


def test_work_that_fails_unexpectedly_is_told_and_the_region_goes_on(service):
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        service.region(divide_by_zero)
    assert service.region(process_number) == region_of(service)


def test_what_is_asked_of_a_stopped_process_is_refused(service):
    until(lambda: service.exchange.is_running)
    service.ask(service.exchange.region.stop())
    with pytest.raises(RegionStopped):
        service.region(process_number)
    assert not service.exchange.is_running
