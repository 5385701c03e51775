"""The arithmetic peak of one core: multiplications with additions a second, in the widest vectors that the kernels use here."""

import subprocess
import tempfile
from pathlib import Path

from kface.native.build import find_compiler

#: 12 independent sums keep both units of a core busy at any latency up to 6 cycles. In assembler: compilers see through it.
_SOURCE = r"""
#include <immintrin.h>
#include <cstdio>
#include <ctime>
#define EACH(F) F(0) F(1) F(2) F(3) F(4) F(5) F(6) F(7) F(8) F(9) F(10) F(11)
#define ADD(N) __asm__ volatile("vfmadd231ps %1, %1, %0" : "+@CONSTRAINT@"(sums[N]) : "@CONSTRAINT@"(factor));
int main() {
    @VECTOR@ sums[12] = {}, factor = {};
    double best = 1e9;
    for (int turn = 0; turn < 20; ++turn) {
        timespec begin, end;
        clock_gettime(CLOCK_MONOTONIC, &begin);
        for (long index = 0; index < 10000000; ++index) { EACH(ADD) }
        clock_gettime(CLOCK_MONOTONIC, &end);
        const double took = end.tv_sec - begin.tv_sec + 1e-9 * (end.tv_nsec - begin.tv_nsec);
        if (took < best) best = took;
    }
    std::printf("%.3f", 12.0 * (sizeof factor / 4) * 1e7 / best / 1e9);
}
"""
_VECTORS = {"avx512": ("__m512", "v", "-mavx512f"), "avx2": ("__m256", "x", "-mfma")}


def peak(variant: str) -> float | None:
    """Return the peak in 10^9 multiplications with additions a second; None where it cannot be measured here.

    Args:
        variant: "avx512" or "avx2".
    """
    compiler = find_compiler()
    if compiler is None or variant not in _VECTORS:
        return None
    vector, constraint, flag = _VECTORS[variant]
    with tempfile.TemporaryDirectory() as folder:
        source, program = Path(folder) / "peak.cpp", Path(folder) / "peak"
        source.write_text(_SOURCE.replace("@VECTOR@", vector).replace("@CONSTRAINT@", constraint))
        made = subprocess.run(
            [compiler, "-O2", flag, str(source), "-o", str(program)], capture_output=True, check=False
        )
        if made.returncode:
            return None
        return float(subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout)
