"""Open Hummingbot's interactive client.

Runs inside a Hummingbot home (see ``home``), as ``python -m hummingbot_backpack.client`` with the
home as working directory: a pip installation has no script of its own that does this.
"""

import asyncio
import sys

from hummingbot.client.config.client_config_map import ClientConfigMap
from hummingbot.client.config.config_crypt import BaseSecretsManager, ETHKeyFileSecretManger
from hummingbot.client.config.config_helpers import load_client_config_map_from_file
from hummingbot.client.runner import bootstrap_application
from hummingbot.client.ui import login_prompt
from hummingbot.client.ui.style import load_style


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
    await application.run()


if __name__ == "__main__":
    sys.exit(main())
