"""Faults by text, such as ``drop-ws:every=20s`` or ``server-error:times=3,executed=yes``.

A text is a fault's name and, after a colon, its parameters and when it strikes. The names and
parameters are those of the methods of `faults.Faults`, found there and listed nowhere else; each
parameter is read by its name or its type, a time (``delay_s``, ``offset_ms``) as a duration.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from typing import get_args

from .fault_core import FAULT_METHODS, Fault
from .fault_values import (
    SCHEDULE,
    FaultParameter,
    listed,
    nearest,
    parameter_of,
)
from .faults import Faults


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One fault that there is.

    Attributes:
        name: as scripts name it.
        method: of `Faults`.
        summary: what it does, in one sentence.
        parameters: by their names in scripts.
        is_instant: it has no length.
        has_hits: it counts requests or frames, so a probability is that of each of them.
    """

    name: str
    method: str
    summary: str
    parameters: Mapping[str, FaultParameter]
    is_instant: bool
    has_hits: bool

    @property
    def usage(self) -> str:
        """The name with all parameters, those that may be left out in brackets."""
        usage = self.name
        for before, p in zip(chain(":", repeat(",")), self.parameters.values(), strict=False):
            text = f"{before}{p.name}={p.shape}"
            usage += text if p.is_required else f"[{text}]"
        return usage


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultPlan:
    """A fault, and when it strikes.

    Attributes:
        text: what it was read from.
        kind: which fault.
        arguments: of the method, by keyword.
        after_s: seconds until it strikes first; ``None``: at once, or after one `every_s`.
        every_s: seconds from one beginning to the next; ``None``: it strikes once.
        for_s: how many seconds it lasts; ``None``: until the next one begins, or for good.
        probability: chance of each request or frame, or, where none are counted, of each strike.
        seed: of that chance; ``None`` for the exchange's.
    """

    text: str
    kind: FaultKind
    arguments: Mapping[str, object]
    after_s: float | None = None
    every_s: float | None = None
    for_s: float | None = None
    probability: float | None = None
    seed: int | None = None


def parse_fault(text: str) -> FaultPlan:
    """Read a text such as ``drop-ws:every=20s``.

    Raises:
        ValueError: there is no such fault or parameter, or a value makes no sense; the text says
            what is possible.
    """
    name, _, rest = text.partition(":")
    kinds = fault_kinds()
    kind = kinds.get(name.strip())
    if kind is None:
        raise ValueError(
            f"unknown fault {name!r}{nearest(name, kinds)}; known are: {listed(kinds)}"
        )
    arguments: dict[str, object] = {}
    schedule: dict[str, object] = {}
    for key, value in _pairs(rest, kind):
        own = kind.parameters.get(key)
        field, read = SCHEDULE[key] if own is None else (own.keyword, own.read)
        values = schedule if own is None else arguments
        if field in values:
            raise ValueError(f"{name}: {key} is given twice")
        try:
            values[field] = read(value)
        except ValueError as e:
            raise ValueError(f"{name}: {key}={value!r} is not {e}") from None
    missing = [
        p.name for p in kind.parameters.values() if p.is_required and p.keyword not in arguments
    ]
    if missing:
        raise ValueError(f"{name} needs {listed(missing)}, as in {kind.usage}")
    return _checked(text, kind, arguments, schedule)


def fault_kinds() -> dict[str, FaultKind]:
    """Every fault by its name, as the methods of `Faults` tell."""
    return {name: _kind_of(name, method) for name, method in FAULT_METHODS.items()}


def describe_faults() -> str:
    """All faults with their parameters, for a help text."""
    lines = [f"  {kind.usage}\n      {kind.summary}" for kind in fault_kinds().values()]
    return "\n".join(lines)


def _checked(
    text: str, kind: FaultKind, arguments: Mapping[str, object], schedule: Mapping[str, object]
) -> FaultPlan:
    plan = FaultPlan(
        text=text,
        kind=kind,
        arguments=arguments,
        **schedule,  # type: ignore[arg-type] # the readers of SCHEDULE give the right types
    )
    name = kind.name
    if plan.for_s is not None and kind.is_instant:
        raise ValueError(f"{name} happens in an instant: it has no `for`")
    if plan.for_s is not None and plan.every_s is not None and plan.for_s > plan.every_s:
        raise ValueError(f"{name}: `for` is longer than `every`")
    if plan.seed is not None and plan.probability is None:
        raise ValueError(f"{name}: a seed without a probability has nothing to decide")
    if plan.probability is not None and not kind.has_hits and plan.every_s is None:
        raise ValueError(f"{name}: a probability needs `every`, it is the chance of each time")
    return plan


def _pairs(rest: str, kind: FaultKind) -> Iterator[tuple[str, str]]:
    """The parameters. A comma that no ``name=`` follows belongs to the value before it."""
    if not rest:
        return
    known = [*kind.parameters, *SCHEDULE]
    for part in re.split(r",(?=[a-z-]+=)", rest):
        key, separator, value = part.partition("=")
        key = key.strip()
        if not separator or key not in known:
            own = listed(kind.parameters) or "no parameters of its own"
            raise ValueError(
                f"{kind.name} has no parameter {key!r}{nearest(key, known)}; it has: {own}; "
                f"all faults have: {listed(SCHEDULE)}"
            )
        yield key, value


def _kind_of(name: str, method_name: str) -> FaultKind:
    method = getattr(Faults, method_name)
    signature = inspect.signature(method)
    _, *parameters = signature.parameters.values()
    summary = (inspect.getdoc(method) or "").split("\n\n")[0].replace("\n", " ").replace("`", "")
    return FaultKind(
        name=name,
        method=method_name,
        summary=summary,
        parameters={p.name: p for p in map(parameter_of, parameters)},
        is_instant=signature.return_annotation is int,
        has_hits=Fault in get_args(signature.return_annotation),
    )
