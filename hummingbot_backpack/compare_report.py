"""The table of a comparison."""

import textwrap
from itertools import zip_longest

from hummingbot_backpack.compare_run import Comparison, Result, Verdict

_SCENARIO_WIDTH = 40
_RESULT_WIDTH = 50
_NOTES = """\
Both ran the same tests with the same shortened times: polls every 0.2 s while the account stream is
down, requests given up after a second. The built-in connector polled every second while all was
well, this one every minute, as it is. Where the built-in has no such time of its own, it got
Hummingbot's or the HTTP library's. Its hourly reload of order books was not shortened: a book that
is wrong until then counts as wrong."""


def table(comparison: Comparison) -> str:
    """The comparison as lines of text: one row for each scenario, and the sums."""
    lines = [_row("scenario", "this connector", "Hummingbot's own"), _row(*["-" * 12] * 3)]
    for scenario, ours in comparison.ours.items():
        lines.append(_row(scenario, _cell(ours), _cell(comparison.built_in.get(scenario))))
    lines += ["", _row("holds", _sum(comparison.ours), _sum(comparison.built_in)), "", _NOTES]
    return "\n".join(lines)


def _cell(result: Result | None) -> str:
    if result is None:
        return "not run"
    return f"{result.verdict}: {result.words}" if result.words else str(result.verdict)


def _sum(results: dict[str, Result]) -> str:
    held = sum(result.verdict is Verdict.HOLDS for result in results.values())
    comparable = sum(result.verdict is not Verdict.NOT_COMPARABLE for result in results.values())
    return f"{held} of {comparable}"


def _row(scenario: str, ours: str, built_in: str) -> str:
    columns = (
        textwrap.wrap(scenario, _SCENARIO_WIDTH),
        textwrap.wrap(ours, _RESULT_WIDTH),
        textwrap.wrap(built_in, _RESULT_WIDTH),
    )
    widths = (_SCENARIO_WIDTH, _RESULT_WIDTH, _RESULT_WIDTH)
    return "\n".join(
        "  ".join(f"{text:{width}}" for text, width in zip(row, widths, strict=True)).rstrip()
        for row in zip_longest(*columns, fillvalue="")
    )
