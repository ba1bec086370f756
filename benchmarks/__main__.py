"""Run benchmarks: see the package."""

import typer

from benchmarks.run import main

typer.run(main)
