"""What happens in a demo, from the first process to the summary."""

import asyncio
import contextlib
import json
import shutil
import signal
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from hummingbot.connector.exchange.backpack.api.errors import BackpackError
from hummingbot.connector.exchange.backpack.api.signing import Signer
from hummingbot_backpack import demo_guard, demo_log, demo_summary, demo_view, home
from hummingbot_backpack.demo_exchange import ExchangeAccount
from hummingbot_backpack.demo_home import demo_home
from hummingbot_backpack.demo_processes import DemoError, Hbot, LocalExchange, Ready, guarded

if TYPE_CHECKING:
    from hummingbot_backpack.demo import Options

CONNECTOR = "backpack"
PAIR = "SOL-USDC"
SYMBOL = "SOL_USDC"
FUNDS = {"USDC": 10_000, "SOL": 100}
PASSWORD = "demo"  # noqa: S105 (of keys to an exchange that is gone when the demo ends)

_SHOW_EVERY_S = 5.0
_REQUEST_TIMEOUT_S = 10.0
_MOST_SENTENCES = 10
_INTERRUPTED = 130


def main(options: "Options") -> int:
    """Run the demo and return its exit code."""
    try:
        with demo_home(options.home) as folder:
            demo = Demo(options, folder)
            with guarded(folder):
                problems = asyncio.run(demo.run())
            if problems is None:
                say("\nStopped before the bot was running: there is nothing to report.")
                return _INTERRUPTED
            if problems:
                _say_problems(problems, folder)
                return 1
            if options.home is None:
                shutil.rmtree(folder)
            return 0
    except (home.HomeError, DemoError, OSError) as e:
        print(f"demo: {e}", file=sys.stderr)
        return 2


def say(text: str) -> None:
    """Print for the person who watches."""
    print(text, flush=True)


