"""Measure what the connector costs, beside Hummingbot's built-in one and the bare work.

``scripts/bench`` and ``python -m hummingbot_backpack.bench`` are the same.
"""

import argparse
import asyncio
import importlib.util
import json
import math
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .lines import GROWTH, LINES, ORDERS
from .plan import CASES, Case

if TYPE_CHECKING:
    from . import run, table

_DESCRIPTION = """\
Measure what the connector costs: CPU time, latency, start-up, memory and repairs.

In one run, in turns and each time in a fresh process: this plugin, the connector that Hummingbot
ships, and the limit, which is the same work with aiohttp, msgspec and Hummingbot's order book and
nothing else. The exchange is a small server on this computer; nothing leaves it.
"""

# The run itself is a load of one to two.
_BUSY = 1.5

_EPILOG = """\
Only ratios within one run mean something: the same thing moves by up to 20 % between runs. Figures
are medians over rounds, with the least and the greatest. The exit code is 0 when all that must be
reached is reached, 1 when not, 2 when it could not run.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the table, and say whether all is reached.

    Args:
        arguments: command line without the program's name; ``None`` takes the process's own.

    Returns:
        0 if all is reached, 1 if something is not, 2 if it cannot run here.
    """
    options = _parse(arguments)
    missing = [
        name for name in ("hummingbot", "msgspec", "nacl") if not importlib.util.find_spec(name)
    ]
    if missing:
        print(f"bench: {', '.join(missing)} cannot be imported here.", file=sys.stderr)
        return 2
    chosen = [case for case in CASES if not options.only or case.name in options.only]
    if options.quick:
        chosen = [case.shortened() for case in chosen]
    try:
        return _measure(chosen, is_quick=options.quick, file=options.json)
    except KeyboardInterrupt:
        return 130


def _measure(chosen: list[Case], *, is_quick: bool, file: Path | None) -> int:
    from . import run, table

    began_s = time.monotonic()

    def tell(text: str) -> None:
        print(f"{time.monotonic() - began_s:5.0f} s  {text}", file=sys.stderr, flush=True)

    try:
        results = asyncio.run(run.run(chosen, tell=tell))
    except run.MeasurementFailed as e:
        print(f"bench: {e}", file=sys.stderr)
        return 2
    lines, growth = table.rows(LINES, results), table.rows(GROWTH, results)
    orders = table.rows(ORDERS, results)
    cores, load = os.cpu_count() or 1, os.getloadavg()[0]
    print(
        f"Python {sys.version.split()[0]}, {cores} cores, load {load:.1f}; "
        f"{time.monotonic() - began_s:.0f} s"
    )
    if load > _BUSY * cores:
        print(
            "Others were busy on this machine: times that are not CPU time say little, p99 least."
        )
    for title, part in (
        ("", lines),
        ("Orders, against what Hummingbot itself does for one", orders),
        ("How costs grow", growth),
    ):
        if part:
            print(f"\n{title}\n{table.render(part)}" if title else f"\n{table.render(part)}")
    print("\nNot comparable, or not the same:")
    for said in table.not_comparable(chosen, is_quick=is_quick):
        print(f"- {said}")
    if file is not None:
        file.write_text(_as_json(results, lines + orders + growth), encoding="utf-8")
    return int(any(row.is_reached is False for row in lines + growth))


def _as_json(results: "run.Results", lines: "list[table.Row]") -> str:
    def finite(value: float | None) -> float | None:
        return None if value is None or not math.isfinite(value) else value

    return json.dumps(
        {
            "rounds": {
                case: {
                    name.value: [{k: finite(v) for k, v in figures.items()} for figures in measured]
                    for name, measured in by_name.items()
                }
                for case, by_name in results.items()
            },
            "lines": [
                {
                    "text": row.line.text.strip(),
                    "case": row.line.case,
                    "figure": row.line.figure,
                    "unit": row.line.unit,
                    "medians": {name.value: finite(s.median) for name, s in row.figures.items()},
                    "reached": finite(row.reached),
                    "kind": row.line.kind.value,
                    "goal": row.line.goal,
                    "is_reached": row.is_reached,
                }
                for row in lines
            ],
        },
        indent=1,
    )


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="one short round of each: about a minute"
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="NAME",
        choices=[case.name for case in CASES],
        help=f"measure this only; may be repeated: {', '.join(case.name for case in CASES)}",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to a file")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
