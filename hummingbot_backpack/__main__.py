"""Command line of the plugin: Hummingbot, run in a home of its own.

``python -m hummingbot_backpack`` and the installed command ``hummingbot-backpack`` are the same.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from hummingbot_backpack import demo_reset, home

_DESCRIPTION = """\
Run Hummingbot with the Backpack plugin in a folder of its own (the home), where it keeps
configuration, encrypted keys, logs and data.

Without a command: Hummingbot's interactive client. With a command: Hummingbot's hbot
command line, for example

  connect backpack          add API keys            balance    show balances
  create simple_pmm         make a configuration    start      run it
  status, history, logs     look at the bot         stop       stop it, cancelling orders
  --help after a command    what the command takes
"""

_EPILOG = f"""\
environment:
  {home.HOME_VARIABLE:<27} the home, when --home is not given
  HBOT_PASSWORD               password of the key store, for use without a terminal
  BACKPACK_REST_URL,
  BACKPACK_WS_URL             another exchange than the live one, for example a local one
  HUMMINGBOT_BACKPACK_DISABLE 1: use Hummingbot's built-in connector, for a comparison
"""


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Prepare the home and become Hummingbot.

    Args:
        arguments: command line without the program's name; ``None`` takes the process's own.

    Raises:
        SystemExit: with 2, when there is nothing to run, nowhere to run it, or the demo cannot be
            reset; with 0 after a reset without a command.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        folder = home.prepare(options.home)
        if options.reset_demo:
            print(demo_reset.reset(folder))
    except (home.HomeError, demo_reset.ResetError, OSError) as e:
        parser.exit(2, f"{parser.prog}: {e}\n")
    if options.reset_demo and not options.command:
        parser.exit()
    if options.command and importlib.util.find_spec("hummingbot.cli") is None:
        parser.exit(
            2,
            f"{parser.prog}: this Hummingbot has no hbot command line yet. Use the client (no "
            "command), or `pip install --upgrade hummingbot`.\n",
        )
    module = "hummingbot_backpack.hbot" if options.command else "hummingbot_backpack.client"
    os.chdir(folder)
    # Replacing the process leaves terminal, signals and exit code to Hummingbot.
    os.execve(  # noqa: S606 - no shell wanted
        sys.executable,
        [sys.executable, "-m", module, *options.command],
        home.environment(folder),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hummingbot-backpack",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--home",
        type=Path,
        default=home.default_path(),
        metavar="FOLDER",
        help="Hummingbot home, made if missing (default: %(default)s)",
    )
    parser.add_argument(
        "--reset-demo",
        action="store_true",
        help="delete the state file of `backpack_demo`, so that its balances begin anew; refused "
        "while a demo uses it; with a command, before that",
    )
    parser.add_argument(
        "command",
        nargs=argparse.REMAINDER,
        metavar="command ...",
        help="a command of Hummingbot's hbot and its arguments",
    )
    return parser


if __name__ == "__main__":
    main()
