"""The exchange as a process of its own, started as a person would."""

import asyncio
import json
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from decimal import Decimal

import aiohttp
import pytest

from hummingbot.connector.exchange.backpack.api.endpoints import GetAccount, GetCapital
from hummingbot.connector.exchange.backpack.api.signing import generate_key_pair
from hummingbot.connector.exchange.backpack.simulator.__main__ import build_parser, settings_of
from hummingbot.connector.exchange.backpack.simulator.fault_core import FAULT_METHODS
from hummingbot.connector.exchange.backpack.simulator.local import (
    DEFAULT_BALANCES,
    AccountSettings,
    LiquidityKind,
    LocalExchange,
    Settings,
)

COMMAND = [sys.executable, "-m", "hummingbot.connector.exchange.backpack.simulator"]
KEY, SECRET = generate_key_pair(b"c" * 32)


class Running:
    """A process, and what its first line said."""

    def __init__(self, process, ready):
        self.process = process
        self.ready = ready
        self.rest_url = ready["rest"]
        accounts = ready.get("accounts", [ready])
        self.accounts = [type("Account", (), account) for account in accounts]


@asynccontextmanager
async def running(*arguments):
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        line = await asyncio.wait_for(process.stdout.readline(), 30)
        assert line, (await process.stderr.read()).decode()
        yield Running(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def end(exchange, number):
    exchange.process.send_signal(number)
    out, err = await asyncio.wait_for(exchange.process.communicate(), 10)
    return exchange.process.returncode, out.decode(), err.decode()


async def test_it_says_one_line_and_ends_with_a_signal(client_of):
    async with running(
        *("--host", "127.0.0.1", "--port", "0", "--market", "SOL_USDC", "--market", "BTC_USDC"),
        *("--api-key", KEY, "--api-secret", SECRET),
        *("--balance", "USDC=100000", "--balance", "SOL=1000.5"),
        *("--liquidity", "synthetic", "--seed", "7"),
        *("--maker-fee-bps", "-1.5", "--taker-fee-bps", "9"),
    ) as exchange:
        assert list(exchange.ready) == ["rest", "ws", "api_key", "api_secret"]
        assert exchange.ready["rest"].startswith("http://127.0.0.1:")
        assert exchange.ready["ws"] == exchange.ready["rest"].replace("http", "ws")
        assert (exchange.ready["api_key"], exchange.ready["api_secret"]) == (KEY, SECRET)

        client = client_of(exchange)
        capital = (await client.call(GetCapital())).json
        account = (await client.call(GetAccount())).json
        assert capital["SOL"]["available"] == "1000.5"
        assert (account["spotMakerFee"], account["spotTakerFee"]) == ("-1.5", "9")
        # With an open stream, too, it ends at once.
        async with client.session.ws_connect(exchange.ready["ws"]) as socket:
            await socket.send_str('{"method":"SUBSCRIBE","params":["depth.SOL_USDC"]}')
            await asyncio.wait_for(socket.receive(), 10)
            code, out, err = await end(exchange, signal.SIGTERM)

    assert code == 0
    assert out == "", "nothing but the one line"
    assert "Traceback" not in err
    assert SECRET not in err
    assert "listening on http://127.0.0.1:" in err


async def test_it_ends_with_an_interrupt_and_makes_keys(client_of):
    async with running("--liquidity", "none", "--account", "bob:USDC=5,SOL=2") as exchange:
        assert [row["name"] for row in exchange.ready["accounts"]] == ["main", "bob"]
        assert exchange.ready["accounts"][0]["api_key"] == exchange.ready["api_key"]
        capital = await client_of(exchange, 1).call(GetCapital())
        assert capital.json["USDC"]["available"] == "5"
        assert (await client_of(exchange).get("/api/v1/trades", symbol="SOL_USDC")).json == []
        code, _, err = await end(exchange, signal.SIGINT)

    assert code == 0
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--market", "NOPE"], "unknown market 'NOPE'"),
        (["--port", "99999"], "not a TCP port"),
        (["--port", "-1"], "not a TCP port"),
        (["--balance", "USDC"], "is not ASSET=AMOUNT"),
        (["--balance", "USDC=-5"], "is not ASSET=AMOUNT"),
        (["--balance", "USDC=NaN"], "is not ASSET=AMOUNT"),
        (["--api-key", "abc", "--api-secret", SECRET], "API key is not complete"),
        (["--api-key", KEY], "API secret is empty"),
        (["--liquidity", "replay"], "replay needs a file"),
        (["--liquidity", "replay", "--replay", "/nowhere"], "/nowhere"),
        (["--replay", "/nowhere"], "--replay needs --liquidity replay"),
        (["--frames-per-second", "nan"], "not a number above 0"),
        (["--maker-fee-bps", "much"], "not a fee in basis points"),
        (["--account", "main"], "a name of its own"),
        (["--account", ":USDC=1"], "an account needs a name"),
        (["--market", "SOL_USDC_PERP"], "no spot market"),
        (["--market", "HNT_USDC"], "is Closed"),
        (["--fault", "drop-sw"], "unknown fault 'drop-sw' (did you mean 'drop-ws'?)"),
        (["--fault", "drop-ws:every=soon"], "every='soon' is not a duration"),
        (["--fault", "drop-ws", "--fault", "delay-replies"], "delay-replies needs delay"),
        (["--nonsense"], "unrecognized arguments"),
    ],
)
def test_bad_arguments_are_named(capsys, arguments, said):
    from hummingbot.connector.exchange.backpack.simulator.__main__ import main

    with pytest.raises(SystemExit) as ended:
        main(arguments)

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_a_secret_in_the_wrong_place_is_not_repeated(capsys):
    from hummingbot.connector.exchange.backpack.simulator.__main__ import main

    for arguments in (
        ["--account", f"bob:{SECRET}"],
        ["--account", f"bob:{KEY}:{SECRET}:USDC=1:more"],
        ["--api-key", SECRET, "--api-secret", KEY],
    ):
        with pytest.raises(SystemExit):
            main(arguments)
        assert SECRET not in capsys.readouterr().err


