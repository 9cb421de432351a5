"""What is measured, each case in a process of its own and against a server of its own.

A case returns its figures by name; the unit is the end of the name. CPU time is that of the whole
client process.
"""

import asyncio
import math
import os
import resource
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from .books import CHANGES, NotingBook, is_applied, is_right
from .contender import Contender
from .control import Control

_LOOK_S = 0.005
_WARM_MESSAGES = 2_000
_WARM_ORDERS = 10
_MICRO = 1e6
_MILLI = 1e3

type Figures = dict[str, float]


@dataclass(frozen=True, slots=True)
class Bench:
    """What a case works with.

    Attributes:
        create: makes the contender.
        control: the server's commands.
    """

    create: Callable[[], Contender]
    control: Control

    async def started(self, *, noting: bool = False) -> Contender:
        """A contender that is ready, and will not ask for last prices."""
        contender = self.create()
        if noting:
            contender.book_type = NotingBook
        await contender.start()
        await self.control.ask("trades")
        return contender


async def frames(bench: Bench, *, messages: int, bursts: int) -> Figures:
    """WebSocket messages that wait in the socket: CPU time until each is in its book."""
    contender = await bench.started()
    await _burst(bench, contender, _WARM_MESSAGES)
    costs = [await _cpu_s(_burst(bench, contender, messages)) / messages for _ in range(bursts)]
    truth = await bench.control.ask("books")
    if not all(is_right(book, truth[symbol]) for symbol, book in contender.books.items()):
        msg = "a book is not the server's"
        raise RuntimeError(msg)
    return {"cpu_us": statistics.median(costs) * _MICRO}


async def latency(bench: Bench, *, rate_hz: float, seconds: float) -> Figures:
    """Messages that come evenly: from the server's write until the book is changed."""
    contender = await bench.started(noting=True)
    await _burst(bench, contender, _WARM_MESSAGES)
    CHANGES.clear()
    before_s = time.process_time()
    await bench.control.ask("pace", rate_hz, seconds, 0)
    await asyncio.sleep(seconds)
    await _until_sent(bench, int(rate_hz * seconds), contender)
    cpu_s = time.process_time() - before_s
    sent = await bench.control.ask("take_sent")
    symbols = {id(book): symbol for symbol, book in contender.books.items()}
    applied = {(symbols[book], update_id): at_s for at_s, book, update_id, _ in CHANGES}
    taken_us = [(applied[symbol, update_id] - at_s) * _MICRO for at_s, symbol, update_id in sent]
    return {
        "p50_us": _percentile(taken_us, 50),
        "p99_us": _percentile(taken_us, 99),
        "cpu_us": cpu_s / len(sent) * _MICRO,
    }


async def sign(bench: Bench, *, count: int, batches: int) -> Figures:
    """Signing orders that are not sent."""
    contender = bench.create()
    await contender.sign(count)
    await contender.sign_as_sent(count)
    hook, as_sent = [], []
    for _ in range(batches):
        hook.append(await _cpu_s(contender.sign(count)) / count)
        as_sent.append(await _cpu_s(contender.sign_as_sent(count)) / count)
    return {
        "hook_us": statistics.median(hook) * _MICRO,
        "as_sent_us": statistics.median(as_sent) * _MICRO,
    }


async def orders(
    bench: Bench, *, count: int, requests_before: int = 0, open_before: int = 0
) -> Figures:
    """Orders one at a time: CPU time until each is accepted, and when it arrives."""
    contender = await bench.started()
    await contender.make_requests(requests_before)
    if open_before:
        await contender.place_at_once(open_before)
    for _ in range(_WARM_ORDERS):
        await contender.place()
    await bench.control.ask("take_arrivals")
    asked_s, costs_s = [], []
    for _ in range(count):
        before_s = time.process_time()
        asked_s.append(await contender.place())
        costs_s.append(time.process_time() - before_s)
    arrived_s = await bench.control.ask("take_arrivals")
    taken_us = [(b - a) * _MICRO for a, b in zip(asked_s, arrived_s, strict=True)]
    return {
        "cpu_us": statistics.median(costs_s) * _MICRO,
        "p50_us": _percentile(taken_us, 50),
        "p99_us": _percentile(taken_us, 99),
    }


