"""The fault scenarios, run against this connector and against the one that Hummingbot ships.

``scripts/compare`` and ``python -m hummingbot_backpack.compare`` are the same. Nothing of
Hummingbot is imported here: each connector runs in a process of its own.
"""

import argparse
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from hummingbot_backpack.compare_report import table
from hummingbot_backpack.compare_run import SCENARIOS, Comparison, Failed, run

_INTERRUPTED = 130

_DESCRIPTION = """\
Run the fault scenarios against this connector and against Hummingbot's own, and print a table.

Each scenario is a bot that trades on the local exchange while requests get lost, streams break or
the exchange misbehaves. It holds if afterwards orders, fills, fees and balances are the exchange's
own, every event was emitted once, nothing was sent twice, and no wrong order book was shown as
ready. Both connectors run the same tests with the same shortened times.
"""

_EPILOG = """\
The scenarios are the tests in test/hummingbot/connector/exchange/backpack/scenarios.
The exit code is 0 when every scenario holds for this connector, 1 when one does not, 2 when they
could not be run.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison.

    Args:
        arguments: command line without the program's name; ``None`` takes the process's own.

    Returns:
        0 if all scenarios hold for this connector, 1 if not, 2 if they cannot be run here, 130
        after Ctrl-C.
    """
    options = _parse(arguments)
    problem = _problem()
    if problem is not None:
        print(f"compare: {problem}", file=sys.stderr)
        return 2
    try:
        comparison = run(options.only)
    except Failed as e:
        print(f"compare: {e}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return _INTERRUPTED
    if options.json is not None:
        options.json.write_text(_json(comparison))
    print(table(comparison))
    return 0 if comparison.ours_holds else 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="compare",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--only",
        default="",
        metavar="WORDS",
        help="only scenarios whose name contains these words, such as 'cancel race'",
    )
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the results there, too, as JSON"
    )
    return parser.parse_args(arguments)


def _problem() -> str | None:
    if not SCENARIOS.is_dir():
        return "the scenarios are tests of the project: run it in a checkout of it."
    missing = [name for name in ("hummingbot", "pytest") if importlib.util.find_spec(name) is None]
    if missing:
        return f"{' and '.join(missing)} must be installed: scripts/compare sets everything up."
    return None


def _json(comparison: Comparison) -> str:
    return json.dumps(asdict(comparison), indent=2) + "\n"


if __name__ == "__main__":
    sys.exit(main())
