"""The documentation names every table of the index, and no other."""

import re
from pathlib import Path

from gridbourse.index.schema import metadata

PAGE = Path(__file__).parents[2] / "docs" / "index-database.md"


def test_every_table_stands_in_the_documentation():
    tables = PAGE.read_text("utf-8").split("## Tables")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", tables, re.MULTILINE)) == set(metadata.tables)


def test_no_table_has_more_than_four_indexes_that_grow_with_every_row():
    for table in metadata.sorted_tables:
        growing = [index for index in table.indexes if index.dialect_options["sqlite"]["where"] is None]
        assert len(growing) <= 4, table.name
