"""Benchmarks, such as `make bench`: speed is measured here, side by side, and never in a test."""
