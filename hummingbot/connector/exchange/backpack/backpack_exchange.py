"""The spot connector, under the name of the one that Hummingbot ships."""

from decimal import Decimal
from typing import Any, override

from .api.models import MarketType
from .backpack_connector_base import BackpackConnectorBase
from .backpack_constants import DEFAULT_DOMAIN, DEMO_DOMAIN, DEMO_NAME, EXCHANGE_NAME
from .backpack_demo_settings import DemoSettings
from .backpack_environments import Environment, outside_environment

# How Hummingbot's configuration writes a question answered with no.
_NO = frozenset({"", "0", "false", "n", "no", "none", "off"})


class BackpackExchange(BackpackConnectorBase):
    """Backpack's spot markets.

    Args:
        backpack_api_key: public key, base64.
        backpack_api_secret: private key, base64.
        balance_asset_limit: Hummingbot's limits of what may be used, by exchange and asset.
        rate_limits_share_pct: share of the request limits that this connector may use, per cent.
        trading_pairs: Hummingbot's names of the pairs to follow.
        trading_required: False for public data only; then no keys are needed.
        domain: ``demo`` for the simulated exchange, anything else for the real one.
        demo_mode: trade on the simulated exchange. Without any key there is no other way to
            trade, so that is a demo too.
        backpack_balances: of the demo, see `backpack_demo_settings`.
        backpack_market: of the demo.
        backpack_fees: of the demo.
        backpack_state_file: of the demo.
        api_key: short form of `backpack_api_key`.
        api_secret: short form of `backpack_api_secret`.
        client_config_map: what older versions of Hummingbot pass in place of the two limits.

    Raises:
        CredentialsError: the keys cannot work; the message says why.
        ValueError: a setting of the demo makes no sense; the message says which.
    """

    market_type = MarketType.SPOT

    def __init__(
        self,
        backpack_api_key: str = "",
        backpack_api_secret: str = "",
        balance_asset_limit: dict[str, dict[str, Decimal]] | None = None,
        rate_limits_share_pct: Decimal = Decimal(100),
        trading_pairs: list[str] | None = None,
        trading_required: bool = True,
        domain: str = DEFAULT_DOMAIN,
        demo_mode: bool | str | None = False,
        *,
        backpack_balances: str = "",
        backpack_market: str = "",
        backpack_fees: str = "",
        backpack_state_file: str = "",
        api_key: str = "",
        api_secret: str = "",
        client_config_map: Any = None,  # noqa: ANN401 (Hummingbot's ClientConfigMap)
    ) -> None:
        if client_config_map is not None:
            balance_asset_limit = client_config_map.balance_asset_limit
            rate_limits_share_pct = client_config_map.rate_limits_share_pct
        api_key = (backpack_api_key or api_key).strip()
        api_secret = (backpack_api_secret or api_secret).strip()
        is_demo = domain == DEMO_DOMAIN or str(demo_mode).lower() not in _NO
        has_keys = bool(api_key or api_secret)
        environment: Environment
        if trading_required and (is_demo or not has_keys):
            # Only a demo needs the simulator, so only a demo pays for importing it.
            from .backpack_demo import own_demo, shared_demo  # noqa: PLC0415

            settings = DemoSettings.parse(
                backpack_balances, backpack_market, backpack_fees, backpack_state_file
            )
            # Asked for in a program each connector has its own; from Hummingbot's configuration,
            # where there is no such wish, all of one configuration are one account.
            choose = own_demo if str(demo_mode).lower() not in _NO else shared_demo
            trading_pairs = [] if trading_pairs is None else trading_pairs
            demo = choose(settings, outside_environment(), trading_pairs, self.logger())
            environment, api_key, api_secret = demo, demo.api_key, demo.api_secret
            self.logger().warning(
                "Backpack demo: no order goes to the real exchange, and the money is not real."
            )
        else:
            # Without orders there is nothing to simulate: public data are those of the exchange.
            environment = outside_environment()
            if is_demo:
                api_key = api_secret = ""
        self._connector_name = DEMO_NAME if domain == DEMO_DOMAIN else EXCHANGE_NAME
        super().__init__(
            environment=environment,
            api_key=api_key,
            api_secret=api_secret,
            trading_pairs=trading_pairs,
            trading_required=trading_required,
            balance_asset_limit=balance_asset_limit,
            rate_limits_share_pct=Decimal(str(rate_limits_share_pct)),
        )

    @property
    @override
    def name(self) -> str:
        return self._connector_name
