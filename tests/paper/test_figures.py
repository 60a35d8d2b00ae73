"""Figures look alike, and the same drawing gives the same file anywhere."""

import matplotlib as mpl
import pytest
from matplotlib import image

from gridbourse.simulation.figures import figure


def draw(path):
    with figure(path, height_inches=2.0) as drawing:
        drawing.add_subplot().plot([1, 2], [3, 4])
    return path.read_bytes()


def test_a_figure_is_1800_pixels_wide_and_as_high_as_asked(tmp_path):
    draw(tmp_path / "a.png")
    assert image.imread(tmp_path / "a.png").shape[:2] == (400, 1800)


def test_a_users_own_settings_change_neither_the_figure_nor_are_changed(tmp_path):
    plain = draw(tmp_path / "a.png")
    with mpl.rc_context({"lines.linewidth": 9, "figure.facecolor": "red"}):
        assert draw(tmp_path / "b.png") == plain
        assert mpl.rcParams["lines.linewidth"] == 9


def test_the_file_names_no_software_and_no_date(tmp_path):
    assert b"tEXt" not in draw(tmp_path / "a.png")


def test_a_drawing_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ZeroDivisionError), figure(tmp_path / "a.png", height_inches=2.0):
        _ = 1 / 0
    assert list(tmp_path.iterdir()) == []
