"""Runs the local exchange as a process of its own.

When ready it prints one JSON line on standard output; everything after that goes to standard error
as a log. SIGTERM and SIGINT end it with exit code 0, arguments that make no sense with 2.
"""

import argparse
import asyncio
import json
import logging
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from ..api.signing import CredentialsError
from .arguments import account, balance, count, fault, fee, port, positive, url
from .fault_script import describe_faults
from .local import DEFAULT_BALANCES, AccountSettings, LiquidityKind, LocalExchange, Settings

_log = logging.getLogger(__name__)

_MAIN = "main"
_EPILOG = """\
accounts:
  --api-key, --api-secret and --balance describe the first account. Each --account adds one:
    --account NAME                                      generated keys, default balances
    --account NAME:USDC=1000,SOL=2                      generated keys
    --account NAME:API_KEY:API_SECRET:USDC=1000,SOL=2   given keys (balances may be left out)
  The ready line then has one more member, "accounts": [{"name", "api_key", "api_secret"}, ...].

ready line on standard output (one line):
  {"rest": "http://127.0.0.1:PORT", "ws": "ws://127.0.0.1:PORT",
   "api_key": "...", "api_secret": "..."}

faults:
  --fault NAME[:PARAMETER=VALUE,...], as often as there are faults, for example
    --fault drop-ws:every=20s
    --fault 'server-error:operation=POST /api/v1/order,times=3,executed=yes'
    --fault silence:after=1m,every=5m,for=30s
  All have these parameters; a DURATION is 20s, 500ms or 2m:
    after=DURATION    strike first after that (default: at once, or after one `every`)
    every=DURATION    strike again and again
    for=DURATION      last so long (default: until the next strike, or for good)
    probability=P     hit each request or frame with this chance only; of a fault that has none,
                      each strike of `every`
    seed=N            of that chance
  The faults there are, with their own parameters:
"""

