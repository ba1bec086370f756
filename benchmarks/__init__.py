"""Measurements against what people would do otherwise, side by side in one run.

    python -m benchmarks [NAME...]    # or: make bench

Each module with a function `rows` is a benchmark and runs alone too: `python -m benchmarks.NAME`.
"""
