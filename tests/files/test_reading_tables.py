"""Tables that people hand in: each line judged alone, and what is refused told beside the file."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbourse.errors import InvalidValue
from gridbourse.files.reading import judge, read_lines, refused_file, write_refused
from gridbourse.files.writing import csv_text

COLUMNS = ("reference", "trader", "yuan")


def written(tmp_path, content):
    path = tmp_path / "table.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_a_byte_order_mark_and_columns_in_another_sequence_are_taken(tmp_path):
    lines, refused = read_lines(written(tmp_path, "\ufeffyuan,trader,note,reference\r\n10,4,x,R-1\r\n"), COLUMNS)
    assert not refused
    assert (lines[0].number, lines[0].text("reference"), lines[0].integer("trader", 1, 9)) == (2, "R-1", 4)
    assert lines[0].money("yuan") == 10 * 10**7


@pytest.mark.parametrize("content", ["reference,trader,yuan\n电费-1,4,10\n".encode("gbk"), "x".encode("utf-16")])
def test_another_encoding_is_refused_by_name(tmp_path, content):
    with pytest.raises(InvalidValue, match="UTF-8"):
        read_lines(written(tmp_path, content), COLUMNS)


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(InvalidValue, match="reference,trader,yuan"):
        read_lines(written(tmp_path, "reference,yuan\n"), COLUMNS)


def test_a_line_that_is_still_being_written_waits(tmp_path):
    path = written(tmp_path, "reference,trader,yuan\nR-1,4,10\nR-2,4,1")
    assert [line.number for line in read_lines(path, COLUMNS, is_growing=True)[0]] == [2]
    assert len(read_lines(path, COLUMNS)[0]) == 2
    assert read_lines(written(tmp_path, "refer"), COLUMNS, is_growing=True) == ([], [])


def test_a_line_with_other_cells_or_an_open_quotation_stops_no_other(tmp_path):
    lines, refused = read_lines(
        written(tmp_path, 'reference,trader,yuan\nR-1,4\n"R-2,4,10\nR-3,4,10,1\nR-4,4,1\n'), COLUMNS
    )
    assert [line.number for line in lines] == [5]
    assert [own.line.number for own in refused] == [2, 3, 4]


@pytest.mark.parametrize(
    "text", ["1_000", "１０", "+4", "0x4", "1e3", "", "4.0", "-1", "10", "99999999999999999999999"]
)
def test_a_whole_number_is_plain_digits_within_its_range(tmp_path, text):
    ((line,), _) = read_lines(written(tmp_path, f"reference,trader,yuan\nR-1,{text},1\n"), COLUMNS)
    with pytest.raises(InvalidValue, match="line 2, trader"):
        line.integer("trader", 0, 9)


@pytest.mark.parametrize("text", ["1_000", "１０", "-10", "0", "1e3", "", "0.00000001", "NaN", "10 yuan"])
def test_an_amount_is_above_nothing_in_plain_digits(tmp_path, text):
    ((line,), _) = read_lines(written(tmp_path, f"reference,trader,yuan\nR-1,4,{text}\n"), COLUMNS)
    with pytest.raises(InvalidValue, match="line 2, yuan"):
        line.money("yuan")


def test_refused_lines_stand_beside_the_file_until_there_are_none(tmp_path):
    path = written(tmp_path, "reference,trader,yuan\n,4,10\nR-2,4,10\n")
    lines, _ = read_lines(path, COLUMNS)
    items, refused = judge(lines, lambda line: line.text("reference"))
    assert [item for _, item in items] == ["R-2"]
    write_refused(path, refused)
    told = refused_file(path).read_text("utf-8-sig")
    assert "line 2, reference" in told
    assert ",4,10" in told
    write_refused(path, [])
    assert not refused_file(path).exists()


@given(
    st.lists(
        st.lists(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"])), min_size=3, max_size=3)
    )
)
def test_what_is_written_is_read_back_but_for_the_guard_against_formulas(tmp_path_factory, rows):
    path = written(tmp_path_factory.mktemp("table"), csv_text(COLUMNS, rows))
    lines, refused = read_lines(path, COLUMNS)
    kept = [row for row in rows if any(row)]
    assert not refused
    shown = [[line.values[name] for name in COLUMNS] for line in lines]
    for row, found in zip(kept, [row for row in shown if any(row)], strict=True):
        assert all(cell in {told, told.removeprefix("'")} for cell, told in zip(row, found, strict=True))


def test_the_first_line_names_the_columns():
    assert next(csv.reader([csv_text(COLUMNS, []).splitlines()[0].removeprefix("\ufeff")])) == list(COLUMNS)
