"""Runs the scenarios once for each connector, in processes of their own, and collects the ends."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from hummingbot_backpack import overlay

_ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = _ROOT / "test/hummingbot/connector/exchange/backpack/scenarios"
_SHOWN_LINES = 15
# pytest's own exit codes: all passed, some failed. Anything else, and the result means nothing.
_RAN = frozenset({0, 1})
_NOTHING_SELECTED = 5


class Failed(Exception):
    """The scenarios could not be run; the message says why."""


class Verdict(StrEnum):
    """How a scenario ended."""

    HOLDS = "holds"
    FAILS = "fails"
    NOT_COMPARABLE = "not comparable"


@dataclass(frozen=True, slots=True)
class Result:
    """How one scenario ended for one connector.

    Attributes:
        verdict: whether it holds.
        words: what went wrong, or why it cannot be run; empty if it holds.
        duration_s: how long it took.
    """

    verdict: Verdict
    words: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The ends of all scenarios.

    Attributes:
        ours: by the scenario's name, of this connector.
        built_in: the same of Hummingbot's own.
    """

    ours: dict[str, Result] = field(default_factory=dict)
    built_in: dict[str, Result] = field(default_factory=dict)

    @property
    def ours_holds(self) -> bool:
        """Whether every scenario holds for this connector."""
        return all(result.verdict is Verdict.HOLDS for result in self.ours.values())


def run(only: str = "") -> Comparison:
    """Run the scenarios against both connectors, one after the other, and say how it goes.

    Args:
        only: words that a scenario's name must contain.

    Raises:
        Failed: pytest did not get through, or no scenario has such a name.
    """
    return Comparison(
        ours=_run("this connector", only, {overlay.DISABLE_VARIABLE: ""}),
        built_in=_run("Hummingbot's own", only, {overlay.DISABLE_VARIABLE: "1"}),
    )


def _run(title: str, only: str, variables: dict[str, str]) -> dict[str, Result]:
    results: dict[str, Result] = {}
    with tempfile.TemporaryFile("w+") as log, _pytest(only, variables, log.fileno()) as lines:
        total = 0
        for line in lines:
            message = json.loads(line)
            if "scenarios" in message:
                total = len(message["scenarios"])
                continue
            scenario, result = message["scenario"], _result(message)
            known = results.get(scenario)
            if known is not None and known.verdict is not Verdict.HOLDS:
                continue  # it has failed, and now its end fails as well
            results[scenario] = result
            words = f": {result.words}" if result.words else ""
            print(
                f"{title}, {len(results)} of {total}: {scenario}: {result.verdict}{words} "
                f"({result.duration_s:.0f} s)",
                file=sys.stderr,
                flush=True,
            )
        status = lines.status()
        if status == _NOTHING_SELECTED:
            raise Failed(f"no scenario is called {only!r}")
        if status not in _RAN or len(results) < total:
            log.seek(0)
            tail = "".join(log.readlines()[-_SHOWN_LINES:])
            raise Failed(f"pytest did not get through with {title}:\n{tail}")
    return results


def _result(message: dict[str, str]) -> Result:
    verdicts = {
        "passed": Verdict.HOLDS,
        "failed": Verdict.FAILS,
        "skipped": Verdict.NOT_COMPARABLE,
    }
    return Result(verdicts[message["outcome"]], message["words"], float(message["duration_s"]))


class _Lines:
    """What a process writes to a pipe, line by line, and how it ended."""

    def __init__(self, process: subprocess.Popen[bytes], pipe: int) -> None:
        self._process = process
        self._file = os.fdopen(pipe)

    def __iter__(self) -> Iterator[str]:
        return iter(self._file)

    def status(self) -> int:
        """Wait for the end of the process; its exit code."""
        return self._process.wait()

    def close(self) -> None:
        """End it if it is not over."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
        self._file.close()


@contextmanager
def _pytest(only: str, variables: dict[str, str], log: int) -> Iterator[_Lines]:
    read_end, write_end = os.pipe()
    arguments = [
        *("-p", "hummingbot_backpack.compare_plugin"),
        *("-p", "no:cacheprovider"),
        # Warnings are errors in the tests of this connector; here they would be unfair.
        *("-o", "filterwarnings=ignore"),
        *("--scenario", only),
        *("--results-fd", str(write_end)),
        *("--tb", "short"),
        *("--show-capture", "no"),
        str(SCENARIOS),
    ]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=_ROOT,
        env=os.environ | variables,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        pass_fds=[write_end],
    )
    os.close(write_end)
    lines = _Lines(process, read_end)
    try:
        yield lines
    finally:
        lines.close()
