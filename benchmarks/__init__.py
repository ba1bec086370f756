"""Measurements against what people would do otherwise, side by side in one run.

    python -m benchmarks [NAME...]    # or: make bench

Each module with a function `rows` is a benchmark and runs alone too: `python -m benchmarks.NAME`.
`benchmarks.differences` is another thing: it measures a test, and writes docs/differences.md.
"""