async def test_a_taken_port_is_named(capsys, exchange):
    port = exchange.rest_url.rsplit(":", 1)[1]
    process = await asyncio.create_subprocess_exec(
        *COMMAND, "--port", port, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    out, err = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 2
    assert out == b""
    assert b"cannot listen on 127.0.0.1" in err
    assert b"Traceback" not in err


def test_arguments_become_settings():
    arguments = build_parser().parse_args(
        ["--account", f"bob:{KEY}:{SECRET}", "--account", "eve", "--no-rate-limits"]
    )
    settings = settings_of(arguments)

    assert settings.markets == Settings().markets
    assert settings.accounts[0].balances == DEFAULT_BALANCES
    assert settings.accounts[1] == AccountSettings(
        name="bob", api_key=KEY, api_secret=SECRET, balances=DEFAULT_BALANCES
    )
    assert settings.accounts[2].name == "eve"
    assert not settings.rate_limits
    assert settings.maker_fee_bps == Decimal(8)
    assert settings.liquidity is LiquidityKind.SYNTHETIC


async def test_faults_strike_from_the_start_and_by_the_back_door(client_of):
    async with running(
        *("--liquidity", "none", "--admin"),
        *("--fault", "server-error:operation=GET /api/v1/ping,times=2"),
        *("--fault", "silence:every=1h"),
    ) as exchange:
        client = client_of(exchange)
        answers = [(await client.get("/api/v1/ping")).status for _ in range(3)]
        assert answers == [500, 500, 200]
        faults = (await client.get("/admin/faults")).json
        assert [(f["inForce"], f["hits"]) for f in faults] == [(True, 2), (False, 0)]
        assert (await client.send("DELETE", "/admin/faults")).json == []
        code, _, err = await end(exchange, signal.SIGTERM)

    assert code == 0
    assert "Traceback" not in err


async def test_an_outage_does_not_keep_it_from_ending(client_of):
    async with running("--liquidity", "none", "--fault", "outage:after=100ms") as exchange:
        client = client_of(exchange)
        async with asyncio.timeout(10):
            while await is_answering(client):
                await asyncio.sleep(0.01)
        code, _, err = await end(exchange, signal.SIGTERM)

    assert code == 0
    assert "Traceback" not in err


async def is_answering(client):
    try:
        await client.get("/api/v1/ping")
    except aiohttp.ClientError:
        return False
    return True


def test_help_shows_every_fault(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    shown = capsys.readouterr().out
    for name in FAULT_METHODS:
        assert f"\n  {name}" in shown
    assert "every=DURATION" in shown
    assert "POST /admin/faults" in shown


def test_secrets_are_not_shown():
    exchange = LocalExchange(Settings(accounts=(AccountSettings(api_key=KEY, api_secret=SECRET),)))

    assert SECRET not in repr(exchange.settings)
    assert SECRET not in repr(exchange.accounts)
    assert exchange.api_secret == SECRET


def test_help_shows_how_accounts_are_given(capsys):
    with pytest.raises(SystemExit) as ended:
        build_parser().parse_args(["--help"])

    assert ended.value.code == 0
    assert "NAME:API_KEY:API_SECRET:USDC=1000,SOL=2" in capsys.readouterr().out
