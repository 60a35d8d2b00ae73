"""The security analysis on disk: the numbers exactly, the figure reproducibly, the text with both."""

import csv

import numpy as np
import pytest

from gridbourse.paper.security import MIN_ROUNDS, Attack, analyse
from gridbourse.paper.security_report import DEPTHS, SHARES, write_csv, write_security


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_security(tmp_path_factory.mktemp("out") / "new" / "folder", seed=3, rounds=MIN_ROUNDS)


def read(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_text_figure_and_tables_are_written_into_a_new_folder(written):
    names = ["security.md", "security.png", "security.csv", "security_validators.csv"]
    assert [path.name for path in written] == names
    assert all(path.stat().st_size > 0 for path in written)


def test_the_table_holds_the_arrays_exactly(written):
    result = analyse(SHARES, DEPTHS, 3, MIN_ROUNDS)
    rows = read(written[2])
    grid = (len(SHARES), len(DEPTHS))

    def column(name):
        return np.array([float(row[name]) for row in rows]).reshape(grid)

    assert np.array_equal(column("share"), np.repeat(result.shares[:, None], grid[1], axis=1))
    assert np.array_equal(column("depth_blocks"), np.repeat(result.depths[None], grid[0], axis=0))
    assert np.array_equal(column("bft_reversible"), np.repeat(result.bft_reversible[:, None], grid[1], axis=1))
    for attack in Attack:
        for kind in ("formula", "measured", "low", "high"):
            assert np.array_equal(column(f"{attack.name.lower()}_{kind}"), getattr(result, kind)[attack])


def test_the_validator_table_states_both_limits(written):
    assert [tuple(map(int, row.values())) for row in read(written[3])] == [(4, 2, 1), (7, 3, 2), (10, 5, 3)]


def test_a_table_of_one_cell_has_one_row(tmp_path):
    grid, _ = write_csv(tmp_path, analyse([0.25], [2], seed=1, rounds=MIN_ROUNDS))
    (row,) = read(grid)
    assert float(row["late_formula"]) == pytest.approx(1 / 9)


def test_the_text_names_the_depth_that_each_answer_asks_for(written):
    text = written[0].read_text(encoding="utf-8")
    # 0.3^6, (3/7)^9 and Rosenfeld's 32 blocks are the first below 0.1 %.
    assert "| 0.30 | 6 | 9 | 32 |" in text
    assert "| 0.50 | 10 | more than 50 | more than 50 |" in text


def test_the_same_run_writes_the_same_bytes(written, tmp_path):
    again = write_security(tmp_path, seed=3, rounds=MIN_ROUNDS)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in written]