async def orders_at_once(bench: Bench, *, count: int, rounds: int) -> Figures:
    """Orders in one go, over connections that exist already."""
    contender = await bench.started()
    await contender.place_at_once(count)
    costs_s, last_ms = [], []
    for _ in range(rounds):
        await bench.control.ask("take_arrivals")
        before_s = time.process_time()
        asked_s = await contender.place_at_once(count)
        costs_s.append((time.process_time() - before_s) / count)
        arrived_s = await bench.control.ask("take_arrivals")
        last_ms.append(_percentile([(at_s - asked_s) * _MILLI for at_s in arrived_s], 99))
    return {
        "cpu_us": statistics.median(costs_s) * _MICRO,
        "p99_ms": statistics.median(last_ms),
    }


async def quiet(bench: Bench, *, seconds: float) -> Figures:
    """An order after a quiet time: whether it needs a new connection."""
    contender = await bench.started()
    for _ in range(_WARM_ORDERS):
        await contender.place()
    await asyncio.sleep(seconds)
    await bench.control.ask("take_arrivals")
    before = await bench.control.ask("state")
    asked_s = await contender.place()
    after = await bench.control.ask("state")
    (arrived_s,) = await bench.control.ask("take_arrivals")
    return {
        "connections": after["accepted"] - before["accepted"],
        "arrival_us": (arrived_s - asked_s) * _MICRO,
    }


async def start_up(bench: Bench) -> Figures:
    """From the connector's construction until it is ready."""
    began_s = time.perf_counter()
    contender = bench.create()
    contender.skips_pauses = False
    cpu_s = await _cpu_s(contender.start())
    return {"ready_s": time.perf_counter() - began_s, "cpu_ms": cpu_s * _MILLI}


async def memory(bench: Bench) -> Figures:
    """Memory of the process that a ready contender has added."""
    before_mb = _resident_mb()
    contender = await bench.started()
    await _burst(bench, contender, _WARM_MESSAGES)
    return {"added_mb": _resident_mb() - before_mb}


async def idle(bench: Bench, *, rate_hz: float, seconds: float) -> Figures:
    """CPU time a second of a contender that only follows its live pairs."""
    contender = await bench.started()
    await _burst(bench, contender, _WARM_MESSAGES)
    await bench.control.ask("pace", rate_hz, seconds, 0)
    cpu_s = await _cpu_s(asyncio.sleep(seconds))
    return {"cpu_ms_a_second": cpu_s / seconds * _MILLI}


async def reconcile(bench: Bench, *, open_orders: int, polls: int) -> Figures:
    """One look at the state of all open orders."""
    contender = await bench.started()
    await contender.place_at_once(open_orders)
    before = await bench.control.ask("state")
    costs_s = [await _cpu_s(contender.reconcile()) for _ in range(polls)]
    after = await bench.control.ask("state")
    return {
        "cpu_ms": statistics.median(costs_s) * _MILLI,
        "requests": (after["requests"] - before["requests"]) / polls,
    }


async def cut(bench: Bench, *, missed: int, patience_s: float) -> Figures:
    """All streams break and diffs are missed: when every book has the true levels again."""
    contender = await bench.started()
    await _burst(bench, contender, _WARM_MESSAGES)
    cut_s = time.perf_counter()
    await bench.control.ask("cut", missed)
    truth = await bench.control.ask("books")
    wrong = set(contender.books)
    right_s = cut_s
    while wrong and (right_s := time.perf_counter()) < cut_s + patience_s:
        wrong = {symbol for symbol in wrong if not is_right(contender.books[symbol], truth[symbol])}
        await asyncio.sleep(_LOOK_S)
    state = await bench.control.ask("state")
    return {
        "after_accepted_s": math.inf if wrong else right_s - state["market_stream_s"],
        "after_cut_s": math.inf if wrong else right_s - cut_s,
    }


