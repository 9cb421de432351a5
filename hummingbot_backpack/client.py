"""Open Hummingbot's interactive client.

Runs inside a Hummingbot home (see ``home``), as ``python -m hummingbot_backpack.client`` with the
home as working directory: a pip installation has no script of its own that does this.
"""

import asyncio
import signal
import sys

from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_crypt import BaseSecretsManager, ETHKeyFileSecretManger
from hummingbot.client.config.config_helpers import load_client_config_map_from_file
from hummingbot.client.hummingbot_application import HummingbotApplication
from hummingbot.client.runner import bootstrap_application
from hummingbot.client.ui import login_prompt
from hummingbot.client.ui.style import load_style
from hummingbot.user.user_balances import UserBalances
from hummingbot_backpack import demo_note


def main() -> int:
    """Ask for the password, then run the client until the person leaves it.

    Returns:
        0, or 1 when no password was given.
    """
    config = load_client_config_map_from_file()
    secrets_manager = login_prompt(ETHKeyFileSecretManger, style=load_style(config))
    if secrets_manager is None:
        return 1
    asyncio.run(_run(config, secrets_manager))
    return 0


async def _run(config: ClientConfigMap, secrets_manager: BaseSecretsManager) -> None:
    application = await bootstrap_application(config, secrets_manager)
    if application is None:  # cannot happen after login_prompt, which checks the password
        raise RuntimeError("Hummingbot refused the password.")
    _name_demo_money(application)
    _stop_mqtt_only_where_it_runs(application)
    _exit_when_told_to_end(application)
    await application.run()


def _name_demo_money(application: HummingbotApplication) -> None:
    """Have ``status`` and ``balance`` tell a demo, as Hummingbot's ``status`` tells paper trading.

    A connector that is named ``backpack`` and trades without keys is not told by its name.
    """
    strategy_status, show_balances = application.strategy_status, application.show_balances

    async def marked_status(*, live: bool = False) -> str:
        note = demo_note.note_for(application.trading_core.markets.values())
        status = await strategy_status(live=live)
        return f"\n  {note}\n{status}" if note else status

    async def marked_balances() -> None:
        await show_balances()
        note = demo_note.note_for(UserBalances.instance()._markets.values())  # noqa: SLF001
        if note:
            application.notify(f"\n{note}")

    application.strategy_status = marked_status
    application.show_balances = marked_balances


def _exit_when_told_to_end(application: HummingbotApplication) -> None:
    """Take SIGTERM for the command ``exit``, as a bot of hbot does; a second one ends at once.

    Without this the process would just be gone, its orders left in the market and the terminal left
    as the client had it.
    """
    loop = asyncio.get_running_loop()

    def leave() -> None:
        loop.remove_signal_handler(signal.SIGTERM)
        application.exit()

    loop.add_signal_handler(signal.SIGTERM, leave)


def _stop_mqtt_only_where_it_runs(application: HummingbotApplication) -> None:
    """Hummingbot's ``exit`` stops a bridge that was never started, and logs that as an error."""
    mqtt_stop = application.mqtt_stop

    def stop() -> None:
        if application._mqtt is not None:  # noqa: SLF001
            mqtt_stop()

    application.mqtt_stop = stop


if __name__ == "__main__":
    sys.exit(main())
