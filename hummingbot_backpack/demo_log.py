"""What the logs of a demo tell: tracebacks, errors, warnings, and keys that must not be there."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

_TRACEBACK = "Traceback (most recent call last):"
# Hummingbot's lines are "time - process - logger - LEVEL - text", the exchange's "time LEVEL
# logger: text".
_ENTRY = re.compile(
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d+"
    r"(?: - \d+ - (?P<logger>\S+) - (?P<level>[A-Z_]+) - | (?P<level2>[A-Z]+) \S+: )(?P<text>.*)"
)
# Of orders, mostly.
_ID = re.compile(r"\b\w*\d{6,}\w*\b|\b[A-Za-z]*[0-9a-f]{16,}\b")
_ERRORS = {"ERROR", "CRITICAL"}
_LONGEST = 300


@dataclass(slots=True)
class LogReport:
    """What a person would be worried by.

    Attributes:
        tracebacks: how many.
        errors: texts of entries of level ERROR and above.
        warnings: texts of entries of level WARNING.
    """

    tracebacks: int = 0
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def read(self, lines: Iterable[str]) -> None:
        """Add the lines of a log."""
        for line in lines:
            # Also of a chained exception, which counts as one of its own.
            self.tracebacks += line.strip() == _TRACEBACK
            entry = _ENTRY.match(line)
            if entry is None:
                continue
            level, text = entry["level"] or entry["level2"], entry["text"].strip()[:_LONGEST]
            if level in _ERRORS:
                self.errors.append(text)
            elif level == "WARNING":
                self.warnings.append(text)


def digest(texts: Iterable[str]) -> list[str]:
    """Texts with what is different each time left out, the same ones told once, with their number.

    The most frequent come first.
    """
    counts = Counter(_ID.sub("...", text) for text in texts)
    return [f"{text} ({n} times)" if n > 1 else text for text, n in counts.most_common()]


def report_of(files: Iterable[Path]) -> LogReport:
    """Read logs; a file that does not exist has nothing to tell."""
    report = LogReport()
    for file in files:
        if file.is_file():
            with file.open(encoding="utf-8", errors="replace") as lines:
                report.read(lines)
    return report


def files_with(secrets: Iterable[str], folders: Iterable[Path]) -> Iterator[Path]:
    """Files below some folders in which one of the secrets can be read."""
    wanted = [secret.encode() for secret in secrets]
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                content = file.read_bytes()
                if any(secret in content for secret in wanted):
                    yield file
