"""Many runs of one scenario on all cores. Each is kept when it is done, so that a sweep goes on where it was stopped.

A case is one run: the scenario with some fields set otherwise, and a seed. Its result is one file in the folder of
results, named by the digest of the case. What does not change is the folder of the scenario: its digest stands in
``sweep.json``, and a sweep of another state of it is refused there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from hashlib import sha256
from itertools import product
from math import sqrt
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from scipy.special import stdtrit

from gridbourse.errors import InvalidValue
from gridbourse.simulation.experiment.measures import measure
from gridbourse.simulation.experiment.run import run
from gridbourse.simulation.scenario.description import Scenario, load_scenario

STATE_FILE = "sweep.json"
CASES = "cases"
CONFIDENCE = 0.95

Settings = Mapping[str, Any]
"""By dotted field of scenario.toml: its value."""


@dataclass(frozen=True, slots=True)
class Result:
    """One run of a sweep.

    Parameters
    ----------
    settings
        What was set, the seed left out.
    seed
        The run's.
    measures
        As `Measures.flat` has them.
    """

    settings: Settings
    seed: int
    measures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure over the seeds of one setting.

    Parameters
    ----------
    settings, measure
        Of what.
    runs
        How many have a value.
    mean
        Of them.
    low, high
        Student's interval of the mean at 95 %; None for a single run.
    """

    settings: Settings
    measure: str
    runs: int
    mean: float
    low: float | None
    high: float | None


def sweep(
    scenario: Scenario,
    output: Path,
    *,
    axes: Mapping[str, Sequence[object]] | None = None,
    seeds: int | None = None,
    fixed: Settings | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> list[Result]:
    """Run a scenario for every combination of the axes' values and every seed.

    Parameters
    ----------
    scenario
        Its folder is read again in every process.
    output
        Where results go; those that are there are not run again.
    axes, seeds
        In the place of what the scenario's table `sweep` says; seeds are counted from the scenario's on.
    fixed
        What is set in every case.
    workers
        How many processes; all cores by default.
    progress
        Told how many cases are done, of how many.

    Raises
    ------
    InvalidValue
        A case cannot be read or run, or the output has results of another state of the scenario.
    """
    cases = _cases(scenario, scenario.sweep.axes if axes is None else axes, seeds or scenario.sweep.seeds, fixed or {})
    require_other_folder(scenario, output)
    (output / CASES).mkdir(parents=True, exist_ok=True)
    digest = _digest(scenario.folder)
    _note_state(output, digest)
    missing = [case for case in cases if not _file(output, case).is_file()]
    for case in {_key(settings): settings for settings, _ in missing}.values():
        load_scenario(scenario.folder, case)
    done = len(cases) - len(missing)
    progress(done, len(cases))
    count = min(workers or os.cpu_count() or 1, max(len(missing), 1))
    with ProcessPoolExecutor(count, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_run_case, scenario.folder.resolve(), digest, case): case for case in missing}
        try:
            for future in as_completed(running):
                _write(_file(output, running[future]), running[future], future.result())
                done += 1
                progress(done, len(cases))
        except BrokenProcessPool as error:
            remedy = "the same command again, with fewer --workers if memory was short: what is done is kept"
            raise InvalidValue("sweep", f"a process ended before its case was done, {done} are", remedy) from error
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [_read(_file(output, case)) for case in cases]


def compare(
    scenario: Scenario,
    output: Path,
    *,
    mechanisms: Sequence[str] | None = None,
    seeds: int | None = None,
    fixed: Settings | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] = lambda _, __: None,
) -> list[Result]:
    """Run a scenario by several mechanisms: a sweep along ``market.mechanism``.

    Parameters
    ----------
    mechanisms
        In the place of the scenario's own ``compare.mechanisms``.
    scenario, output, seeds, fixed, workers, progress
        As for `sweep`.
    """
    names = list(map(str, mechanisms or scenario.compared))
    return sweep(
        scenario,
        output,
        axes={"market.mechanism": names},
        seeds=seeds,
        fixed=fixed,
        workers=workers,
        progress=progress,
    )


def read_results(scenario: Scenario, output: Path) -> list[Result]:
    """Read the results of a sweep of a scenario that are there, in the order of settings and seeds.

    Raises
    ------
    InvalidValue
        There are none, or they are those of another state of the scenario.
    """
    found = [_read(path) for path in (output / CASES).glob("*.json")]
    if not found:
        raise InvalidValue("results", str(output), "a folder that `gridbourse scenario sweep` or `compare` wrote to")
    _note_state(output, _digest(scenario.folder))
    return sorted(found, key=lambda result: (json.dumps(result.settings), result.seed))


