"""The file of an evaluation in progress: a header that says what is being judged, then one line per finished episode."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError, DataError
from praxia.evaluate.rollout import Record
from praxia.registry import to_json


class RecordFile:
    """Append-only JSONL. A line is on disk when `append` returns; a line cut short by a kill is dropped when read again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.header: dict[str, Any] | None = None
        self.records: dict[int, Record] = {}
        if path.exists():
            self._read()

    def _read(self) -> None:
        lines = self.path.read_bytes().split(b"\n")
        lines, rest = lines[:-1], lines[-1]  # what follows the last line feed was never finished
        if rest:
            self.path.write_bytes(b"".join(line + b"\n" for line in lines))
        for number, line in enumerate(lines):
            try:
                value = json.loads(line)
                if number:
                    self.records[value["index"]] = Record(**value)
                else:
                    self.header = value["header"]
            except (ValueError, KeyError, TypeError) as error:
                raise DataError(f"{self.path}, line {number + 1} is damaged ({error}); fix: delete the file and evaluate again") from error

    def begin(self, header: dict[str, Any]) -> None:
        """Write the header, or compare it with the one that is there if episodes follow it. ConfigError names the first field that differs."""
        header = json.loads(json.dumps(to_json(header)))
        if self.header is None or not self.records:
            self.path.unlink(missing_ok=True)
            self.header = header
            self._append({"header": header})
            return
        for field in (*header, *self.header):
            if header.get(field) != self.header.get(field):
                was, now = _short(self.header.get(field)), _short(header.get(field))
                raise ConfigError(
                    f"{self.path} belongs to another evaluation: its {field} is {was}, now it is {now}; "
                    "fix: choose another output folder, or delete this file to start again"
                )

    def append(self, record: Record) -> None:
        """Add one finished episode."""
        self.records[record.index] = record
        self._append(asdict(record))

    def _append(self, value: dict[str, Any]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab") as file:
            file.write(json.dumps(value, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 300 else text[:300] + " ..."
