"""Compiles the native kernels into wheels; everything else about the package is in pyproject.toml.

Where there is no compiler the wheel is one for every machine, without them: kface then computes the same in numpy.
"""

import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))

from kface.native.build import compile_to, find_compiler
from kface.native.loading import BESIDE


class BuildWithKernels(build_py):
    """Also compiles the kernels, beside the module that loads them."""

    def run(self) -> None:
        """Copy the modules, then compile."""
        super().run()
        if not self.editable_mode and find_compiler() is not None:
            compile_to(Path(self.build_lib) / "kface" / "native" / BESIDE)


class WheelOfMachine(bdist_wheel):
    """A wheel for this kind of machine, and for any Python: the kernels do not use Python's interface."""

    def get_tag(self) -> tuple[str, str, str]:
        """Return the tags for Python, its interface and the machine."""
        _, _, machine = super().get_tag()
        return "py3", "none", machine


class MachineDistribution(Distribution):
    """Has machine code where there is a compiler."""

    def has_ext_modules(self) -> bool:
        """Return whether a wheel of it fits one kind of machine only."""
        return find_compiler() is not None


setup(distclass=MachineDistribution, cmdclass={"build_py": BuildWithKernels, "bdist_wheel": WheelOfMachine})
