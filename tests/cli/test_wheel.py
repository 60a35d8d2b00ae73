"""What `make wheel` makes is whole: in a new environment, on a machine without Rust, it runs the paper's market.

Nightly, because it asks PyPI for everything that gridbourse needs, and compiles the core where that is not done yet.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(*command, path):
    ended = subprocess.run(
        list(map(str, command)), env={"PATH": str(path)}, cwd=path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.nightly
def test_the_wheel_runs_the_demo_where_there_is_no_rust(tmp_path):
    subprocess.run(["make", "-s", "wheel"], cwd=ROOT, check=True)
    (wheel,) = ROOT.glob("out/wheels/gridbourse-*-cp311-abi3-*.whl")
    # Nothing is on the path but the environment's own programs.
    programs = tmp_path / "environment" / "bin"
    subprocess.run([sys.executable, "-m", "venv", programs.parent], check=True)
    install = (programs / "python", "-m", "pip", "install", "-q", "--only-binary", ":all:")
    run(*install, "--require-hashes", "-r", ROOT / "requirements/run.txt", path=programs)
    run(*install, "--no-deps", "--no-index", wheel, path=programs)
    said = run(programs / "gridbourse", "demo", "--repetitions", 2, "--output", tmp_path / "out", path=programs)
    assert "Table 3" in said
    assert {"figure5.png", "figure6.png"} <= {file.name for file in (tmp_path / "out").iterdir()}