def summarise(results: Iterable[Result]) -> list[Estimate]:
    """Estimate every measure for every setting from its seeds."""
    values: dict[str, tuple[Settings, dict[str, list[float]]]] = {}
    for result in results:
        _, own = values.setdefault(_key(result.settings), (result.settings, {}))
        for name, value in result.measures.items():
            if value is not None:
                own.setdefault(name, []).append(value)
    return [_estimate(settings, name, numbers) for settings, own in values.values() for name, numbers in own.items()]


def _estimate(settings: Settings, name: str, numbers: Sequence[float]) -> Estimate:
    count, mean = len(numbers), sum(numbers) / len(numbers)
    if count == 1:
        return Estimate(settings, name, count, mean, None, None)
    if min(numbers) == max(numbers):
        return Estimate(settings, name, count, numbers[0], numbers[0], numbers[0])
    variance = sum((number - mean) ** 2 for number in numbers) / (count - 1)
    half = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * sqrt(variance / count)
    return Estimate(settings, name, count, mean, mean - half, mean + half)


_Case = tuple[dict[str, Any], int]
_DELETE = "the file as the sweep wrote it; or delete it, and it is made again by the same command"


def _cases(scenario: Scenario, axes: Mapping[str, Sequence[object]], seeds: int, fixed: Settings) -> list[_Case]:
    if "seed" in axes:
        raise InvalidValue("axes", "seed", "a number of seeds instead: they are counted from the scenario's own on")
    for field, values in axes.items():
        try:
            different = {json.dumps(value, sort_keys=True, allow_nan=False) for value in values}
        except (TypeError, ValueError) as error:
            raise InvalidValue(f"axes, {field}", str(values), "numbers and texts: a time in quotes") from error
        if len(different) < len(values):
            raise InvalidValue(f"axes, {field}", values, "each value once: a run that counts twice says nothing more")
        if field in fixed:
            raise InvalidValue(f"axes, {field}", fixed[field], "the field either as an axis or with one value")
    # The seed of a case says so itself; what was set is where seeds are counted from.
    fixed = {field: value for field, value in fixed.items() if field != "seed"}
    combinations = (dict(zip(axes, values, strict=True)) for values in product(*axes.values()))
    return [
        ({**fixed, **settings}, seed)
        for settings in combinations
        for seed in range(scenario.seed, scenario.seed + seeds)
    ]


def require_other_folder(scenario: Scenario, output: Path) -> None:
    """Refuse to write results among a scenario's own files: some have the same names. Raises `InvalidValue`."""
    if output.resolve() == scenario.folder.resolve():
        raise InvalidValue("output", str(output), "another folder than the scenario's own, for example one below it")


def _run_case(folder: Path, digest: str, case: _Case) -> dict[str, float | None]:
    settings, seed = case
    scenario = load_scenario(folder, {**settings, "seed": seed})
    if _digest(folder) != digest:
        raise InvalidValue("scenario", str(folder), "a folder that nobody changes meanwhile, and another output for it")
    return measure(scenario, run(scenario)).flat()


def _digest(folder: Path) -> str:
    """What a scenario says, whatever its folder is called."""
    digest = sha256()
    for path in sorted(folder.iterdir()):
        if path.suffix in {".toml", ".csv", ".py"}:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _note_state(output: Path, digest: str) -> None:
    """Note which state of the scenario results are of, or refuse those of another one. Raises `InvalidValue`."""
    path = output / STATE_FILE
    if not path.exists():
        _draft(path, {"digest": digest}).replace(path)
    if _content(path).get("digest") != digest:
        remedy = "another output: the scenario's files have changed since its results were made"
        raise InvalidValue("output", str(output), remedy)


def _key(settings: Settings) -> str:
    return json.dumps(settings, sort_keys=True)


def _file(output: Path, case: _Case) -> Path:
    return output / CASES / f"{sha256(json.dumps(case, sort_keys=True).encode()).hexdigest()[:20]}.json"


def _write(path: Path, case: _Case, measures: Mapping[str, float | None]) -> None:
    _draft(path, {"settings": case[0], "seed": case[1], "measures": measures}).replace(path)


def _draft(path: Path, content: Mapping[str, Any]) -> Path:
    """Write what is to stand in a file beside it, on the disk, under a name that no other process writes to."""
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with draft.open("w", encoding="utf-8") as file:
        file.write(json.dumps(content, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return draft


def _read(path: Path) -> Result:
    content = _content(path)
    try:
        return Result(content["settings"], content["seed"], content["measures"])
    except KeyError as error:
        raise InvalidValue(str(path), f"no {error}", _DELETE) from error


def _content(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InvalidValue(str(path), str(error), _DELETE) from error
    if not isinstance(content, dict):
        raise InvalidValue(str(path), type(content).__name__, _DELETE)
    return content
