"""The table: which case gives which line, and what our figure must be."""

from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    """What a figure to reach is compared with."""

    TIMES_LIMIT = "times the limit"
    TIMES_FRAMEWORK = "times the framework"
    AT_MOST = "at most"
    AT_LEAST = "at least"
    TIMES_CASE = "times the case it grows from"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the table.

    Attributes:
        text: what it is.
        case: name of the case.
        figure: of its figures.
        unit: of the figure.
        kind: how `goal` is meant.
        goal: what ours must reach; ``None`` if nothing is asked.
        base: the case that this one is compared with, for `Kind.TIMES_CASE`.
    """

    text: str
    case: str
    figure: str
    unit: str
    kind: Kind = Kind.TIMES_LIMIT
    goal: float | None = None
    base: str = ""


LINES = (
    Line("message to order book, 1 market: CPU", "frames_1", "cpu_us", "µs", goal=1.2),
    Line("message to order book, 10 markets: CPU", "frames_10", "cpu_us", "µs", goal=1.2),
    Line("message to order book, 50 markets: CPU", "frames_50", "cpu_us", "µs", goal=1.2),
    Line("message at 2,000 a second: p50", "latency", "p50_us", "µs", goal=1.2),
    Line("message at 2,000 a second: p99", "latency", "p99_us", "µs", goal=1.2),
    Line("sign an order, rest_authenticate: CPU", "sign", "hook_us", "µs", goal=1.5),
    Line("sign an order, as when it is sent: CPU", "sign", "as_sent_us", "µs", goal=1.5),
    Line("order, one at a time: CPU", "orders", "cpu_us", "µs", goal=1.2),
    Line("order, one at a time: p50 to the server", "orders", "p50_us", "µs", goal=1.2),
    Line("order, one at a time: p99 to the server", "orders", "p99_us", "µs", goal=1.2),
    Line("order, 100 at once: CPU of each", "orders_at_once", "cpu_us", "µs", goal=1.5),
    Line("order, 100 at once: p99 to the server", "orders_at_once", "p99_ms", "ms", goal=1.5),
    Line(
        "order, 600 requests in the minute before: CPU",
        "orders_after_600",
        "cpu_us",
        "µs",
        goal=1.3,
    ),
    Line(
        "order after 16 s of quiet: new connections",
        "quiet",
        "connections",
        "",
        kind=Kind.AT_MOST,
        goal=0,
    ),
    Line("start-up until ready, 1 pair", "start_1", "ready_s", "s", kind=Kind.AT_MOST, goal=0.05),
    Line("start-up until ready, 10 pairs", "start_10", "ready_s", "s", kind=Kind.AT_MOST, goal=0.1),
    Line(
        "start-up until ready, 10 pairs, 50 ms away",
        "start_10_far",
        "ready_s",
        "s",
        kind=Kind.AT_MOST,
        goal=0.3,
    ),
    Line(
        "start-up until ready, 50 pairs", "start_50", "ready_s", "s", kind=Kind.AT_MOST, goal=0.25
    ),
    Line(
        "streams cut, 10 books right: since accepted",
        "cut",
        "after_accepted_s",
        "s",
        kind=Kind.AT_MOST,
        goal=0.2,
    ),
    Line("streams cut, 10 books right: since the cut", "cut", "after_cut_s", "s"),
    Line(
        "1 in 1,000 messages dropped: gaps found",
        "gaps",
        "found_share",
        "",
        kind=Kind.AT_LEAST,
        goal=1,
    ),
    Line(
        "1 in 1,000 messages dropped: time wrong",
        "gaps",
        "wrong_percent",
        "%",
        kind=Kind.AT_MOST,
        goal=0,
    ),
    Line(
        "1 in 1,000 messages dropped: repair p50",
        "gaps",
        "repair_p50_ms",
        "ms",
        kind=Kind.AT_MOST,
        goal=10,
    ),
    Line("memory added at ready, 50 pairs", "memory", "added_mb", "MB"),
    Line("idle, 10 pairs, 500 messages a second: CPU", "idle", "cpu_ms_a_second", "ms/s"),
    Line("reconciliation, 100 open orders: CPU", "reconcile_100", "cpu_ms", "ms"),
    Line("reconciliation, 100 open orders: requests", "reconcile_100", "requests", ""),
)

# An order, against what Hummingbot and the bare request cost together.
ORDERS = tuple(
    replace(line, kind=Kind.TIMES_FRAMEWORK, goal=None)
    for line in LINES
    if line.case.startswith("orders")
)

GROWTH = (
    Line(
        "a message: 50 markets against 1",
        "frames_50",
        "cpu_us",
        "",
        base="frames_1",
        kind=Kind.TIMES_CASE,
        goal=1.3,
    ),
    Line(
        "an order: 600 requests before against none",
        "orders_after_600",
        "cpu_us",
        "",
        base="orders",
        kind=Kind.TIMES_CASE,
        goal=1.3,
    ),
    Line(
        "an order: 200 open orders against none",
        "orders_with_200_open",
        "cpu_us",
        "",
        base="orders",
        kind=Kind.TIMES_CASE,
    ),
    Line(
        "start-up: 50 pairs against 10",
        "start_50",
        "ready_s",
        "",
        base="start_10",
        kind=Kind.TIMES_CASE,
    ),
    Line(
        "a reconciliation: 100 open orders against 10",
        "reconcile_100",
        "cpu_ms",
        "",
        base="reconcile_10",
        kind=Kind.TIMES_CASE,
    ),
)
