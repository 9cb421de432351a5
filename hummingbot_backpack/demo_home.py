"""Where a demo keeps its Hummingbot home."""

import contextlib
import fcntl
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hummingbot_backpack import home
from hummingbot_backpack.demo_processes import DemoError

_MARKER = "demo.lock"


@contextlib.contextmanager
def demo_home(chosen: Path | None) -> Iterator[Path]:
    """A home of the demo's own: nobody's keys are in danger, and only one demo uses it at a time.

    Args:
        chosen: a new or empty folder, or one of an earlier demo; ``None`` makes a temporary one,
            which the caller removes.

    Raises:
        DemoError: the folder cannot be written, or belongs to somebody else or to a demo that runs.
        HomeError: it cannot be made a home.
    """
    if chosen is None:
        folder = Path(tempfile.mkdtemp(prefix="backpack-demo-")).resolve()
    else:
        folder = chosen.expanduser().resolve()
        if folder.is_dir() and any(folder.iterdir()) and not (folder / _MARKER).is_file():
            raise DemoError(
                f"{folder} is not empty and was not made by the demo. Choose a new folder: the "
                "demo stores keys of its own for the connector."
            )
    try:
        folder = home.prepare(folder)
    except OSError as e:
        raise DemoError(f"{folder} cannot be made a Hummingbot home: {e.strerror or e}.") from e
    with (folder / _MARKER).open("w") as marker:
        try:
            fcntl.flock(marker, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"Another demo is running in {folder}. Choose another folder."
            ) from None
        yield folder
