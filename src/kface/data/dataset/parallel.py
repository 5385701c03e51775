"""Runs the chunks of a data set on all cores or a cluster. Adapts joblib and its backends."""

import contextlib
from collections.abc import Iterator
from types import ModuleType

from kface.data.dataset.extract import Chunk, Extracted, extract
from kface.errors import ConfigError, DatasetError, KFaceError
from kface.text import first_line
from kface.workers import backend_of


@contextlib.contextmanager
def results_of(chunks: Iterator[Chunk], jobs: int, backend: str) -> Iterator[Iterator[Extracted]]:
    """Give the results of the chunks, in the order in which they finish, from any joblib backend."""
    if jobs == 1 and backend == "loky":
        yield map(extract, chunks)
        return
    import joblib

    _register(backend)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(backend_of(backend, jobs))
        except (ValueError, ImportError) as error:
            raise ConfigError(f"cannot be used by joblib ({error})", backend, "backend=loky works everywhere")
        try:
            parallel = joblib.Parallel(return_as="generator_unordered", pre_dispatch="2*n_jobs", batch_size=1)
        except ValueError:
            # Spark's backend hands over nothing before everything is done: give it little at a time.
            yield _guarded(_waves(chunks, joblib))
            return
        results = parallel(joblib.delayed(extract)(chunk) for chunk in chunks)
        try:
            yield _guarded(results)
        finally:
            results.close()


def _register(backend: str) -> None:
    """Make a cluster's backend known to joblib, and connect to the cluster where that is a step of its own.

    Ray and Spark connect by their own settings (RAY_ADDRESS, spark-defaults); Dask by DASK_SCHEDULER_ADDRESS, else to a
    cluster of its own on this machine.
    """
    try:
        if backend == "ray":
            from ray.util.joblib import register_ray

            register_ray()
        elif backend == "spark":
            from joblibspark import register_spark

            register_spark()
        elif backend == "dask":
            from distributed import Client

            Client(set_as_default=True)
    except ImportError as error:
        package = {"ray": "ray", "spark": "joblibspark", "dask": "distributed"}[backend]
        raise ConfigError(f"is not installed here ({error})", "backend=" + backend, f"pip install {package}")


def _waves(chunks: Iterator[Chunk], joblib: ModuleType) -> Iterator[Extracted]:
    size = 4 * max(joblib.effective_n_jobs(), 1)
    wave: list[Chunk] = []
    for chunk in chunks:
        wave.append(chunk)
        if len(wave) == size:
            for done in joblib.Parallel()(joblib.delayed(extract)(chunk) for chunk in wave):
                yield done
            wave = []
    for done in joblib.Parallel()(joblib.delayed(extract)(chunk) for chunk in wave):
        yield done


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
