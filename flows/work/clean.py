"""Free the disk of what no recent commit and no recent run uses."""

import subprocess
import sys
from datetime import date, timedelta

from tasks.cache.unused import unused
from tasks.errors import UserError


def clean(days: int, *, apply: bool) -> None:
    """Say, and with `apply` remove, what is unused in the task cache and in DVC's cache."""
    found = unused(days)
    print(
        f".cache: {len(found.objects)} products and {len(found.records)} records of work that was "
        f"not used for {days} days; {found.size / 1e9:.2f} GB"
    )
    if apply:
        found.remove()
    since = (date.today() - timedelta(days=days)).isoformat()
    print(f".dvc/cache, but for the working tree and the commits since {since}:", flush=True)
    command = [sys.executable, "-m", "dvc", "gc", "--workspace", "--force", "--date", since]
    if subprocess.run([*command, *([] if apply else ["--dry"])]).returncode:
        raise UserError("DVC's cache stays as it is: see above")
    if not apply:
        print("Nothing was removed: --apply does it")
