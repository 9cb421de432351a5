"""The table that is printed, and what it says of each line."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import override

from .lines import Kind, Line
from .plan import Case, Name
from .run import Results

_COMPARED = {Kind.TIMES_LIMIT: Name.LIMIT, Kind.TIMES_FRAMEWORK: Name.FRAMEWORK}
_NEVER = "never"
_ABSENT = "-"


@dataclass(frozen=True, slots=True)
class Spread:
    """A figure over all rounds: its median, least and greatest."""

    median: float
    least: float
    greatest: float

    @override
    def __str__(self) -> str:
        if self.least == self.greatest:
            return _number(self.median)
        return f"{_number(self.median)} ({_number(self.least)}..{_number(self.greatest)})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line with its figures.

    Attributes:
        line: what it is.
        figures: by contender; absent for those that did not take part.
        reached: what is compared with the goal: the ratio or the figure itself.
        is_reached: whether ours is within the goal; ``None`` if there is none, or nothing to
            compare with.
    """

    line: Line
    figures: dict[Name, Spread]
    reached: float | None
    is_reached: bool | None


def rows(lines: Iterable[Line], results: Results) -> list[Row]:
    """The lines whose cases were measured."""
    return [
        _row(line, results)
        for line in lines
        if line.case in results and (not line.base or line.base in results)
    ]


def _row(line: Line, results: Results) -> Row:
    rounds = {
        name: [figures[line.figure] for figures in measured]
        for name, measured in results[line.case].items()
    }
    if line.kind is Kind.TIMES_CASE:
        bases = {
            name: statistics.median(figures[line.figure] for figures in measured)
            for name, measured in results[line.base].items()
        }
        rounds = {
            name: [value / bases[name] for value in values]
            for name, values in rounds.items()
            if name in bases
        }
    figures = {
        name: Spread(statistics.median(values), min(values), max(values))
        for name, values in rounds.items()
    }
    reached = _reached(line, rounds, figures)
    is_reached = None
    if reached is not None and line.goal is not None:
        is_reached = reached >= line.goal if line.kind is Kind.AT_LEAST else reached <= line.goal
    return Row(line, figures, reached, is_reached)


def _reached(
    line: Line, rounds: dict[Name, list[float]], figures: dict[Name, Spread]
) -> float | None:
    if line.kind not in _COMPARED:
        return figures[Name.OURS].median
    other = _COMPARED[line.kind]
    if other not in rounds:
        return None
    # Round by round, because the machine's speed moves more between rounds than within one.
    return statistics.median(
        ours / limit if limit else math.inf
        for ours, limit in zip(rounds[Name.OURS], rounds[other], strict=True)
    )


def render(table: list[Row]) -> str:
    """The table as text, a line for each row."""
    shown = [Name.BUILT_IN, Name.OURS, Name.LIMIT]
    if any(row.line.kind is Kind.TIMES_FRAMEWORK for row in table):
        shown.insert(2, Name.FRAMEWORK)
    head = ["", *shown, "built-in/ours", "reached", "must be", ""]
    cells = [head, *(_cells(row, shown) for row in table)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    )


def _cells(row: Row, shown: list[Name]) -> list[str]:
    line = row.line
    is_ratio = line.kind in {*_COMPARED, Kind.TIMES_CASE}
    sign = "x" if is_ratio else f" {line.unit}".rstrip()
    goal = _ABSENT
    if line.goal is not None:
        goal = f"{'≥' if line.kind is Kind.AT_LEAST else '≤'} {line.goal:g}{sign}"
    verdict = {None: "", True: "ok", False: "ABOVE"}[row.is_reached]
    if row.is_reached is False and line.kind is Kind.AT_LEAST:
        verdict = "BELOW"
    reached = _ABSENT if row.reached is None else f"{_number(row.reached)}{sign}"
    return [
        f"{line.text}{f', {line.unit}' if line.unit else ''}",
        *(str(row.figures.get(name, _ABSENT)) for name in shown),
        _factor(row),
        reached,
        goal,
        verdict,
    ]


def _factor(row: Row) -> str:
    theirs, ours = row.figures.get(Name.BUILT_IN), row.figures.get(Name.OURS)
    if theirs is None or ours is None or not ours.median or not math.isfinite(theirs.median):
        return _ABSENT
    return f"{_number(theirs.median / ours.median)}x"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return _NEVER
    if value and abs(value) < 0.1:  # noqa: PLR2004 (three digits that mean something)
        return f"{value:.3f}"
    if abs(value) < 10 and value != int(value):  # noqa: PLR2004
        return f"{value:.2f}"
    return f"{value:,.0f}" if abs(value) >= 100 or value == int(value) else f"{value:.1f}"  # noqa: PLR2004


def not_comparable(cases: Iterable[Case], *, is_quick: bool) -> list[str]:
    """What the table does not show, or shows of different things."""
    chosen = {case.name: case for case in cases}
    said = []
    if {"cut", "gaps"} & chosen.keys():
        said.append(
            "streams cut, messages dropped: no limit, because the bare work checks nothing and "
            "repairs nothing"
        )
    if "sign" in chosen:
        said.append(
            "sign as sent: the built-in connector has no other way than rest_authenticate; ours "
            "signs a typed request and does not parse JSON; the limit is the same in both lines"
        )
    if "orders" in chosen or "orders_at_once" in chosen:
        said.append(
            "orders: the limit has no events, order tracker, request limits or log, which a "
            "connector of Hummingbot must have; the framework is Hummingbot's own `buy`, order "
            "tracker, events and log around the limit's request, without request limits, without "
            "checks and without a look at what became of an order"
        )
    if any(name.startswith("start") for name in chosen):
        said.append(
            "start-up: Hummingbot's clock ticks once a second, here every 50 ms until ready; the "
            "server pings each new account stream at once, without which the built-in connector "
            "would wait for the exchange's first ping; the round trip has no TLS in it"
        )
    if "gaps" in chosen:
        said.append(
            "messages dropped: a book counts as wrong from the first diff that it takes after a "
            "missing one until its next snapshot, even if its levels happen to be right again"
        )
    if is_quick:
        left_out = [name for name, case in chosen.items() if Name.BUILT_IN not in case.contenders]
        said.append("a quick run has one round, so there is no spread")
        if left_out:
            said.append(f"not measured for the built-in connector: {', '.join(left_out)}")
    return said