class Demo:
    """One demo in a prepared home.

    Args:
        options: what the person chose.
        folder: the home.
    """

    def __init__(self, options: "Options", folder: Path) -> None:
        self._options = options
        self._folder = folder
        self._name = f"demo_{datetime.now().astimezone():%Y%m%d_%H%M%S}"
        self._interrupted = asyncio.Event()
        self._logs = [folder / f"logs/logs_{self._name}.log", folder / "data/bot/bot.log"]
        self._problems: list[str] = []

    async def run(self) -> list[str] | None:
        """Do everything.

        Returns:
            A sentence for each thing that does not hold; ``None`` if it was interrupted before the
            bot was running.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, self._interrupt)
        say(
            "Everything runs on this computer: no account, no real money. Ctrl-C ends it early.\n"
            f"  home      {self._folder}"
        )
        exchange = self._exchange()
        try:
            ready = await exchange.start()
            say(f"  exchange  {ready.rest}, market {SYMBOL}, seed {self._options.seed}")
            return await self._trade(exchange, ready)
        except (DemoError, BackpackError, aiohttp.ClientError) as e:
            return [*self._problems, str(e)]
        finally:
            await exchange.stop()

    def _interrupt(self) -> None:
        again = self._interrupted.is_set()
        self._interrupted.set()
        say("\nStopping already; orders are being cancelled." if again else "\nStopping early.")

    def _exchange(self) -> LocalExchange:
        options = self._options
        funds = [f"--balance={asset}={amount}" for asset, amount in FUNDS.items()]
        arguments = [
            *("--market", SYMBOL, "--seed", str(options.seed), "--port", str(options.port)),
            *funds,
        ]
        log = self._folder / f"logs/exchange_{self._name}.log"
        self._logs.append(log)
        return LocalExchange(arguments, self._folder, log)

    async def _trade(self, exchange: LocalExchange, ready: Ready) -> list[str] | None:
        hbot = Hbot(self._folder, self._environment(ready))
        signer = Signer(ready.api_key, ready.api_secret)
        timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            account = ExchangeAccount(session, ready.rest, signer)
            before = await account.balances()
            if not await self._start_bot(hbot, ready):
                return None
            balances = await self._watch(hbot, exchange)
            await self._stop_bot(hbot)
            await self._check_no_orders(account)
            books = demo_summary.ExchangeBooks(
                before=before,
                after=await account.balances(),
                orders=await account.orders(),
                fills=await account.fills(),
            )
        # The exchange still runs: Hummingbot asks it for the price.
        records = demo_summary.parse_records(
            await hbot.run(self._name, PAIR, text=json.dumps(balances), module=demo_guard.HISTORY)
        )
        self._check_logs(ready)
        self._summarise(records, books)
        return self._problems

    def _environment(self, ready: Ready) -> dict[str, str]:
        return home.environment(self._folder) | {
            "BACKPACK_REST_URL": ready.rest,
            "BACKPACK_WS_URL": ready.ws,
            "HBOT_PASSWORD": PASSWORD,
        }

    # === the bot

    async def _start_bot(self, hbot: Hbot, ready: Ready) -> bool:
        """Connect and start; ``False`` if interrupted before there was a bot."""
        options = self._options
        keys = {"backpack_api_key": ready.api_key, "backpack_api_secret": ready.api_secret}
        # An interrupted command might leave anything behind, so each is waited for: some seconds.
        say(f"  hbot connect {CONNECTOR}")
        await hbot.run("connect", CONNECTOR, "--keys-stdin", "--replace", text=json.dumps(keys))
        if self._interrupted.is_set():
            return False
        config = f"{self._name}.yml"
        (self._folder / "conf/scripts" / config).write_text(self._config())
        say(f"  hbot start {config}")
        await hbot.start(config)
        base, _ = PAIR.split("-")
        say(
            f"{options.strategy} makes a market in {PAIR} for "
            f"{demo_view.duration(options.minutes)}: {options.order_amount} {base} a side, "
            f"{options.spread:%} around the mid price, renewed every {options.refresh_time_s} s.\n"
        )
        return True

    def _config(self) -> str:
        """Settings of the strategy: those of Hummingbot's simple PMM."""
        options = self._options
        settings = {
            "script_file_name": f"{options.strategy}.py",
            "controllers_config": [],
            "exchange": CONNECTOR,
            "trading_pair": PAIR,
            "order_amount": options.order_amount,
            "bid_spread": options.spread,
            "ask_spread": options.spread,
            "order_refresh_time": options.refresh_time_s,
            "price_type": "mid",
        }
        return "".join(f"{name}: {value}\n" for name, value in settings.items())

    async def _watch(self, hbot: Hbot, exchange: LocalExchange) -> dict[str, dict[str, float]]:
        """Show the bot until time is up; returns its last balances by connector and asset."""
        began_s = time.monotonic()
        ends_s = began_s + self._options.minutes * 60
        balances: dict[str, dict[str, float]] = {}
        while not self._interrupted.is_set():
            left_s = ends_s - time.monotonic()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._interrupted.wait(), min(_SHOW_EVERY_S, max(left_s, 0)))
            elapsed_s = time.monotonic() - began_s
            if hbot.pid() is None:
                self._problems.append(
                    f"The bot ended by itself after {demo_view.clock(elapsed_s)}."
                )
                return balances
            if not exchange.is_running:
                self._problems.append(
                    f"The local exchange ended by itself after {demo_view.clock(elapsed_s)}."
                )
                return balances
            snapshot = await hbot.snapshot()
            balances = snapshot.get("balances") or balances
            width = shutil.get_terminal_size().columns
            say(demo_view.status_block(elapsed_s, snapshot, width))
            if left_s <= _SHOW_EVERY_S:
                break
        return balances

    async def _stop_bot(self, hbot: Hbot) -> None:
        say("\n  hbot stop")
        if hbot.pid() is None:
            return
        if not await hbot.stop():
            self._problems.append("The bot did not stop when it was asked to and had to be killed.")

    # === what must hold

    async def _check_no_orders(self, account: ExchangeAccount) -> None:
        left = await account.open_orders()
        self._open_orders = len(left)
        if left:
            ids = ", ".join(order.id for order in left[:_MOST_SENTENCES])
            self._problems.append(
                f"{len(left)} orders are still open on the exchange although the bot has stopped: "
                f"{ids}."
            )

    def _check_logs(self, ready: Ready) -> None:
        self._log = demo_log.report_of(self._logs)
        if self._log.tracebacks:
            self._problems.append(f"There are {self._log.tracebacks} tracebacks in the logs.")
        folders = [self._folder / name for name in ("conf", "data", "logs")]
        for file in demo_log.files_with([ready.api_key, ready.api_secret], folders):
            self._problems.append(f"An API key can be read in {file}.")

    def _summarise(
        self, records: demo_summary.BotRecords, books: demo_summary.ExchangeBooks
    ) -> None:
        rows = demo_summary.compare(records, books, PAIR)
        lost = demo_summary.lost_orders(records.orders, books.ends())
        self._problems += lost[:_MOST_SENTENCES]
        self._problems += [
            f"{row.name.strip()}: {row.texts[0]} for Hummingbot, {row.texts[1]} on the exchange."
            for row in rows
            if not row.agrees
        ]
        if not self._interrupted.is_set():
            self._check_activity(books)
        counts = {
            "lost orders": len(lost),
            "orders left open": self._open_orders,
            "tracebacks in the logs": self._log.tracebacks,
            "errors in the logs": len(self._log.errors),
            "warnings in the logs": len(self._log.warnings),
        }
        _, quote = PAIR.split("-")
        say(
            f"\nSummary (valued at {demo_summary.number(records.price)} {quote}, the last price)\n"
            f"{demo_summary.table(rows, counts)}"
        )
        for text in dict.fromkeys([*self._log.errors, *self._log.warnings]):
            say(f"  log: {text}")
        if not self._problems:
            say(
                "\nEvery order and every fill is accounted for; both sides agree to the last digit."
            )

    def _check_activity(self, books: demo_summary.ExchangeBooks) -> None:
        """A demo in which nothing happened shows nothing."""
        options = self._options
        # Half of what a bot that always finds both its quotes possible gets done: 20 in 2 minutes.
        wanted = int(options.minutes * 60 / (options.refresh_time_s + 1))
        if len(books.orders) < wanted:
            self._problems.append(
                f"Only {len(books.orders)} orders were placed; at least {wanted} were expected."
            )
        if not books.fills:
            self._problems.append(
                "No order was filled. Quotes nearer to the price are filled sooner: a smaller "
                "--spread, or more --minutes."
            )


def _say_problems(problems: list[str], folder: Path) -> None:
    say("\nThis does not hold:")
    for problem in problems:
        say(f"  - {problem}")
    say(f"The home is kept; its logs are in {folder / 'logs'} and {folder / 'data/bot'}.")