_ADMIN_EPILOG = """
admin endpoint (--admin; unsigned, for callers on this machine):
  GET /admin/faults            faults under way
  POST /admin/faults           start one; the body is its text, as above
  DELETE /admin/faults[/N]     stop all, or one
  GET /admin/accounts/NAME     orders, fills and balances of an account (the first is "main")
  GET /admin/books/SYMBOL      the whole order book
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m hummingbot.connector.exchange.backpack.simulator",
        description="A local exchange with the protocol of Backpack Exchange. No funds are real.",
        epilog=_EPILOG + describe_faults() + "\n" + _ADMIN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    default = Settings()
    add = parser.add_argument
    add("--host", default=default.host, help="address to listen on (default %(default)s)")
    add("--port", type=port, default=default.port, help="TCP port, 0 for any free one (default)")
    add(
        "--market",
        action="append",
        metavar="SYMBOL",
        help="market with liquidity, such as SOL_USDC; repeat for more (default: "
        f"{', '.join(default.markets)}). All known markets are listed, as on the exchange.",
    )
    _add_accounts(parser)
    _add_liquidity(parser, default)
    _add_service(parser, default)
    return parser


def _add_accounts(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("accounts")
    add = group.add_argument
    add("--api-key", default="", metavar="K", help="base64 public key (default: a generated pair)")
    add("--api-secret", default="", metavar="S", help="base64 secret of that key")
    add(
        "--balance",
        action="append",
        type=balance,
        metavar="ASSET=AMOUNT",
        help="funds of the first account; repeat for more (default: "
        + ", ".join(f"{asset}={amount}" for asset, amount in DEFAULT_BALANCES.items())
        + ")",
    )
    add(
        "--account",
        action="append",
        type=account,
        default=[],
        metavar="NAME[:KEY:SECRET][:BALANCES]",
        help="one more account, see below",
    )
    add("--maker-fee-bps", type=fee, default="8", metavar="BPS", help="default %(default)s")
    add("--taker-fee-bps", type=fee, default="10", metavar="BPS", help="default %(default)s")


def _add_liquidity(parser: argparse.ArgumentParser, default: Settings) -> None:
    group = parser.add_argument_group("other people's orders")
    add = group.add_argument
    add(
        "--liquidity",
        choices=[kind.value for kind in LiquidityKind],
        default=default.liquidity.value,
        help="default %(default)s",
    )
    add(
        "--source-rest-url",
        type=url("http"),
        default=default.source_rest_url,
        metavar="URL",
        help="exchange to mirror (default %(default)s)",
    )
    add(
        "--source-ws-url",
        type=url("ws"),
        default=default.source_ws_url,
        metavar="URL",
        help="its streams (default %(default)s)",
    )
    add("--replay", type=Path, metavar="FILE", help="recorded stream (JSON lines) to replay")
    add("--replay-speed", type=positive, default=default.replay_speed, metavar="FACTOR")
    add("--seed", type=int, default=default.seed, help="same seed, same market (default 7)")
    add(
        "--frames-per-second",
        type=positive,
        default=default.frames_per_second,
        metavar="N",
        help="depth frames of each synthetic market (default %(default)s)",
    )


def _add_service(parser: argparse.ArgumentParser, default: Settings) -> None:
    group = parser.add_argument_group("service")
    add = group.add_argument
    add(
        "--state-file",
        type=Path,
        metavar="FILE",
        help="keep funds, orders and fills there over a restart (default: forget them)",
    )
    add("--no-rate-limits", action="store_true", help="count no requests")
    add("--requests-per-minute", type=count, default=default.requests_per_minute, metavar="N")
    add("--history-per-minute", type=count, default=default.history_per_minute, metavar="N")
    add("--ping-interval", type=positive, default=default.ping_interval_s, metavar="SECONDS")
    add(
        "--fault",
        action="append",
        type=fault,
        default=[],
        metavar="FAULT",
        help="let something go wrong, see below; repeat for more",
    )
    add("--admin", action="store_true", help="let tests start faults and read the truth, see below")
    add("--no-candle-history", action="store_true", help="begin without any past")
    add(
        "--log-level",
        choices=["debug", "info", "warning", "error"],
        default="info",
        help="default %(default)s",
    )


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings that parsed arguments stand for."""
    main = AccountSettings(
        name=_MAIN,
        api_key=arguments.api_key,
        api_secret=arguments.api_secret,
        balances=dict(arguments.balance) if arguments.balance else DEFAULT_BALANCES,
    )
    kind = LiquidityKind(arguments.liquidity)
    return Settings(
        markets=tuple(dict.fromkeys(arguments.market or Settings().markets)),
        accounts=(main, *arguments.account),
        liquidity=kind,
        source_rest_url=arguments.source_rest_url,
        source_ws_url=arguments.source_ws_url,
        replay_file=arguments.replay,
        replay_speed=arguments.replay_speed,
        seed=arguments.seed,
        frames_per_second=arguments.frames_per_second,
        maker_fee_bps=arguments.maker_fee_bps,
        taker_fee_bps=arguments.taker_fee_bps,
        candle_history=not arguments.no_candle_history,
        rate_limits=not arguments.no_rate_limits,
        requests_per_minute=arguments.requests_per_minute,
        history_per_minute=arguments.history_per_minute,
        ping_interval_s=arguments.ping_interval,
        faults=tuple(arguments.fault),
        admin=arguments.admin,
        state_file=arguments.state_file,
        host=arguments.host,
        port=arguments.port,
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Run until a signal ends it; returns the exit code."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    logging.basicConfig(
        stream=sys.stderr,
        level=arguments.log_level.upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if arguments.replay is not None and arguments.liquidity != LiquidityKind.REPLAY.value:
        parser.error("--replay needs --liquidity replay")
    try:
        exchange = LocalExchange(settings_of(arguments))
    except (CredentialsError, ValueError, OSError) as e:
        parser.error(str(e))
    try:
        asyncio.run(_serve(exchange))
    except ValueError as e:
        parser.error(str(e))
    except OSError as e:
        parser.error(f"cannot listen on {arguments.host}:{arguments.port}: {e.strerror or e}")
    return 0


async def _serve(exchange: LocalExchange) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with exchange:
        print(_ready_line(exchange), flush=True)  # noqa: T201 (the line that callers wait for)
        settings = exchange.settings
        _log.info(
            "listening on %s, %s liquidity in %s",
            exchange.rest_url,
            exchange.market_source.value,
            ", ".join(settings.markets),
        )
        await stop.wait()
        _log.info("stopping")


def _ready_line(exchange: LocalExchange) -> str:
    line: dict[str, object] = {
        "rest": exchange.rest_url,
        "ws": exchange.ws_url,
        "api_key": exchange.api_key,
        "api_secret": exchange.api_secret,
    }
    if len(exchange.accounts) > 1:
        line["accounts"] = [
            {"name": account.name, "api_key": account.api_key, "api_secret": account.api_secret}
            for account in exchange.accounts
        ]
    return json.dumps(line)


if __name__ == "__main__":
    sys.exit(main())
