"""A world outside for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.outside import Outside, outside


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[Outside]:
    """DNS, an authority, and servers as they are needed."""
    async with outside(tmp_path) as made:
        yield made
