"""What Hummingbot reads of the connector at every start: kept light and free of surprises."""

from decimal import Decimal

from pydantic import ConfigDict, Field, SecretStr

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.core.data_type.trade_fee import TradeFeeSchema

CENTRALIZED = True
EXAMPLE_PAIR = "SOL-USDC"

# Tier 1; the account's own rates replace these as soon as they are known. A fee is taken from what
# is received.
DEFAULT_FEES = TradeFeeSchema(
    maker_percent_fee_decimal=Decimal("0.0008"),
    taker_percent_fee_decimal=Decimal("0.0010"),
    buy_percent_fee_deducted_from_returns=True,
)


def _secret(prompt: str) -> SecretStr:
    return Field(
        default=...,
        json_schema_extra={
            "prompt": prompt,
            "is_secure": True,
            "is_connect_key": True,
            "prompt_on_new": True,
        },
    )


class BackpackConfigMap(BaseConnectorConfigMap):
    """Questions of ``connect backpack``."""

    connector: str = "backpack"
    backpack_api_key: SecretStr = _secret("Enter your Backpack API key (the public key)")
    backpack_api_secret: SecretStr = _secret("Enter your Backpack API secret (the private key)")
    model_config = ConfigDict(title="backpack")


KEYS = BackpackConfigMap.model_construct()
