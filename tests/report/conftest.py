"""A fresh run folder and content for each test."""

from pathlib import Path

import pytest
from tests.report.contents import everything, write_run

from praxia.report import ReportContent


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "my_run")


@pytest.fixture
def content() -> ReportContent:
    return everything()
