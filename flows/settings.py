"""Check params.yaml: DVC, which reads it by itself, says of most mistakes only what they lead to.

python -m flows.settings
"""

import sys

from tasks.errors import UserError
from tasks.settings import load


def main() -> None:
    """Exit 1 with a line for every fault."""
    try:
        load()
    except UserError as error:
        print(error, file=sys.stderr)
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
