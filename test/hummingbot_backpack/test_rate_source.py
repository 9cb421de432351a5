"""The rate oracle's source: what it asks the connector for, and how often."""

import asyncio
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.simulator.local import LocalExchange, Settings
from hummingbot.core.rate_oracle.rate_oracle import RATE_ORACLE_SOURCES, RateOracle
from hummingbot.core.rate_oracle.sources.backpack_rate_source import (
    MAX_AGE_S,
    RETRY_AFTER_S,
    BackpackRateSource,
)

PRICES = {
    "SOL-USDC": Decimal(150),
    "BTC-USDC": Decimal(100000),
    "USDT-USDC": Decimal("0.999"),
    "WEN-SOL": Decimal("0.000001"),
}


class Connector:
    """Stands for the connector: hands out prices, or fails."""

    def __init__(self) -> None:
        self.answer = PRICES
        self.requests = 0

    async def get_last_prices(self):
        self.requests += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return dict(self.answer)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def connector():
    return Connector()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def source(connector, clock):
    return BackpackRateSource(connector, clock)


async def test_all_prices_are_returned_without_a_quote_token(source):
    assert await source.get_prices() == PRICES


async def test_only_pairs_that_lead_to_the_quote_token_are_returned(source):
    # Quoted in USDC, and in SOL, which has a market against USDC.
    assert set(await source.get_prices("USDC")) == set(PRICES)
    # USDT has one market, against USDC, so what is quoted in USDC can be valued in USDT too.
    assert set(await source.get_prices("USDT")) == {"SOL-USDC", "BTC-USDC", "USDT-USDC"}
    assert await source.get_prices("EUR") == {}


async def test_usd_means_what_hummingbot_takes_it_for(source):
    assert await source.get_prices("USD") == await source.get_prices("USDT")


async def test_the_oracle_values_a_token_across_two_markets(source):
    oracle = RateOracle(source, quote_token="USDT")
    assert await oracle.get_rate("SOL") == Decimal(150) / Decimal("0.999")


async def test_prices_are_kept_for_a_while(source, connector, clock):
    await source.get_prices("USDC")
    clock.now_s += MAX_AGE_S - 0.1
    await source.get_prices("USDT")
    assert connector.requests == 1
    clock.now_s += 0.1
    await source.get_prices("USDC")
    assert connector.requests == 2


async def test_callers_at_the_same_time_share_one_request(source, connector):
    await asyncio.gather(*(source.get_prices("USDC") for _ in range(5)))
    assert connector.requests == 1


async def test_a_failure_gives_no_prices_and_is_not_repeated_at_once(source, connector, clock):
    connector.answer = OSError("no route")
    assert await source.get_prices("USDC") == {}
    assert await source.get_prices("USDC") == {}
    assert connector.requests == 1

    connector.answer = PRICES
    clock.now_s += RETRY_AFTER_S
    assert "SOL-USDC" in await source.get_prices("USDC")


async def test_a_failure_is_reported_once_in_words(source, connector, clock, caplog):
    connector.answer = OSError("no route")
    for _ in range(3):
        await source.get_prices("USDC")
        clock.now_s += RETRY_AFTER_S
    (record,) = caplog.records
    assert "no route" in record.getMessage()
    assert record.exc_info is None


async def test_cancelling_is_not_taken_for_a_failure(source, connector):
    connector.answer = PRICES
    task = asyncio.ensure_future(source.get_prices())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await source.get_prices() == PRICES


async def test_hummingbots_oracle_builds_it_and_it_reads_the_exchange(monkeypatch):
    """As ``rate_oracle_source: backpack`` in the configuration does: no arguments, no keys."""
    async with LocalExchange(Settings(markets=("SOL_USDC",))) as exchange:
        monkeypatch.setenv("BACKPACK_REST_URL", exchange.rest_url)
        monkeypatch.setenv("BACKPACK_WS_URL", exchange.ws_url)
        source = RATE_ORACLE_SOURCES["backpack"]()
        assert source.name == "backpack"
        prices = await source.get_prices("USDC")
        assert set(prices) == {"SOL-USDC"}
        assert prices["SOL-USDC"] > 0
