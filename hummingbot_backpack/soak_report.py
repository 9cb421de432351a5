"""What a soak run prints: lines while it goes on, tables and a verdict at the end."""

import statistics
from collections.abc import Mapping

from hummingbot_backpack.soak_chaos import FaultStatistics

_NONE = "-"


def fault_table(rows: Mapping[str, FaultStatistics]) -> list[str]:
    """How often each fault struck, and how long it took until all was right again."""
    lines = [
        f"{'fault':<22}{'strikes':>8}{'ready again after (s)':>24}{'book right after (s)':>24}",
        f"{'':<22}{'':>8}{'median':>14}{'worst':>10}{'median':>14}{'worst':>10}",
    ]
    lines += [
        f"{name:<22}{row.strikes:>8}{_times(row.ready_s)}{_times(row.book_s)}"
        for name, row in sorted(rows.items())
    ]
    everything = FaultStatistics(
        sum(row.strikes for row in rows.values()),
        [time_s for row in rows.values() for time_s in row.ready_s],
        [time_s for row in rows.values() for time_s in row.book_s],
    )
    lines.append(
        f"{'all':<22}{everything.strikes:>8}{_times(everything.ready_s)}{_times(everything.book_s)}"
    )
    lines.append(
        "Ready: from the end of a fault that struck alone, with the backoff. Book: of faults that "
        "cut connections, from the new connection."
    )
    return lines


def _times(times_s: list[float]) -> str:
    if not times_s:
        return f"{_NONE:>14}{_NONE:>10}"
    return f"{statistics.median(times_s):>14.2f}{max(times_s):>10.2f}"
