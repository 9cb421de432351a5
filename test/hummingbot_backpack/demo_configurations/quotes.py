"""A controller as users write them: a level on each side, closed by MARKET after some seconds."""

from hummingbot.strategy_v2.controllers.market_making_controller_base import (
    MarketMakingControllerBase,
    MarketMakingControllerConfigBase,
)
from hummingbot.strategy_v2.executors.position_executor.data_types import PositionExecutorConfig


class QuotesConfig(MarketMakingControllerConfigBase):
    controller_name: str = "quotes"


class Quotes(MarketMakingControllerBase):
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
