"""One look for every figure: size, type, and colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import style
from matplotlib.figure import Figure

BLUE = "#0072b2"
VERMILLION = "#d55e00"
GREEN = "#007a5a"
GREY = "#6b6b6b"
"""Okabe and Ito's palette (Color Universal Design, 2008); the green is darkened so that text in it reads on white."""

WIDTH_INCHES = 9.0
PIXELS_PER_INCH = 200

_STYLE = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "gridbourse",
}


@contextmanager
def figure(path: Path, height_inches: float, *, vector: bool = False) -> Iterator[Figure]:
    """Lend an empty figure in the house style; write it to `path` when the block ends well.

    The picture is 1800 pixels wide and meant to be shown at 900. The same drawing gives the same bytes: the font
    comes with matplotlib, a user's own settings are set aside, and the file names no software and no date.

    Parameters
    ----------
    path
        The PNG file to write; its folder exists.
    height_inches
        Height at a width of 9 inches.
    vector
        Write it as SVG beside that too.
    """
    with style.context(["default", _STYLE]):
        drawing = Figure(figsize=(WIDTH_INCHES, height_inches), layout="constrained")
        yield drawing
        drawing.savefig(path, format="png", dpi=PIXELS_PER_INCH, metadata={"Software": None})
        if vector:
            drawing.savefig(path.with_suffix(".svg"), format="svg", metadata={"Creator": None, "Date": None})
