import shutil

import pytest
from small_region import DAY, PAYMENT, SPEC, Clock

from gridbourse.node.region import Region


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """A closed region whose day is open and whose buyers have a deposit."""
    folder = tmp_path_factory.mktemp("prepared") / "region"
    with Region.create(folder, SPEC, clock=Clock()) as region:
        region.open_day(DAY)
        region.deposit({"Bert": 10**9, "Bea": 10**9}, DAY, PAYMENT)
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "region")


@pytest.fixture
def region(folder, clock):
    with Region.open(folder, clock=clock) as region:
        yield region
