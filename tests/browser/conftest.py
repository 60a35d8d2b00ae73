"""A small region as a service, with somebody who tries everything in it, and Chromium."""

import json
from dataclasses import replace

import pytest
from browsing import CHROMIUM, EVIL, Visit, launched
from small_market import DAY, SPEC

from gridbourse.node.region import Region
from gridbourse.region.description import NodeKind, NodeSpec
from gridbourse.service.rights import Kind
from service import Service


# Playwright keeps an event loop running in its thread: for the modules here only, others run loops of their own.
@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium on this machine; `make chromium` installs it where there is apt")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, launched(playwright) as browser:
        yield browser


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    roofs, grid = SPEC.masters
    dispatch = NodeSpec(f"Dispatch {EVIL[:40]}", NodeKind.DISPATCH, EVIL)
    spec = replace(SPEC, masters=(roofs, replace(grid, nodes=(*grid.nodes, dispatch))))
    folder = tmp_path_factory.mktemp("browser") / "region"
    Region.create(folder, spec).close()
    running = Service(folder).start()
    for name in ("Anna", "Arno", "Bert", "Bea"):
        running.account(name)
    running.account("grid", Kind.MASTER)
    running.account("regulator", Kind.REGULATOR)
    running.region(Region.open_day, DAY)
    running.region(Region.deposit, {"Bert": 10**12, "Bea": 10**12}, DAY, b"\x01" * 32)
    running.region(Region.report, dispatch.node_id, EVIL, json.dumps({"says": EVIL}))
    yield running
    running.stop()


@pytest.fixture
def visit(chromium, service):
    """Opens a browser of somebody; nothing may go wrong in it."""
    visits = []

    def start(name=None, **options):
        visits.append(Visit(chromium, service.url, name, **options))
        return visits[-1]

    yield start
    for one in visits:
        one.close()
        assert one.complaints == []
