"""What Hummingbot reads of the connector at every start: kept light and free of surprises."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from pydantic import ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.core.data_type.trade_fee import TradeFeeSchema

from . import backpack_demo_settings as demo

CENTRALIZED = True
EXAMPLE_PAIR = "SOL-USDC"

# Tier 1; the account's own rates replace these as soon as they are known. A fee is taken from what
# is received.
DEFAULT_FEES = TradeFeeSchema(
    maker_percent_fee_decimal=Decimal("0.0008"),
    taker_percent_fee_decimal=Decimal("0.0010"),
    buy_percent_fee_deducted_from_returns=True,
)


def _question(prompt: str, default: Any = ..., *, secret: bool = False) -> Any:  # noqa: ANN401
    return Field(
        default=default,
        json_schema_extra={
            "prompt": prompt,
            "is_secure": secret,
            "is_connect_key": True,
            "prompt_on_new": True,
        },
    )


def _checked(parse: Callable[[str], object], default: str) -> Callable[[str], str]:
    """A validator; an empty answer stands for the default, as ``hbot connect`` shows none."""

    def check(value: str) -> str:
        value = value.strip() or default
        parse(value)
        return value

    return check


class BackpackConfigMap(BaseConnectorConfigMap):
    """Questions of ``connect backpack``."""

    connector: str = "backpack"
    backpack_api_key: SecretStr = _question(
        "Enter your Backpack API key (the public key)", secret=True
    )
    backpack_api_secret: SecretStr = _question(
        "Enter your Backpack API secret (the private key)", secret=True
    )
    model_config = ConfigDict(title="backpack")


class BackpackDemoConfigMap(BaseConnectorConfigMap):
    """Questions of ``connect backpack_demo``: nothing secret, Enter accepts each default."""

    connector: str = "backpack_demo"
    backpack_demo_balances: str = _question(
        "Demo: starting balances, such as USDC=10000, SOL=50", demo.DEFAULT_BALANCES
    )
    backpack_demo_market: str = _question(
        "Demo: market (auto, live, synthetic or replay:FILE)", demo.DEFAULT_MARKET
    )
    backpack_demo_fees: str = _question(
        "Demo: fee tier (tier1, or maker/taker fee in basis points)", demo.DEFAULT_FEES
    )
    backpack_demo_state_file: str = _question(
        "Demo: file that keeps balances and orders over a restart (Enter for none)", ""
    )
    model_config = ConfigDict(title="backpack_demo")

    _check_balances = field_validator("backpack_demo_balances")(
        _checked(demo.parse_balances, demo.DEFAULT_BALANCES)
    )

    @field_validator("backpack_demo_market")
    @classmethod
    def _check_market(cls, value: str, info: ValidationInfo) -> str:
        value = value.strip() or demo.DEFAULT_MARKET
        _, replay_file = demo.parse_market(value)
        # Later fields are known when one is answered, and not when all are read from their file:
        # a recording that is gone by then must not keep Hummingbot from reading anybody's keys.
        if "backpack_demo_fees" in info.data:
            demo.check_replay_file(replay_file)
        return value

    _check_fees = field_validator("backpack_demo_fees")(
        _checked(demo.parse_fees, demo.DEFAULT_FEES)
    )


KEYS = BackpackConfigMap.model_construct()

OTHER_DOMAINS = ["backpack_demo"]
OTHER_DOMAINS_PARAMETER = {"backpack_demo": "demo"}
OTHER_DOMAINS_EXAMPLE_PAIR = {"backpack_demo": EXAMPLE_PAIR}
OTHER_DOMAINS_DEFAULT_FEES = {"backpack_demo": DEFAULT_FEES}
OTHER_DOMAINS_KEYS = {"backpack_demo": BackpackDemoConfigMap.model_construct()}
