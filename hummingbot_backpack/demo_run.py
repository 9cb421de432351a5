"""What happens in a demo, from the first process to the summary."""

import asyncio
import json
import shutil
import sys
import time
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from hummingbot.connector.exchange.backpack.api.errors import BackpackError
from hummingbot.connector.exchange.backpack.api.signing import Signer
from hummingbot_backpack import demo_guard, demo_log, demo_summary, demo_view, home
from hummingbot_backpack.demo_exchange import ExchangeAccount
from hummingbot_backpack.demo_home import demo_home
from hummingbot_backpack.demo_interrupt import INTERRUPTED, Interrupt
from hummingbot_backpack.demo_processes import DemoError, Hbot, LocalExchange, Ready, guarded

if TYPE_CHECKING:
    from hummingbot_backpack.demo import Options

CONNECTOR = "backpack"
PAIR = "SOL-USDC"
SYMBOL = "SOL_USDC"
FUNDS = {"USDC": 10_000, "SOL": 100}
PASSWORD = "demo"  # noqa: S105 (of keys to an exchange that is gone when the demo ends)

_SHOW_EVERY_S = 5.0
_LISTEN_EVERY_S = 0.1
_REQUEST_TIMEOUT_S = 10.0
_MOST_SENTENCES = 10


def main(options: "Options") -> int:
    """Run the demo and return its exit code."""
    with Interrupt() as interrupt:
        try:
            with demo_home(options.home) as folder:
                return _play(Demo(options, folder, interrupt), options, folder)
        except (home.HomeError, DemoError) as e:
            print(f"demo: {e}", file=sys.stderr)
            return 2


def _play(demo: "Demo", options: "Options", folder: Path) -> int:
    logs = f"The home is kept; its logs are in {folder / 'logs'} and {folder / 'data/bot'}."
    try:
        with guarded(folder):
            problems = asyncio.run(demo.run())
    except DemoError as e:
        raise DemoError(f"{e}\n{logs}") from e
    if problems:
        say("\nThis does not hold:")
        for problem in problems:
            say(f"  - {problem}")
        say(logs)
        return 1
    if options.home is None:
        shutil.rmtree(folder)
    if problems is None:
        say("Stopped before the bot was running: there is nothing to report.")
        return INTERRUPTED
    return 0


def say(text: str) -> None:
    """Print for the person who watches."""
    print(text, flush=True)