async def gaps(bench: Bench, *, rate_hz: float, seconds: float, drop_every: int) -> Figures:
    """Messages left out by the server: whether that is found, and how long a book stays so.

    A book counts as wrong from the moment when it takes a diff although one before it is missing,
    until it takes a snapshot.
    """
    contender = await bench.started(noting=True)
    await _burst(bench, contender, _WARM_MESSAGES)
    CHANGES.clear()
    await bench.control.ask("pace", rate_hz, seconds, drop_every)
    await asyncio.sleep(seconds)
    await _until_sent(bench, int(rate_hz * seconds), contender)
    await asyncio.sleep(_LOOK_S)
    sent = await bench.control.ask("take_sent")
    end_s = time.perf_counter()
    symbols = {id(book): symbol for symbol, book in contender.books.items()}
    changes: dict[str, list[tuple[float, int, bool]]] = {symbol: [] for symbol in contender.books}
    for at_s, book, update_id, is_snapshot in CHANGES:
        changes[symbols[book]].append((at_s, update_id, is_snapshot))
    dropped = [(symbol, update_id) for at_s, symbol, update_id in sent if at_s < 0]
    shown = {(symbol, update_id): at_s for at_s, symbol, update_id in sent if at_s > 0}
    repairs_ms: list[float] = []
    wrong: dict[str, list[tuple[float, float]]] = {}
    for symbol, update_id in dropped:
        seen_s = shown[symbol, update_id + 1]
        fixed = [at_s for at_s, u, is_snapshot in changes[symbol] if is_snapshot and u >= update_id]
        repairs_ms += [(min(fixed) - seen_s) * _MILLI] if fixed else []
        until_s = min(fixed, default=end_s)
        bad = [at_s for at_s, u, is_snap in changes[symbol] if not is_snap and u > update_id]
        if bad and bad[0] < until_s:
            wrong.setdefault(symbol, []).append((bad[0], until_s))
    began_s = abs(sent[0][0])
    return {
        "found_share": len(repairs_ms) / len(dropped),
        "dropped": len(dropped),
        "wrong_percent": 100
        * sum(_covered_s(spans) for spans in wrong.values())
        / ((end_s - began_s) * len(contender.books)),
        "repair_p50_ms": statistics.median(repairs_ms) if repairs_ms else math.inf,
    }


async def _burst(bench: Bench, contender: Contender, messages: int) -> None:
    sent = await bench.control.ask("burst", messages)
    waiting = [(contender.books[symbol], last) for symbol, last in sent.items()]
    await _until(lambda: all(is_applied(book, last) for book, last in reversed(waiting)))


async def _until_sent(bench: Bench, messages: int, contender: Contender) -> None:
    """Wait until the server has sent all of a pace, and the books have come to it."""
    while len(await bench.control.ask("take_sent")) < messages:  # noqa: ASYNC110 (another process)
        await asyncio.sleep(_LOOK_S)
    truth = await bench.control.ask("books")
    await _until(lambda: all(is_applied(contender.books[s], truth[s]["update_id"]) for s in truth))


async def _until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 (the book tells nobody when it changes)
        await asyncio.sleep(_LOOK_S)


async def _cpu_s(work: Awaitable[Any]) -> float:
    before_s = time.process_time()
    await work
    return time.process_time() - before_s


def _percentile(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(len(ordered) * percent / 100) - 1)]


def _covered_s(spans: list[tuple[float, float]]) -> float:
    """Length of what intervals cover together."""
    edges = sorted({edge for span in spans for edge in span})
    return sum(
        b - a for a, b in pairwise(edges) if any(start <= a and b <= end for start, end in spans)
    )


def _resident_mb() -> float:
    if sys.platform == "linux":
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 (no disk)
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS, and only the peak
    return peak / 2**20
