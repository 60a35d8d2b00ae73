"""A region whose index is looked at."""

import time

from sqlalchemy import select

from gridbourse.index.queries.reader import IndexReader
from gridbourse.index.schema import changes, index_state, metadata
from gridbourse.market.types import Role, Settings
from gridbourse.region.description import MasterSpec, NodeKind, NodeSpec, RegionSpec

DAY = int(time.time()) // 86_400 + 1
PERIOD = DAY * 96 + 48
NODES = ["Anna", "Arno", "Bert", "Bea"]
SPEC = RegionSpec(
    "small",
    500,
    Settings(300, floor_ticks=100, cap_ticks=9_000, gate_lead_seconds=900, max_candidates=64, least_wh=1),
    (
        MasterSpec(
            "roofs",
            Role.AGGREGATOR,
            (NodeSpec("Anna", NodeKind.PV, "Roof 1"), NodeSpec("Arno", NodeKind.STORAGE, "Cellar 2")),
        ),
        MasterSpec(
            "grid",
            Role.GRID,
            (NodeSpec("Bert", NodeKind.RESIDENTIAL, "House 3"), NodeSpec("Bea", NodeKind.INDUSTRIAL, "Works 4")),
        ),
    ),
)


def indexed(region):
    """A region's index, up to date."""
    region.catch_up()
    return IndexReader(region.database)


def everything(index):
    """All that stands in the index, without the numbers that are counted as it is written."""
    return {table.name: _rows(index, table) for table in metadata.sorted_tables if table not in {changes, index_state}}


def _rows(index: IndexReader, table):
    """A table's rows. Orders are numbered as they are first heard of, which differs where records are read late."""
    columns = [column for column in table.c if (table.name, column.name) != ("orders", "number")]
    return sorted(map(repr, index.database.rows(select(*columns))))
