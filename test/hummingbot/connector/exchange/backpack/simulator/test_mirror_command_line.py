"""A mirror as a process of its own."""

import asyncio
import json
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hummingbot.connector.exchange.backpack.simulator.__main__ import build_parser, settings_of
from hummingbot.connector.exchange.backpack.simulator.local import LiquidityKind

COMMAND = [sys.executable, "-m", "hummingbot.connector.exchange.backpack.simulator"]


def parse(*arguments):
    return settings_of(build_parser().parse_args(arguments))


@asynccontextmanager
async def running(*arguments):
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_the_live_exchange_is_what_is_mirrored():
    settings = parse("--liquidity", "mirror")
    assert settings.liquidity is LiquidityKind.MIRROR
    assert settings.source_rest_url == "https://api.backpack.exchange"
    assert settings.source_ws_url == "wss://ws.backpack.exchange"
    assert settings.state_file is None


def test_another_source_and_a_state_file_can_be_given():
    settings = parse(
        *("--liquidity", "auto", "--state-file", "demo.json"),
        *("--source-rest-url", "http://127.0.0.1:1", "--source-ws-url", "ws://127.0.0.1:1"),
    )
    assert settings.liquidity is LiquidityKind.AUTO
    assert settings.source_rest_url == "http://127.0.0.1:1"
    assert settings.source_ws_url == "ws://127.0.0.1:1"
    assert settings.state_file == Path("demo.json")


@pytest.mark.parametrize(
    "arguments",
    [("--source-rest-url", "api.backpack.exchange"), ("--source-ws-url", "https://x")],
)
def test_address_that_is_none_is_refused(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(*arguments)
    assert ended.value.code == 2
    assert "is not an address" in capsys.readouterr().err


async def test_mirror_of_another_process(open_exchange, client_of, session):
    source = await open_exchange(rate_limits=False)
    await client_of(source).place("Bid", "100", "1")
    addresses = ("--source-rest-url", source.rest_url, "--source-ws-url", source.ws_url)
    arguments = ("--liquidity", "mirror", *addresses, "--market", "SOL_USDC")
    async with running(*arguments) as process:
        ready = json.loads(await process.stdout.readline())
        async with session.get(f"{ready['rest']}/api/v1/depth?symbol=SOL_USDC") as reply:
            assert (await reply.json())["bids"] == [["100", "1"]]
        process.terminate()
        _, log = await process.communicate()
        assert process.returncode == 0
        assert b"mirror liquidity in SOL_USDC" in log
        assert b"is in sight" in log
    async with running("--liquidity", "mirror", *addresses, "--market", "NO_SUCH") as process:
        _, log = await process.communicate()
        assert process.returncode == 2
        assert b"unknown market 'NO_SUCH'" in log
