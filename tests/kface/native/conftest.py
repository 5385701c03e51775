"""The compiled kernels and their reference."""

import pytest
from native_tools import built

from kface.native.reference import ReferenceKernels


@pytest.fixture(scope="session")
def compiled_and_path(tmp_path_factory):
    """The compiled kernels, built once, and their file."""
    return built(tmp_path_factory)


@pytest.fixture(scope="session")
def compiled(compiled_and_path):
    """The compiled kernels."""
    return compiled_and_path[0]


@pytest.fixture(scope="session")
def reference():
    """The kernels in numpy and OpenCV."""
    return ReferenceKernels()


@pytest.fixture(params=["compiled", "reference"])
def either(request):
    """Each of the two in turn."""
    return request.getfixturevalue(request.param)
