import shutil
from dataclasses import replace

import pytest
from small_market import DAY, PERIOD, SPEC

from gridbourse.node.region import Region
from gridbourse.service.rights import Kind
from gridbourse.units import PERIODS_IN_24_HOURS
from service import Service


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A stopped service's folder: everybody has an account, and the buyers have money for tomorrow."""
    folder = tmp_path_factory.mktemp("prepared") / "region"
    Region.create(folder, SPEC).close()
    service = Service(folder).start()
    try:
        for name, kind in {
            **{node.node_id: Kind.NODE for master in SPEC.masters for node in master.nodes},
            **{master.name: Kind.MASTER for master in SPEC.masters},
            "regulator": Kind.REGULATOR,
        }.items():
            service.account(name, kind)
        service.region(Region.open_day, DAY)
        service.region(Region.deposit, {"Bert": 10**12, "Bea": 10**12}, DAY, b"\x01" * 32)
    finally:
        service.stop()
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "region")


@pytest.fixture
def service(folder):
    running = Service(folder).start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared(prepared, tmp_path_factory):
    """A service that the tests of one file share."""
    running = Service(shutil.copytree(prepared, tmp_path_factory.mktemp("shared") / "region")).start()
    yield running
    running.stop()


@pytest.fixture(scope="session")
def quiet_periods():
    return iter(range(PERIOD + 1, (DAY + 1) * PERIODS_IN_24_HOURS))


@pytest.fixture
def period(quiet_periods):
    """A delivery period of tomorrow in which no other test trades, so that they may share a service."""
    return next(quiet_periods)


@pytest.fixture
def rules():
    return replace(SPEC.settings)
