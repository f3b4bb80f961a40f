"""A pool that a test may harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from daemons import own_pool


@pytest.fixture
def own_htcondor(htcondor_pool: Path) -> Iterator[Path]:
    """A pool that may be harmed, with static slots."""
    with own_pool(htcondor_pool, "--slots", "4") as folder:
        yield folder
