"""Let the demo of a home begin anew: take away the file that keeps its balances and orders."""

import os
from pathlib import Path

import yaml  # type: ignore[import-untyped] # comes with Hummingbot, without types

_CONFIGURATION = "conf/connectors/backpack_demo.yml"
_FIELD = "backpack_demo_state_file"


class ResetError(Exception):
    """The demo cannot be reset now; the message says why and what to do."""


def reset(home: Path) -> str:
    """Delete the state file that ``connect backpack_demo`` was given.

    Args:
        home: prepared Hummingbot home.

    Returns:
        What was done, for the person who asked.

    Raises:
        ResetError: a demo uses the file, or it cannot be deleted.
    """
    # Here, because it loads the simulator.
    from hummingbot.connector.exchange.backpack.simulator.state_file import (
        StateFile,
        StateFileError,
    )

    path = _configured(home)
    if path is None:
        return (
            "The demo of this home keeps no state file: every start begins anew. "
            "`connect backpack_demo` asks for one."
        )
    if not path.is_file():
        return f"There is no {path} yet: the next start of the demo begins anew."
    file = StateFile(path)
    try:
        file.acquire()
        path.unlink(missing_ok=True)
    except StateFileError as e:
        raise ResetError(f"{e} Nothing was deleted.") from e
    except OSError as e:
        raise ResetError(f"{path} cannot be deleted: {e.strerror or e}") from e
    finally:
        file.release()
    return f"Deleted {path}. The next start of the demo begins with its starting balances."


def _configured(home: Path) -> Path | None:
    """Place of the state file, as a bot that runs in the home finds it."""
    try:
        configuration = yaml.safe_load((home / _CONFIGURATION).read_text())
    except FileNotFoundError:
        return None
    except (OSError, yaml.YAMLError) as e:
        raise ResetError(f"{home / _CONFIGURATION} cannot be read: {e}") from e
    text = configuration.get(_FIELD) if isinstance(configuration, dict) else None
    if not text or not str(text).strip():
        return None
    return Path(os.path.normpath(home / Path(str(text).strip()).expanduser()))
