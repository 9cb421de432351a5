"""The spot connector, under the name of the one that Hummingbot ships."""

import sys
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, override

from hummingbot.core.network_iterator import NetworkStatus

from .backpack_connector_base import BackpackConnectorBase
from .backpack_constants import DEFAULT_DOMAIN, DEMO_DOMAIN, DEMO_NAME, EXCHANGE_NAME
from .backpack_demo_settings import DemoSettings
from .backpack_environments import Environment, outside_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from .backpack_demo import DemoEnvironment

# How Hummingbot's configuration writes a question answered with no.
_NO = frozenset({"", "0", "false", "n", "no", "none", "off"})


class BackpackExchange(BackpackConnectorBase):
    """Backpack's spot markets.

    Args:
        backpack_api_key: public key, base64.
        backpack_api_secret: private key, base64.
        balance_asset_limit: Hummingbot's limits of what may be used, by exchange and asset.
        rate_limits_share_pct: share of the request limits that this connector may use, per cent;
            ``None`` for what the running client's configuration says.
        trading_pairs: Hummingbot's names of the pairs to follow.
        trading_required: False for public data only; then no keys are needed, and without the
            domain ``demo`` they are those of the real exchange.
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

    def __init__(
        self,
        backpack_api_key: str = "",
        backpack_api_secret: str = "",
        balance_asset_limit: dict[str, dict[str, Decimal]] | None = None,
        rate_limits_share_pct: Decimal | None = None,
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
        wants_own = str(demo_mode).lower() not in _NO
        is_demo = domain == DEMO_DOMAIN or wants_own or not (api_key or api_secret)
        self._connector_name = DEMO_NAME if domain == DEMO_DOMAIN else EXCHANGE_NAME
        self._make_demo_account: Callable[[], BackpackExchange] | None = None
        self._demo_account: BackpackExchange | None = None
        self._demo: DemoEnvironment | None = None
        environment: Environment = outside_environment()
        if is_demo:
            api_key = api_secret = ""
            settings = DemoSettings.parse(
                backpack_balances, backpack_market, backpack_fees, backpack_state_file
            )
            if trading_required or domain == DEMO_DOMAIN:
                # Only a demo needs the simulator, so only a demo pays for importing it.
                from .backpack_demo import demo_logger, own_demo, shared_demo  # noqa: PLC0415

                # Asked for in a program each connector has its own; from Hummingbot's
                # configuration, where there is no such wish, all of one configuration are one
                # account.
                choose = own_demo if wants_own else partial(shared_demo, is_traded=trading_required)
                trading_pairs = [] if trading_pairs is None else trading_pairs
                self.logger = demo_logger(self)  # type: ignore[method-assign]
                demo = self._demo = choose(settings, environment, trading_pairs, self.logger())
                environment, api_key, api_secret = demo, demo.api_key, demo.api_secret
            else:
                # Hummingbot's check of a connection does not ask for orders, but for balances.
                self._make_demo_account = partial(
                    BackpackExchange,
                    demo_mode=demo_mode,
                    backpack_balances=backpack_balances,
                    backpack_market=backpack_market,
                    backpack_fees=backpack_fees,
                    backpack_state_file=backpack_state_file,
                )
        super().__init__(
            environment=environment,
            api_key=api_key,
            api_secret=api_secret,
            trading_pairs=trading_pairs,
            trading_required=trading_required,
            balance_asset_limit=balance_asset_limit,
            rate_limits_share_pct=(
                _share_of_client_pct()
                if rate_limits_share_pct is None
                else Decimal(str(rate_limits_share_pct))
            ),
        )
        if environment.name == "demo":
            for part in (
                self._order_tracker,
                self.order_book_tracker,
                self._orderbook_ds,
                self._user_stream_tracker.data_source,
            ):
                part.logger = self.logger
            for source in (self._orderbook_ds, self._user_stream_tracker.data_source):
                source.stream._logger = self.logger()
            if trading_required:
                self.logger().warning(
                    "No order goes to the real exchange, and the money is not real."
                )

    @property
    @override
    def name(self) -> str:
        return self._connector_name

    @property
    def is_demo(self) -> bool:
        """Whether the balances and orders are of demo money."""
        return self.environment.name == "demo" or self._make_demo_account is not None

    @override
    async def start_network(self) -> None:
        await super().start_network()
        if self._demo is not None:
            self._demo.is_traded = self.is_trading_required

    @override
    async def stop_network(self) -> None:
        await super().stop_network()
        # A start begins with this too, and so does the loss of a connection.
        if self._demo is not None and self.network_status is NetworkStatus.STOPPED:
            self._demo.is_traded = False

    @override
    async def _update_balances(self) -> None:
        if self._make_demo_account is None:
            await super()._update_balances()
            return
        if self._demo_account is None:
            self._demo_account = self._make_demo_account()
        await self._demo_account._update_balances()
        self._account_balances.update(self._demo_account._account_balances)
        self._account_available_balances.update(self._demo_account._account_available_balances)

    @override
    async def _initialize_trading_pair_symbol_map(self) -> None:
        # One line, where the base logs a traceback for every start of a client without a network.
        try:
            markets = await self._make_trading_pairs_request()
        except Exception as e:  # noqa: BLE001 - Hummingbot counts on it that nothing comes through
            self.logger().warning(f"The market list could not be asked: {e}")
        else:
            self._initialize_trading_pair_symbols_from_exchange_info(markets)


def _share_of_client_pct() -> Decimal:
    """What the running client is configured with; all of them outside a client.

    Hummingbot hands it to connectors of a sub-domain only.
    """
    client = sys.modules.get("hummingbot.client.hummingbot_application")
    application = None if client is None else client.HummingbotApplication._main_app
    if application is None:
        return Decimal(100)
    return Decimal(str(application.client_config_map.hb_config.rate_limits_share_pct))
