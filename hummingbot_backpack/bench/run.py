"""Runs the cases: every contender in turn, again and again, each time in a fresh process."""

import asyncio
import math
import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import msgspec

from hummingbot_backpack.overlay import DISABLE_VARIABLE

from .control import server
from .plan import Case, Name
from .worker import Job

type Figures = dict[str, float]
type Results = dict[str, dict[Name, list[Figures]]]
"""Figures of each round, by case and contender."""


class MeasurementFailed(Exception):
    """A case could not be measured; the text says which and why."""


class Workers:
    """The processes that measure, one for each contender; leaving the context ends them."""

    def __init__(self) -> None:
        self._processes: dict[Name, asyncio.subprocess.Process] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for process in self._processes.values():
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def measure(self, name: Name, case: Case) -> Figures:
        """Measure one case once.

        Raises:
            MeasurementFailed: with the measuring process's traceback.
        """
        process = await self._process(name)
        async with server(case.markets, case.round_trip_ms) as (wire_port, control_port):
            job = Job(
                function=case.function,
                arguments=dict(case.arguments),
                markets=case.markets,
                wire_port=wire_port,
                control_port=control_port,
            )
            assert process.stdin is not None  # noqa: S101 (both are pipes)
            assert process.stdout is not None  # noqa: S101
            process.stdin.write(msgspec.json.encode(job) + b"\n")
            answer = msgspec.json.decode(await process.stdout.readline())
        if "error" in answer:
            msg = f"{case.name}, {name}: {answer['error']}"
            raise MeasurementFailed(msg)
        # JSON has no infinity, which here is "never".
        return {key: math.inf if value is None else value for key, value in answer.items()}

    async def _process(self, name: Name) -> asyncio.subprocess.Process:
        if name not in self._processes:
            environment = {**os.environ, DISABLE_VARIABLE: "1" if name is Name.BUILT_IN else "0"}
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "hummingbot_backpack.bench.worker",
                name.value,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
            self._processes[name] = process
            assert process.stdout is not None  # noqa: S101 (it is a pipe)
            if await process.stdout.readline() != b"ready\n":
                msg = f"the process that measures {name} did not start"
                raise MeasurementFailed(msg)
        return self._processes[name]


async def run(cases: Iterable[Case], *, tell: Callable[[str], None]) -> Results:
    """Measure cases.

    Args:
        cases: in this order.
        tell: gets a line of progress for each case.

    Raises:
        MeasurementFailed: a case could not be measured.
    """
    results: Results = {}
    chosen = list(cases)
    async with Workers() as workers:
        for number, case in enumerate(chosen, 1):
            tell(f"[{number}/{len(chosen)}] {case.name}")
            results[case.name] = await _run_case(workers, case)
    return results


async def _run_case(workers: Workers, case: Case) -> dict[Name, list[Figures]]:
    names = case.contenders
    figures: dict[Name, list[Figures]] = {name: [] for name in names}
    for number in range(case.rounds):
        if case.is_idle:
            together = (workers.measure(name, case) for name in names)
            for name, measured in zip(names, await asyncio.gather(*together), strict=True):
                figures[name].append(measured)
            continue
        # Whoever comes first finds the machine in another state: that changes from round to round.
        start = number % len(names)
        for name in names[start:] + names[:start]:
            if name is Name.BUILT_IN and number >= (case.built_in_rounds or case.rounds):
                continue
            figures[name].append(await workers.measure(name, case))
    return figures
