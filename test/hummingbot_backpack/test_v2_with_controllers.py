"""The script that runs V2 controllers: switches, losses, perpetuals; hbot's tests trade with it."""

from decimal import Decimal
from types import SimpleNamespace

import pytest

from hummingbot.connector.markets_recorder import MarketsRecorder
from hummingbot.strategy_v2.models.base import RunnableStatus
from hummingbot.strategy_v2.models.executors_info import PerformanceReport
from hummingbot_backpack.v2_with_controllers import V2WithControllers, V2WithControllersConfig


class Controller:
    """As much of one as the script deals with."""

    def __init__(self, **config):
        self.config = SimpleNamespace(manual_kill_switch=False, **config)
        self.status = RunnableStatus.RUNNING

    def start(self):
        self.status = RunnableStatus.RUNNING

    def stop(self):
        self.status = RunnableStatus.TERMINATED


class Runner(V2WithControllers):
    """Ticks without a market; notes what is asked of executors and connectors."""

    def __init__(self, controllers, **limits):
        super().__init__({}, V2WithControllersConfig(**limits))
        self.controllers = controllers
        self.stopped, self.set = [], []
        self.executor_orchestrator = SimpleNamespace(execute_action=self.stopped.append)

    def set_leverage(self, *arguments):
        self.set.append(arguments)

    set_position_mode = set_leverage

    def look(self, **profits):
        """One tick with these profits; returns who still runs."""
        executors = [
            SimpleNamespace(id="e1", is_active=True),
            SimpleNamespace(id="e2", is_active=False),
        ]
        self.controller_reports = {
            name: {
                "performance": PerformanceReport(global_pnl_quote=Decimal(profit)),
                "executors": executors,
            }
            for name, profit in profits.items()
        }
        self._follow_switches()
        self._limit_losses()
        running = RunnableStatus.RUNNING
        return {name for name, c in self.controllers.items() if c.status == running}


class Recorder:
    """A data base in which nothing is yet."""

    def get_all_executors(self):
        return []

    def get_all_positions(self):
        return []


@pytest.fixture(autouse=True)
async def _empty_data_base(monkeypatch):
    """Also a loop for the constructors."""
    monkeypatch.setattr(MarketsRecorder, "_shared_instance", Recorder())


@pytest.fixture
async def run():
    """A runner of the controllers ``a`` and ``b``."""
    return lambda **limits: Runner({"a": Controller(), "b": Controller()}, **limits)


async def test_a_controller_follows_its_switch(run):
    runner = run()
    assert runner.look(a=0, b=0) == {"a", "b"}
    runner.controllers["a"].config.manual_kill_switch = True
    assert runner.look(a=0, b=0) == {"b"}
    assert [(a.controller_id, a.executor_id) for a in runner.stopped] == [("a", "e1")]
    assert runner.look(a=0, b=0) == {"b"}
    assert len(runner.stopped) == 1
    runner.controllers["a"].config.manual_kill_switch = False
    assert runner.look(a=0, b=0) == {"a", "b"}


async def test_without_a_limit_any_loss_is_allowed(run):
    assert run().look(a=-(10**9), b=0) == {"a", "b"}


async def test_a_controller_that_falls_too_far_from_its_highest_is_stopped_for_good(run):
    runner = run(max_controller_drawdown_quote=Decimal(5))
    assert runner.look(a=10, b=-5) == {"a", "b"}
    assert runner.look(a=5, b=-10) == {"a", "b"}
    assert runner.look(a="4.99", b=-10) == {"b"}
    assert runner.look(a=100, b=-10) == {"b"}


async def test_all_are_stopped_when_together_they_fall_too_far(run):
    runner = run(max_global_drawdown_quote=Decimal(5))
    assert runner.look(a=3, b=4) == {"a", "b"}
    assert runner.look(a=-3, b=5) == {"a", "b"}
    assert runner.look(a=-3, b="4.99") == set()
    assert runner.look(a=10, b=10) == set()


async def test_leverage_and_position_mode_are_set_for_perpetuals_only():
    spot = Controller(connector_name="backpack", trading_pair="SOL-USDC", leverage=2)
    perpetual = Controller(
        connector_name="x_perpetual", trading_pair="SOL-USDC", leverage=3, position_mode="HEDGE"
    )
    runner = Runner({"spot": spot, "perpetual": perpetual, "other": Controller()})
    runner.apply_initial_setting()
    assert runner.set == [("x_perpetual", "HEDGE"), ("x_perpetual", "SOL-USDC", 3)]
