"""Loopback is reached by no proxy, whatever the environment says of proxies.

A Prefect server listens there, and the libraries that ask it would ask a proxy for it. What is
elsewhere is still reached as the environment has it.
"""

import os
from urllib.request import getproxies_environment

NAMES = ("localhost", "127.0.0.1", "::1")


def spare_loopback() -> None:
    """Add loopback to what this process, and those that it starts, reach by no proxy."""
    listed = getproxies_environment().get("no", "")  # of no_proxy, in any spelling
    if listed.strip() != "*":
        new = [name for name in NAMES if name not in listed.split(",")]
        # Libraries differ in which spelling they prefer.
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, [listed, *new]))
