"""Run V2 controllers: what ``hbot start`` puts around a configuration of ``conf/controllers``.

Hummingbot keeps the script that runs controllers, and the controllers themselves, out of its
installation. A home has this one under the name by which Hummingbot asks for it. The code of
controllers goes into the home's ``controllers`` folder; that of Hummingbot's repository fits as it
is.
"""

import os
from decimal import Decimal
from typing import override

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase
from hummingbot.strategy_v2.models.base import RunnableStatus
from hummingbot.strategy_v2.models.executor_actions import CreateExecutorAction, StopExecutorAction


class V2WithControllersConfig(StrategyV2ConfigBase):  # type: ignore[misc] # without types
    """The controllers to run, and how much they may lose.

    Attributes:
        max_global_drawdown_quote: how far the profit of all controllers together may fall from its
            highest, in the quote asset; ``None`` for any.
        max_controller_drawdown_quote: the same of each controller.
    """

    script_file_name: str = os.path.basename(__file__)  # noqa: PTH119 - Hummingbot's convention
    max_global_drawdown_quote: Decimal | None = None
    max_controller_drawdown_quote: Decimal | None = None


class V2WithControllers(StrategyV2Base):  # type: ignore[misc] # as above
    """Does what its controllers say, and stops one that is switched off or has lost too much."""

    def __init__(
        self, connectors: dict[str, ConnectorBase], config: V2WithControllersConfig
    ) -> None:
        super().__init__(connectors, config)
        self.config: V2WithControllersConfig = config
        self._highest: dict[str, Decimal] = {}  # profit by controller, in the quote asset
        self._highest_of_all = Decimal(0)
        self._lost: set[str] = set()  # controllers that are not to be started again

    @override
    def apply_initial_setting(self) -> None:
        """Set leverage and position mode where a controller trades perpetuals."""
        for controller in self.controllers.values():
            config = controller.config
            connector = getattr(config, "connector_name", "")
            if not self.is_perpetual(connector):
                continue
            if hasattr(config, "position_mode"):
                self.set_position_mode(connector, config.position_mode)
            if hasattr(config, "leverage"):
                self.set_leverage(connector, config.trading_pair, config.leverage)

    @override
    def on_tick(self) -> None:
        """Let the controllers act, then look at their switches and losses. Called every second."""
        super().on_tick()
        if not self._is_stop_triggered:
            self._follow_switches()
            self._limit_losses()

    @override
    def create_actions_proposal(self) -> list[CreateExecutorAction]:
        """Nothing: controllers send their own actions."""
        return []

    @override
    def stop_actions_proposal(self) -> list[StopExecutorAction]:
        """Nothing: controllers send their own actions."""
        return []

    @override
    def format_status(self) -> str:
        """Return what Hummingbot says of the controllers, and whether it is about demo money."""
        status: str = super().format_status()
        # A connector that says so (ours does) trades on a simulated exchange.
        demo = any(getattr(connector, "is_demo", False) for connector in self.connectors.values())
        return f"  Demo money: no order is real.\n{status}" if demo else status

    def _follow_switches(self) -> None:
        for name, controller in self.controllers.items():
            if controller.config.manual_kill_switch:
                if controller.status == RunnableStatus.RUNNING:
                    self._stop(name, "its manual_kill_switch is on")
            elif controller.status == RunnableStatus.TERMINATED and name not in self._lost:
                controller.start()

    def _limit_losses(self) -> None:
        profits = {
            name: Decimal(report.global_pnl_quote)
            for name, controller in self.controllers.items()
            if controller.status == RunnableStatus.RUNNING
            and (report := self.get_performance_report(name)) is not None
        }
        limit = self.config.max_controller_drawdown_quote
        for name, profit in profits.items():
            highest = self._highest[name] = max(profit, self._highest.get(name, profit))
            if limit is not None and highest - profit > limit:
                self._lost.add(name)
                self._stop(name, f"its profit fell by {highest - profit}")
        profit_of_all = sum(profits.values(), Decimal(0))
        self._highest_of_all = max(profit_of_all, self._highest_of_all)
        fall = self._highest_of_all - profit_of_all
        limit = self.config.max_global_drawdown_quote
        if profits and limit is not None and fall > limit:
            for name in profits.keys() - self._lost:
                self._lost.add(name)
                self._stop(name, f"the profit of all controllers fell by {fall}")

    def _stop(self, name: str, reason: str) -> None:
        self.logger().warning(f"Controller {name} is stopped: {reason}.")
        self.controllers[name].stop()
        for executor in self.get_executors_by_controller(name):
            if executor.is_active:
                self.executor_orchestrator.execute_action(
                    StopExecutorAction(controller_id=name, executor_id=executor.id)
                )
