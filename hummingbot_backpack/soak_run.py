"""What happens in a soak run, from the first process to the verdict."""

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

from hummingbot_backpack import demo_log
from hummingbot_backpack.demo_interrupt import Interrupt
from hummingbot_backpack.demo_processes import DemoError, Ready, guarded
from hummingbot_backpack.soak_books import BookChecks
from hummingbot_backpack.soak_bot import SoakBot, make_connector
from hummingbot_backpack.soak_chaos import Chaos
from hummingbot_backpack.soak_check import Side, differences, shortened, truth_of, wrong_lives
from hummingbot_backpack.soak_exchange import SYMBOLS, SoakExchange
from hummingbot_backpack.soak_faults import RECIPES, FaultDice
from hummingbot_backpack.soak_gauge import CpuGauge, Footprint, footprint
from hummingbot_backpack.soak_ledger import Ledger
from hummingbot_backpack.soak_report import fault_table

if TYPE_CHECKING:
    from hummingbot_backpack.soak import Options

_SECONDS_PER_MINUTE = 60.0
_TELL_EVERY_S = 5.0
_CHECK_EVERY_S = 0.5
_READY_WITHIN_S = 30.0
# Reconciliation asks once a minute while all is well; an order of unknown fate takes longer.
_AGREED_WITHIN_S = 180.0
_CANCELLED_WITHIN_S = 30.0
_BOOKS_WITHIN_S = 10.0
_QUIET_S = 3.0
_WARM_UP_SHARE = 1 / 3
_LONGEST_WARM_UP_S = 120.0
# Reconnects wait 1 s, 2 s, 4 s, and after 10 healthy seconds 1 s again.
_LONGEST_BACKOFF_S = 4.0
_HEALTHY_AFTER_S = 10.0
# What may come and go: caches of Hummingbot fill up, and the allocator keeps some.
_MEMORY_GROWTH_MB = 12.0
# What leaks is made of objects; of these there are about as many all the time.
_OBJECT_GROWTH = 0.03
_TASK_GROWTH = 2
_BOOK_LIMIT_S = 2.0


def main(options: "Options") -> int:
    """Run it and return the exit code."""
    unknown = [name for name in options.only if name not in {*RECIPES, "none"}]
    if unknown:
        say(f"soak: no such fault: {', '.join(unknown)}; known are: {', '.join(RECIPES)}, none")
        return 2
    folder = options.folder or Path(tempfile.mkdtemp(prefix="backpack-soak-"))
    folder.mkdir(parents=True, exist_ok=True)
    with Interrupt() as interrupt, guarded(folder):
        try:
            problems = asyncio.run(Soak(options, folder, lambda: interrupt.requested).run())
        except DemoError as e:
            print(f"soak: {e}", file=sys.stderr)
            return 2
    if problems:
        say("\nThis does not hold:")
        for problem in problems:
            say(f"  - {problem}")
        say(f"Logs and records are in {folder}.")
        return 1
    if options.folder is None:
        shutil.rmtree(folder)
    say("\nEverything agrees.")
    return 0


def say(text: str) -> None:
    """Print for the person who watches."""
    print(text, flush=True)


