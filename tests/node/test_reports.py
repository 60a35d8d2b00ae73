"""Reports of function nodes are records like any other: signed by who reports, read by few, judged by the regulator."""

import pytest
from small_region import records_of

from gridbourse.errors import EnvelopeError
from gridbourse.ledger.records import NodeReport
from gridbourse.ledger.sealing import seal_record

REPORT = NodeReport("Bert", "free transfer capacity", '{"north to south":[1200]}')


def test_a_report_is_a_record_of_its_nodes_slave_chain(region):
    region.report(REPORT.user_id, REPORT.title, REPORT.body)
    assert records_of(region, "grid", NodeReport) == [REPORT]
    assert records_of(region, "roofs", NodeReport) == []


def test_a_report_is_opened_by_its_node_its_encryption_node_and_the_regulator_and_by_nobody_else(region):
    region.report(REPORT.user_id, REPORT.title, REPORT.body)
    grid = region.masters["grid"]
    record = list(grid.slave.records())[-1]
    assert grid.nodes["Bert"].read(record) == grid.encryption_node.open(record) == REPORT
    assert region.regulator.reports() == [REPORT]
    for stranger in (grid.nodes["Bea"].read, region.masters["roofs"].encryption_node.open):
        with pytest.raises(EnvelopeError):
            stranger(record)


def test_a_report_in_another_nodes_name_is_not_believed_and_the_audit_names_it(region):
    grid = region.masters["grid"]
    bea = grid.nodes["Bea"]
    content = seal_record(grid.slave.ledger, bea.address, REPORT, grid.encryption_node.readers)
    grid.slave.submit_records(bea._wallet.sign([grid.slave.ledger.append(REPORT.KIND, content)]))
    assert region.regulator.reports() == []
    (finding,) = region.regulator.audit()
    assert "slave chain grid" in finding
    assert f"0x{bea.address.hex()} signed it" in finding


def test_a_report_changes_nothing_on_the_main_chain(region):
    region.report(REPORT.user_id, REPORT.title, REPORT.body)
    height = region.main.chain.head().height
    assert region.relays["grid"].submit() == []
    assert region.main.chain.head().height == height
    assert region.relays["grid"].rejected_records == []
