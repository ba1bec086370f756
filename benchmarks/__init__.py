"""Measurements against what people would do otherwise, side by side in one run.

    python -m benchmarks [NAME...]    # or: make bench

Each module with a function `rows` is a benchmark.
`benchmarks.differences` and `benchmarks.intervals` are another thing: they measure how often tests
and intervals are right, and fill in the tables of docs/differences.md and docs/intervals.md.
"""