class Soak:
    """One run.

    Args:
        options: what the person chose.
        folder: for logs and records.
        is_enough: whether the person wants it to end.
    """

    def __init__(self, options: "Options", folder: Path, is_enough: Callable[[], bool]) -> None:
        self._options = options
        self._folder = folder
        self._is_enough = is_enough
        self._symbols = {s.replace("_", "-"): s for s in SYMBOLS[: options.pairs]}
        self._exchange = SoakExchange(
            tuple(self._symbols.values()),
            folder,
            seed=options.seed,
            messages_per_second=options.messages_per_second,
        )
        self._ledger = Ledger(folder / "events.jsonl")
        self._problems: list[str] = []
        self._over_s = 0.0
        self._log = folder / "bot.log"

    async def run(self) -> list[str]:
        """Do everything; returns a sentence for each thing that does not hold.

        Raises:
            DemoError: it could not be started.
        """
        self._begin_log()
        ready = await self._exchange.start()
        say(
            f"Seed {self._options.seed}, {self._options.minutes:g} minutes of "
            f"{', '.join(self._symbols)} on {ready.rest}. Ctrl-C ends it early.\n"
            f"Logs and records: {self._folder}"
        )
        os.environ["BACKPACK_REST_URL"], os.environ["BACKPACK_WS_URL"] = ready.rest, ready.ws
        _shorten_backoff()
        connector = make_connector(ready, list(self._symbols))
        self._ledger.listen_to(connector)
        options = self._options
        bot = SoakBot(connector, _random(options.seed, "deeds"), options.actions_per_second)
        try:
            await bot.start()
            await self._until(lambda: bool(connector.ready), _READY_WITHIN_S, "ready")
            await self._play(bot)
        finally:
            await bot.stop()
            await self._exchange.stop()
            self._ledger.close()
            await _close_connections()
        self._check_logs(ready)
        return self._problems

    # --- acts ---

    async def _play(self, bot: SoakBot) -> None:
        options, connector = self._options, bot.connector
        books = BookChecks(connector, self._exchange, self._symbols)
        dice = FaultDice(
            _random(options.seed, "faults"), tuple(self._symbols.values()), options.only
        )
        chaos = Chaos(connector, self._exchange, books, dice, _random(options.seed, "pauses"))
        await asyncio.sleep(_QUIET_S)
        quiet = footprint()
        cpu = CpuGauge()
        seen = self._messages(bot)
        began_s = time.monotonic()
        self._over_s = began_s + options.minutes * _SECONDS_PER_MINUTE
        bot.begin_trading()
        checking = asyncio.create_task(self._watch(bot, chaos, books, cpu, began_s))
        warm = asyncio.create_task(self._warm_up(began_s))
        try:
            if options.only == ("none",):
                await self._until(self._is_over, options.minutes * _SECONDS_PER_MINUTE + 1, "")
            else:
                await chaos.run(self._is_over)
        finally:
            checking.cancel()
            await asyncio.wait([checking])
        if not checking.cancelled():
            checking.result()  # it ends by an error only
        shares, passed_s = cpu.shares(), time.monotonic() - began_s
        rate = (self._messages(bot) - seen) / passed_s
        warm_footprint = await warm
        await bot.end_trading()
        await self._exchange.lift_all()
        say(f"\nAfter {passed_s:.0f} s: {bot.actions} actions. Faults are lifted; comparing.")
        await self._settle(bot, books)
        say("\n" + "\n".join(fault_table(chaos.statistics)))
        self._judge_recovery(chaos)
        self._problems += [*shortened(chaos.problems), *shortened(books.wrong)]
        events = ", ".join(f"{n} {kind}" for kind, n in self._ledger.counts.items())
        say(
            f"\norder books    {books.compared} comparisons, {len(books.wrong)} wrong\n"
            f"events         {events}\n"
            f"messages       {rate:.0f} a second\n"
            f"processor      bot {shares[0]:.1%} of a core, so {1 - shares[0]:.0%} is left; "
            f"exchange {shares[1]:.1%}"
        )
        await self._compare_footprints(quiet, warm_footprint)
        say(f"connection     {connector.health}")

    async def _watch(
        self, bot: SoakBot, chaos: Chaos, books: BookChecks, cpu: CpuGauge, began_s: float
    ) -> None:
        """Compare books all the time, and tell now and then how it goes."""
        told_s = began_s
        while True:
            for pair in self._symbols:
                await books.check(pair)
            if time.monotonic() - told_s >= _TELL_EVERY_S:
                told_s = time.monotonic()
                self._tell(bot, chaos, books, cpu, told_s - began_s)
            await asyncio.sleep(_CHECK_EVERY_S)

    def _tell(
        self, bot: SoakBot, chaos: Chaos, books: BookChecks, cpu: CpuGauge, passed_s: float
    ) -> None:
        connector, counts = bot.connector, self._ledger.counts
        say(
            f"{passed_s:5.0f} s  {'ready' if connector.ready else 'NOT READY'}, "
            f"{counts['Created']} orders, {len(connector.in_flight_orders)} open, "
            f"{counts['Filled']} fills, {books.compared} books compared, "
            f"{len(books.wrong)} wrong, cpu {cpu.shares()[0]:.0%}  {chaos.current}"
        )

    async def _warm_up(self, began_s: float) -> Footprint:
        length_s = self._over_s - began_s
        await asyncio.sleep(min(length_s * _WARM_UP_SHARE, _LONGEST_WARM_UP_S))
        return footprint()

    async def _settle(self, bot: SoakBot, books: BookChecks) -> None:
        """Wait until both sides agree; then cancel everything, and again."""
        began_s = time.monotonic()
        problems = await self._agree(bot, _AGREED_WITHIN_S)
        say(
            f"{'agreed' if not problems else 'NOT agreed'} after {time.monotonic() - began_s:.1f} s"
        )
        self._problems += problems
        if not await books.are_right(_BOOKS_WITHIN_S):
            self._problems.append("the order books could not be compared at the end")
        await bot.connector.cancel_all(_CANCELLED_WITHIN_S)
        self._problems += [
            f"after cancelling all: {problem}"
            for problem in await self._agree(bot, _AGREED_WITHIN_S, is_empty=True)
        ]

    async def _agree(self, bot: SoakBot, timeout_s: float, *, is_empty: bool = False) -> list[str]:
        """Wait until both sides tell the same; returns what they do not."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            told, lives = self._told(bot)
            true = truth_of(await self._exchange.account())
            problems = [*shortened(differences(told, true)), *shortened(wrong_lives(lives))]
            if not bot.connector.ready:
                problems.append(f"the connector is not ready: {bot.connector.status_dict}")
            if not bot.is_settled:
                problems.append("requests are still under way")
            if is_empty and true.open_ids:
                problems.append(f"orders are still open: {sorted(true.open_ids)}")
            if not problems or time.monotonic() > deadline_s:
                return problems
            await asyncio.sleep(1.0)

    def _told(self, bot: SoakBot) -> tuple[Side, dict[str, list[str]]]:
        told, lives = self._ledger.side()
        told.open_ids = bot.open_ids
        told.balances = bot.balances
        return told, lives

    # --- verdicts ---

    def _judge_recovery(self, chaos: Chaos) -> None:
        slow = {
            name: max(row.book_s)
            for name, row in chaos.statistics.items()
            if row.book_s and max(row.book_s) > _BOOK_LIMIT_S
        }
        self._problems += [
            f"{name}: the books were right only {worst_s:.2f} s after the new connection"
            for name, worst_s in slow.items()
        ]

    async def _compare_footprints(self, quiet: Footprint, warm: Footprint) -> None:
        await asyncio.sleep(_QUIET_S)
        end = footprint()
        say(
            f"memory         {warm.memory_mb:.1f} MB after the warm-up, {end.memory_mb:.1f} MB at "
            f"the end; {warm.objects} and {end.objects} objects\n"
            f"tasks          {quiet.tasks} before the first order, {end.tasks} at the end"
        )
        if end.memory_mb > warm.memory_mb + _MEMORY_GROWTH_MB:
            self._problems.append(
                f"memory grew from {warm.memory_mb:.1f} MB to {end.memory_mb:.1f} MB"
            )
        if end.objects > warm.objects * (1 + _OBJECT_GROWTH):
            self._problems.append(f"objects grew from {warm.objects} to {end.objects}")
        if end.tasks > quiet.tasks + _TASK_GROWTH:
            self._problems.append(f"tasks grew from {quiet.tasks} to {end.tasks}")

    def _begin_log(self) -> None:
        logging.basicConfig(
            filename=self._log,
            level=logging.INFO,
            format="%(asctime)s - %(process)d - %(name)s - %(levelname)s - %(message)s",
        )
        asyncio.get_running_loop().set_exception_handler(self._on_unhandled)

    def _on_unhandled(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._problems.append(f"nobody handled: {context.get('exception') or context['message']}")
        logging.getLogger(__name__).error(context["message"], exc_info=context.get("exception"))

    def _check_logs(self, ready: Ready) -> None:
        logs = [self._log, self._folder / "exchange.log"]
        for log in logs:
            report = demo_log.report_of([log])
            if report.tracebacks:
                self._problems.append(f"{report.tracebacks} tracebacks in {log}")
        leaks = demo_log.files_with([ready.api_secret], [self._folder])
        self._problems += [f"the API secret is in {file}" for file in leaks]

    # --- helpers ---

    def _is_over(self) -> bool:
        return self._is_enough() or time.monotonic() >= self._over_s

    def _messages(self, bot: SoakBot) -> int:
        metrics = bot.connector.order_book_tracker.metrics
        return int(metrics.total_diffs_processed + metrics.total_trades_processed)

    async def _until(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline_s:
                raise DemoError(f"the connector did not get {what} within {timeout_s:.0f} s")
            await asyncio.sleep(0.05)


def _random(seed: int, what: str) -> Random:
    return Random(f"{what} {seed}")  # noqa: S311 (repeatable, nothing secret)


def _shorten_backoff() -> None:
    from hummingbot.connector.exchange.backpack.api.backoff import Backoff

    defaults = Backoff.__init__.__kwdefaults__ or {}
    defaults |= {"limit_s": _LONGEST_BACKOFF_S, "reset_after_s": _HEALTHY_AFTER_S}


async def _close_connections() -> None:
    from hummingbot.connector.exchange.backpack.backpack_web_utils import Connections

    await Connections().close()
