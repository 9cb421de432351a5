"""What Hummingbot reads of the connector at every start."""

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from hummingbot.client.config.config_helpers import (
    ClientConfigAdapter,
    api_keys_from_connector_config_map,
)
from hummingbot.client.settings import AllConnectorSettings
from hummingbot.connector.exchange.backpack import backpack_utils
from hummingbot.core.data_type.common import TradeType
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TradeFeeBase

REPOSITORY = Path(__file__).resolve().parents[5]


def filled():
    return backpack_utils.BackpackConfigMap(backpack_api_key="K", backpack_api_secret="S")


def test_config_map_asks_for_two_secrets_under_the_built_ins_names():
    """An existing configuration of the built-in connector goes on working."""
    fields = backpack_utils.BackpackConfigMap.model_fields
    assert list(fields) == ["connector", "backpack_api_key", "backpack_api_secret"]
    for name in ("backpack_api_key", "backpack_api_secret"):
        extra = fields[name].json_schema_extra
        assert (extra["is_secure"], extra["is_connect_key"], extra["prompt_on_new"]) == (True,) * 3
        assert extra["prompt"].startswith("Enter your Backpack API")
    assert fields["connector"].default == "backpack"


def test_config_map_gives_the_constructor_its_keys():
    """What Hummingbot passes on, unwrapped."""
    keys = api_keys_from_connector_config_map(ClientConfigAdapter(filled()))
    assert keys == {"backpack_api_key": "K", "backpack_api_secret": "S"}


def test_config_map_shows_no_secret():
    """In no text of its own."""
    config = backpack_utils.BackpackConfigMap(
        backpack_api_key="PUBLIC-PART", backpack_api_secret="PRIVATE-PART"
    )
    assert "PRIVATE-PART" not in repr(config) + str(config) + str(config.model_dump())


def test_config_map_knows_no_other_field():
    """A misspelt setting is an error and not silently ignored."""
    with pytest.raises(ValidationError):
        backpack_utils.BackpackConfigMap(
            backpack_api_key="K", backpack_api_secret="S", backpack_api_passphrase="P"
        )


def test_connector_is_found_with_our_settings():
    """Under the name of the built-in, resolved to our modules."""
    settings = AllConnectorSettings.get_connector_settings()["backpack"]
    assert settings.name == "backpack"
    assert settings.example_pair == "SOL-USDC"
    assert settings.centralised
    assert settings.config_keys is backpack_utils.KEYS
    assert settings.trade_fee_schema == backpack_utils.DEFAULT_FEES


def test_default_fees_are_tier_one_and_taken_from_what_is_received():
    """8 and 10 basis points; Hummingbot's usual schema would add a buyer's fee to the cost."""
    fees = backpack_utils.DEFAULT_FEES
    assert fees.maker_percent_fee_decimal == Decimal("0.0008")
    assert fees.taker_percent_fee_decimal == Decimal("0.001")
    for trade_type in TradeType.BUY, TradeType.SELL:
        fee = TradeFeeBase.new_spot_fee(fee_schema=fees, trade_type=trade_type)
        assert isinstance(fee, DeductedFromReturnsTradeFee)


def test_utils_are_light():
    """Every start of the client imports them: without the connector, the simulator and PyNaCl."""
    script = (
        "import sys, hummingbot.connector.exchange.backpack.backpack_utils as utils\n"
        "heavy = ('backpack_exchange', 'backpack.simulator', 'backpack.api', 'nacl', 'msgspec')\n"
        "print([name for name in sys.modules if any(word in name for word in heavy)])"
    )
    overlay = f"import sys; sys.path.insert(0, {str(REPOSITORY)!r})\n"
    overlay += "".join(
        f"{line}\n"
        for line in (REPOSITORY / "hummingbot_backpack" / "overlay.pth").read_text().splitlines()
        if line.startswith("import ")
    )
    run = subprocess.run(
        [sys.executable, "-c", overlay + script], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "[]"
