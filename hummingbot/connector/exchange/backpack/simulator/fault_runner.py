"""Carries out fault scripts: starts each fault when its plan says so, and ends it."""

import asyncio
import itertools
import logging
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
)
from dataclasses import dataclass, field
from random import Random

from .fault_core import Fault
from .fault_script import FaultPlan, parse_fault
from .faults import Faults

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class ScriptedFault:
    """One script under way.

    Attributes:
        number: counts the scripts of one exchange.
        plan: what it does.
        strikes: how often the fault has begun.
        is_in_force: whether the fault is there now.
    """

    number: int
    plan: FaultPlan
    strikes: int = 0
    is_in_force: bool = False
    _past_hits: int = 0
    _fault: Fault | None = None
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def hits(self) -> int:
        """Requests and frames it has changed so far."""
        return self._past_hits + (0 if self._fault is None else self._fault.hits)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self._ended.is_set()

    async def wait_end(self) -> None:
        """Wait until nothing more will come of it."""
        await self._ended.wait()

    async def carry_out(self, faults: Faults, random: Random) -> None:
        """Strike as planned, until there is nothing more to do."""
        plan = self.plan
        loop = asyncio.get_running_loop()
        first_s = plan.after_s if plan.after_s is not None else plan.every_s
        due_s = loop.time() + (first_s or 0.0)
        try:
            while True:
                await _sleep_until(due_s)
                until_s = _end_s(plan, due_s)
                if plan.kind.has_hits or random.random() < (plan.probability or 1.0):
                    await self._strike(faults, random, until_s)
                if plan.every_s is None:
                    return
                due_s += plan.every_s
        finally:
            self._ended.set()

    async def _strike(self, faults: Faults, random: Random, until_s: float | None) -> None:
        plan = self.plan
        self.strikes += 1
        _log.info("fault %d: %s", self.number, plan.text)
        async with AsyncExitStack() as stack:
            outcome = getattr(faults, plan.kind.method)(**plan.arguments)
            if isinstance(outcome, AbstractContextManager):
                entered = stack.enter_context(outcome)
            elif isinstance(outcome, AbstractAsyncContextManager):
                entered = await stack.enter_async_context(outcome)
            else:
                return  # it has happened
            self._fault = entered if isinstance(entered, Fault) else None
            if self._fault is not None and plan.probability is not None:
                self._fault.only_sometimes(plan.probability, random)
            self.is_in_force = True
            try:
                await _sleep_until(until_s)
            finally:
                self.is_in_force = False
                self._past_hits = self.hits
                self._fault = None
        _log.info("fault %d has ended: %s", self.number, plan.text)


class FaultRunner:
    """The fault scripts of one exchange.

    Args:
        faults: what they start and end.
        seed: decides, with a script's text, what a probability decides.
    """

    def __init__(self, faults: Faults, seed: int) -> None:
        self._faults = faults
        self._seed = seed
        self._numbers = itertools.count(1)
        self._scripts: dict[int, tuple[ScriptedFault, asyncio.Task[None]]] = {}

    @property
    def scripts(self) -> list[ScriptedFault]:
        """The scripts under way, oldest first."""
        return [script for script, _ in self._scripts.values()]

    def start(self, plan: FaultPlan | str) -> ScriptedFault:
        """Begin a script; it ends by itself if its plan ends.

        Raises:
            ValueError: a text that is none.
        """
        plan = parse_fault(plan) if isinstance(plan, str) else plan
        script = ScriptedFault(next(self._numbers), plan)
        seed = self._seed if plan.seed is None else plan.seed
        random = Random(f"{seed} {plan.text}")  # noqa: S311 (repeatable, nothing secret)
        task = asyncio.create_task(script.carry_out(self._faults, random))
        self._scripts[script.number] = script, task
        task.add_done_callback(lambda done: self._forget(script, done))
        return script

    async def stop(self, number: int) -> ScriptedFault | None:
        """End a script and its fault; ``None`` if there is no such script."""
        script, task = self._scripts.get(number, (None, None))
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
        return script

    async def stop_all(self) -> None:
        """End every script."""
        for number in list(self._scripts):
            await self.stop(number)

    def _forget(self, script: ScriptedFault, task: asyncio.Task[None]) -> None:
        self._scripts.pop(script.number, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("fault %d has failed: %s", script.number, script.plan.text, exc_info=error)


def _end_s(plan: FaultPlan, began_s: float) -> float | None:
    length_s = plan.for_s if plan.for_s is not None else plan.every_s
    return None if length_s is None else began_s + length_s


async def _sleep_until(time_s: float | None) -> None:
    if time_s is None:
        await asyncio.Event().wait()
    elif (left_s := time_s - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(left_s)
