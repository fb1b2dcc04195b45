"""Python reads this at its start in the environments of test_lineage.py.

The OpenLineage provider sends the events of DAG runs from a pool of processes, which the scheduler forks while it has the database
open. MWAA's PostgreSQL allows that, SQLite does not: the child believes that it holds its parent's locks, reads what is being
written, and says "database disk image is malformed". So here the pool's processes are started anew.
"""

import concurrent.futures.process as process
import functools
import multiprocessing

_make = process.ProcessPoolExecutor.__init__


@functools.wraps(_make)
def _make_without_fork(self, max_workers=None, mp_context=None, *arguments, **named):
    _make(self, max_workers, mp_context or multiprocessing.get_context("spawn"), *arguments, **named)


process.ProcessPoolExecutor.__init__ = _make_without_fork
