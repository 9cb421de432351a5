"""Every way in which Hummingbot, old and new, builds the connector."""

import os
from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_helpers import ClientConfigAdapter
from hummingbot.client.hummingbot_application import HummingbotApplication
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.backpack.api.signing import CredentialsError, generate_key_pair
from hummingbot.connector.exchange.backpack.backpack_environments import LIVE
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

KEY, SECRET = generate_key_pair(os.urandom(32))
PAIR = "SOL-USDC"


@pytest.fixture(autouse=True)
async def _environment(monkeypatch):
    """No other exchange is named; constructors run inside a loop, as Hummingbot's do."""
    monkeypatch.delenv("BACKPACK_REST_URL", raising=False)
    monkeypatch.delenv("BACKPACK_WS_URL", raising=False)


def is_live_with_keys(connector):
    return connector.environment is LIVE and bool(connector.auth.subscription()[0] == KEY)


@pytest.mark.parametrize(
    "keys",
    [
        {"backpack_api_key": KEY, "backpack_api_secret": SECRET},
        {"api_key": KEY, "api_secret": SECRET},
        {"backpack_api_key": KEY, "api_secret": SECRET},
        {"backpack_api_key": f" {KEY}\n", "backpack_api_secret": f"\t{SECRET} "},
    ],
)
async def test_keys_are_taken_under_both_names(keys):
    """The configuration's names, and the short ones of people's own code."""
    connector = BackpackExchange(**keys, trading_pairs=[PAIR])
    assert is_live_with_keys(connector)
    assert connector.trading_pairs == [PAIR]
    assert connector.name == connector.domain == "backpack"


async def test_keys_come_first_by_position():
    """As some scripts pass them."""
    assert is_live_with_keys(BackpackExchange(KEY, SECRET))


async def test_everything_has_a_default_for_public_data():
    """Hummingbot builds connectors without keys for rates, trading pairs and paper trade."""
    connector = BackpackExchange(trading_required=False)
    assert connector.environment is LIVE
    assert not connector.is_trading_required
    assert connector.trading_pairs == []
    with pytest.raises(CredentialsError):
        connector.auth.subscription()


@pytest.mark.parametrize("falsy", [False, "", None, "no", "No", "false", "False", "0", "n", "off"])
async def test_demo_mode_that_was_declined_is_no_demo(falsy):
    """Hummingbot passes a false answer as an empty string."""
    assert is_live_with_keys(BackpackExchange(KEY, SECRET, demo_mode=falsy))


@pytest.mark.parametrize(
    "arguments",
    [
        {"demo_mode": True},
        {"demo_mode": "yes"},
        {"demo_mode": "true"},
        {"domain": "demo"},
        {"backpack_api_key": KEY, "backpack_api_secret": SECRET, "demo_mode": True},
        {},
    ],
)
async def test_demo_is_asked_for_or_all_that_is_possible(arguments):
    """By setting, by domain, and for whoever wants to trade without keys; never a live order."""
    connector = BackpackExchange(**arguments, trading_pairs=[PAIR])
    assert connector.environment is not LIVE
    assert connector.environment.name == "demo"
    assert connector.auth.subscription()[0] != KEY


@pytest.mark.parametrize(
    "share", [Decimal(50), "50", 50, 50.0], ids=["Decimal", "str", "int", "float"]
)
async def test_share_of_the_limits_is_taken_in_any_form(share):
    """Half of 2000 requests a minute, rounded as Hummingbot does."""
    connector = BackpackExchange(KEY, SECRET, rate_limits_share_pct=share)
    limits = {limit.limit_id: limit.limit for limit in connector.throttler._rate_limits}
    assert max(limits.values()) == 1000
    assert min(limits.values()) == 15


async def test_share_of_the_limits_is_the_running_clients(monkeypatch):
    """Hummingbot does not hand it to the connector `backpack`, only to those of a sub-domain."""
    settings = AllConnectorSettings.get_connector_settings()["backpack"]
    keys = {"backpack_api_key": KEY, "backpack_api_secret": SECRET}
    given = settings.conn_init_parameters(api_keys=keys, rate_limits_share_pct=Decimal(50))
    client = SimpleNamespace(client_config_map=ClientConfigAdapter(ClientConfigMap()))
    client.client_config_map.rate_limits_share_pct = Decimal(50)
    monkeypatch.setattr(HummingbotApplication, "_main_app", client)
    connector = BackpackExchange(**given)
    assert is_live_with_keys(connector)
    assert max(limit.limit for limit in connector.throttler._rate_limits) == 1000


async def test_client_config_map_of_older_versions_is_honoured():
    """It carries both limits; those of the arguments are then not given."""
    limits = {"backpack": {"USDC": Decimal(10)}}
    config = SimpleNamespace(balance_asset_limit=limits, rate_limits_share_pct=Decimal(50))
    connector = BackpackExchange(
        client_config_map=config, backpack_api_key=KEY, backpack_api_secret=SECRET
    )
    assert is_live_with_keys(connector)
    assert connector._balance_asset_limit == limits
    assert max(limit.limit for limit in connector.throttler._rate_limits) == 1000


async def test_balance_limits_are_honoured():
    """Hummingbot lets a bot use only part of an account."""
    limits = {"backpack": {"USDC": Decimal(10)}}
    connector = BackpackExchange(KEY, SECRET, balance_asset_limit=limits)
    connector._account_balances["USDC"] = Decimal(100)
    connector._account_available_balances["USDC"] = Decimal(100)
    assert connector.get_available_balance("USDC") == 10


async def test_trading_pairs_are_the_callers_list():
    """Hummingbot and the connector look at the same one; two connectors do not share theirs."""
    pairs = [PAIR]
    connector = BackpackExchange(KEY, SECRET, trading_pairs=pairs)
    assert connector.trading_pairs is pairs
    one, other = (BackpackExchange(KEY, SECRET) for _ in range(2))
    assert one.trading_pairs is not other.trading_pairs


async def test_hummingbots_settings_build_a_connector_for_public_data():
    """The way of the rate oracle and of paper trade."""
    settings = AllConnectorSettings.get_connector_settings()["backpack"]
    connector = settings.non_trading_connector_instance_with_default_configuration([PAIR])
    assert isinstance(connector, BackpackExchange)
    assert connector.environment is LIVE
    assert not connector.is_trading_required


async def test_one_address_alone_is_refused_when_the_connector_is_built(monkeypatch):
    """Before any request."""
    monkeypatch.setenv("BACKPACK_REST_URL", "http://127.0.0.1:1")
    with pytest.raises(ValueError, match="BACKPACK_WS_URL is not set"):
        BackpackExchange(KEY, SECRET)


async def test_secrets_are_in_no_text_of_the_connector():
    """Neither in its repr nor in any of its members'."""
    connector = BackpackExchange(KEY, SECRET, trading_pairs=[PAIR])
    shown = [repr(connector), repr(connector.auth), repr(connector.rest), str(vars(connector.rest))]
    assert SECRET not in "".join(shown) + "".join(map(repr, vars(connector).values()))