class Demo:
    """One demo in a prepared home.

    Args:
        options: what the person chose.
        folder: the home.
        interrupt: whether the person has had enough.
    """

    def __init__(self, options: "Options", folder: Path, interrupt: Interrupt) -> None:
        self._options = options
        self._folder = folder
        self._interrupt = interrupt
        self._name = f"demo_{datetime.now().astimezone():%Y%m%d_%H%M%S}"
        self._logs = [folder / f"logs/logs_{self._name}.log", folder / "data/bot/bot.log"]
        self._problems: list[str] = []

    async def run(self) -> list[str] | None:
        """Do everything.

        Returns:
            A sentence for each thing that does not hold; ``None`` if it was interrupted before the
            bot was running.

        Raises:
            DemoError: the bot could not be started.
        """
        say(
            "Everything runs on this computer: no account, no real money. Ctrl-C ends it early.\n"
            f"  home      {self._folder}"
        )
        exchange = self._exchange()
        try:
            ready = await exchange.start()
            say(f"  exchange  {ready.rest}, market {SYMBOL}, seed {self._options.seed}")
            hbot = Hbot(self._folder, self._environment(ready))
            signer = Signer(ready.api_key, ready.api_secret)
            timeout = aiohttp.ClientTimeout(total=_REQUEST_TIMEOUT_S)
            async with aiohttp.ClientSession(timeout=timeout) as session:
                account = ExchangeAccount(session, ready.rest, signer)
                before = await account.balances()
                if not await self._start_bot(hbot, ready):
                    return None
                try:
                    await self._trade(hbot, exchange, account, before)
                    self._check_secrets(ready)
                except (DemoError, BackpackError, aiohttp.ClientError, ValueError) as e:
                    self._problems.append(str(e) or type(e).__name__)
            return self._problems
        finally:
            await exchange.stop()

    def _exchange(self) -> LocalExchange:
        options = self._options
        arguments = [
            *("--market", SYMBOL, "--seed", str(options.seed), "--port", str(options.port)),
            *(f"--balance={asset}={amount}" for asset, amount in FUNDS.items()),
        ]
        log = self._folder / f"logs/exchange_{self._name}.log"
        self._logs.append(log)
        return LocalExchange(arguments, self._folder, log)

    def _environment(self, ready: Ready) -> dict[str, str]:
        return home.environment(self._folder) | {
            "BACKPACK_REST_URL": ready.rest,
            "BACKPACK_WS_URL": ready.ws,
            "HBOT_PASSWORD": PASSWORD,
        }

    # === the bot

    async def _start_bot(self, hbot: Hbot, ready: Ready) -> bool:
        """Connect and start; ``False`` if interrupted before there was a bot."""
        if self._interrupt.requested:
            return False
        keys = {"backpack_api_key": ready.api_key, "backpack_api_secret": ready.api_secret}
        # An interrupted command might leave anything behind, so each is waited for: some seconds.
        say(f"  hbot connect {CONNECTOR}")
        await hbot.run("connect", CONNECTOR, "--keys-stdin", "--replace", text=json.dumps(keys))
        if self._interrupt.requested:
            return False
        config = f"{self._name}.yml"
        (self._folder / "conf/scripts" / config).write_text(self._config())
        say(f"  hbot start {config}")
        await hbot.start(config)
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

    async def _trade(
        self,
        hbot: Hbot,
        exchange: LocalExchange,
        account: ExchangeAccount,
        before: dict[str, Decimal],
    ) -> None:
        """Watch the bot, stop it, and compare what both sides say."""
        balances = await self._watch(hbot, exchange)
        say("\n  hbot stop")
        if hbot.pid() is not None and not await hbot.stop():
            self._problems.append("The bot did not stop when it was asked to and had to be killed.")
        left = await account.open_orders()
        if left:
            ids = ", ".join(order.id for order in left[:_MOST_SENTENCES])
            self._problems.append(f"Orders are still open on the exchange after the stop: {ids}.")
        books = demo_summary.ExchangeBooks(
            before=before,
            after=await account.balances(),
            orders=await account.orders(),
            fills=await account.fills(),
        )
        # The exchange still runs: Hummingbot asks it for the price.
        text = json.dumps(balances)
        said = await hbot.run(self._name, PAIR, text=text, module=demo_guard.HISTORY)
        self._summarise(demo_summary.parse_records(said), books, len(left))

    async def _watch(self, hbot: Hbot, exchange: LocalExchange) -> dict[str, dict[str, float]]:
        """Show the bot until time is up; returns its last balances by connector and asset."""
        options = self._options
        began_s = shown_s = time.monotonic()
        ends_s = began_s + options.minutes * 60
        balances: dict[str, dict[str, float]] = {}
        if not self._interrupt.requested:
            base, _ = PAIR.split("-")
            say(
                f"\n{options.strategy} makes a market in {PAIR} for "
                f"{demo_view.duration(options.minutes)}: {options.order_amount} {base} a side, "
                f"{demo_summary.number(options.spread * 100)} % from the mid price, renewed every "
                f"{options.refresh_time_s} s.\n"
            )
        while time.monotonic() < ends_s and not self._interrupt.requested:
            shown_s = min(ends_s, shown_s + _SHOW_EVERY_S)
            await self._sleep_until(shown_s)
            elapsed_s = time.monotonic() - began_s
            for name, gone in (
                ("bot", hbot.pid() is None),
                ("local exchange", not exchange.is_running),
            ):
                if gone:
                    after = demo_view.clock(elapsed_s)
                    raise DemoError(f"The {name} ended by itself after {after} of trading.")
            snapshot = await hbot.snapshot()
            balances = snapshot.get("balances") or balances
            width = shutil.get_terminal_size().columns
            say(demo_view.status_block(elapsed_s, snapshot, width))
        return balances

    async def _sleep_until(self, moment_s: float) -> None:
        # A signal may come at any instruction, so it only sets a flag, which is looked at here.
        while not self._interrupt.requested and (left_s := moment_s - time.monotonic()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(left_s, _LISTEN_EVERY_S))

    # === what must hold

    def _check_secrets(self, ready: Ready) -> None:
        folders = [self._folder / name for name in ("conf", "data", "logs")]
        for file in demo_log.files_with([ready.api_key, ready.api_secret], folders):
            self._problems.append(f"An API key can be read in {file}.")

    def _summarise(
        self, records: demo_summary.BotRecords, books: demo_summary.ExchangeBooks, left: int
    ) -> None:
        rows = demo_summary.compare(records, books, PAIR)
        lost = demo_summary.lost_orders(records.orders, books.ends())
        log = demo_log.report_of(self._logs)
        self._problems += lost[:_MOST_SENTENCES]
        self._problems += [row.difference for row in rows if not row.agrees]
        if log.tracebacks:
            self._problems.append(f"There are {log.tracebacks} tracebacks in the logs.")
        if not self._interrupt.requested:
            self._problems += self._idleness(books)
        counts = {
            "lost orders": len(lost),
            "orders left in the market": left,
            "tracebacks in the logs": log.tracebacks,
            "errors in the logs": len(log.errors),
            "warnings in the logs": len(log.warnings),
        }
        price = f"{demo_summary.number(records.price)} {PAIR.split('-')[1]}"
        say(f"\nSummary, valued at the last price of {price}")
        say(demo_summary.table(rows, counts))
        for text in demo_log.digest([*log.errors, *log.warnings])[:_MOST_SENTENCES]:
            say(f"  log: {text}")
        if not self._problems:
            say(
                "\nEvery order and every fill is accounted for; both sides agree to the last digit."
            )

    def _idleness(self, books: demo_summary.ExchangeBooks) -> list[str]:
        """What is missing for a demo that shows something."""
        options = self._options
        problems = []
        # Half of what a bot gets done that can always place both quotes: 20 in 2 minutes.
        wanted = int(options.minutes * 60 / (options.refresh_time_s + 1))
        if len(books.orders) < wanted:
            problems.append(
                f"Only {len(books.orders)} orders were placed; at least {wanted} were expected."
            )
        if not books.fills:
            problems.append(
                "No order was filled. Quotes nearer to the price are filled sooner: a smaller "
                "--spread, or more --minutes."
            )
        return problems
