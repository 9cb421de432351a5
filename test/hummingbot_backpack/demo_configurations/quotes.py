"""A controller as users write them: a level on each side, closed by MARKET after some seconds.

It looks at candles, as most controllers do, and says what it sees in the status.
"""

from hummingbot.data_feed.candles_feed.data_types import CandlesConfig
from hummingbot.strategy_v2.controllers.market_making_controller_base import (
    MarketMakingControllerBase,
    MarketMakingControllerConfigBase,
)
from hummingbot.strategy_v2.executors.position_executor.data_types import PositionExecutorConfig


class QuotesConfig(MarketMakingControllerConfigBase):
    controller_name: str = "quotes"


class Quotes(MarketMakingControllerBase):
    def get_candles_config(self):
        pair = self.config.trading_pair
        return [
            CandlesConfig(connector=name, trading_pair=pair, interval="1m", max_records=30)
            for name in ("backpack", self.config.connector_name)
        ]

    def to_format_status(self):
        lines = []
        for config in self.get_candles_config():
            candles = self.market_data_provider.get_candles_df(
                config.connector, config.trading_pair, config.interval, config.max_records
            )
            close = f"{candles['close'].iloc[-1]:.2f}" if len(candles) else "none"
            lines.append(f"candles of {config.connector}: {len(candles)}, last close {close}")
        return lines

    def get_executor_config(self, level_id, price, amount):
        return PositionExecutorConfig(
            timestamp=self.market_data_provider.time(),
            level_id=level_id,
            connector_name=self.config.connector_name,
            trading_pair=self.config.trading_pair,
            entry_price=price,
            amount=amount,
            triple_barrier_config=self.config.triple_barrier_config,
            side=self.get_trade_type_from_level_id(level_id),
        )
