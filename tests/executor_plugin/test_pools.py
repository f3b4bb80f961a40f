"""What a run asks of its pools together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from gitbatch_core.errors import RunError
from gitbatch_core.pools.local.pool import LocalPool
from snakemake_executor_plugin_gitbatch.run.pools import Pools


class Reluctant(LocalPool):
    """A pool whose jobs take their time to end."""

    def __init__(self, *, are_gone: bool) -> None:
        super().__init__(cores=1)
        self.are_gone = are_gone
        self.cancelled: list[int] = []

    def cancel(self, numbers: Iterable[int] | None = None) -> bool:
        self.cancelled += numbers or ()
        return super().cancel(numbers) and self.are_gone


@pytest.fixture(params=[True, False])
def pool(request: pytest.FixtureRequest) -> Iterator[Reluctant]:
    pool = Reluctant(are_gone=request.param)
    yield pool
    pool.close()


def test_no_job_starts_beside_one_that_writes_the_same(pool: Reluctant) -> None:
    pools = Pools(main=pool, local_cores=1)
    pools.end_rivals(())
    assert pool.cancelled == []
    if pool.are_gone:
        pools.end_rivals((3, 5))
    else:
        with pytest.raises(RunError, match=r"numbers 3, 5\), and they have not ended yet"):
            pools.end_rivals((3, 5))
    assert pool.cancelled == [3, 5]
