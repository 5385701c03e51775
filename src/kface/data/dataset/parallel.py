"""Runs the chunks of a data set on all cores or a cluster. Adapts joblib and its backends."""

import contextlib
import os
from collections.abc import Iterator

from kface.data.dataset.extract import Chunk, Extracted, extract
from kface.errors import ConfigError, DatasetError, KFaceError
from kface.files import PathLike
from kface.text import first_line
from kface.workers import backend_of, check_backend


@contextlib.contextmanager
def results_of(
    chunks: Iterator[Chunk], jobs: int, backend: str, root: PathLike | None = None
) -> Iterator[Iterator[Extracted]]:
    """Give the results of the chunks, in the order in which they finish.

    Args:
        chunks: What to extract.
        jobs: Processes; -1 for one per core.
        backend: See :func:`kface.workers.backend_of`.
        root: The corpus, which the workers of a cluster must see.

    Raises:
        ConfigError: The backend cannot be used.
    """
    check_backend(backend)
    if jobs == 1 and backend == "loky":
        yield map(extract, chunks)
        return
    import joblib

    with backend_of(backend, jobs, [] if root is None else [os.path.abspath(root)]):
        try:
            parallel = joblib.Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)
        except ValueError as error:
            raise ConfigError(f"cannot be used here ({first_line(error)})", backend, "backend=loky works everywhere")
        results = parallel(joblib.delayed(extract)(chunk) for chunk in chunks)
        try:
            yield _guarded(results)
        finally:
            results.close()


def _guarded(results: Iterator[Extracted]) -> Iterator[Extracted]:
    try:
        yield from results
    except (KFaceError, OSError):
        raise
    except MemoryError:
        raise DatasetError("out of memory", "jobs", "restart with fewer jobs; finished work is kept")
    except Exception as error:
        # Each backend has its own exception for a worker that was killed.
        raise DatasetError(
            f"a worker process failed ({type(error).__name__}: {first_line(error)})",
            "jobs",
            "restart, with fewer jobs if memory ran out; finished work is kept",
        )
