"""How a command ends where something is wrong that its user can mend."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from tasks.errors import UserError
from tasks.process import out_of_memory


@contextmanager
def told(
    name: str, errors: tuple[type[Exception], ...] = (UserError,), code: int = 1
) -> Iterator[None]:
    """Where the block raises one of `errors`, print `NAME: what is wrong` and exit with `code`.

    So too where a file cannot be read or written, memory runs out, or whoever reads what is printed
    has had enough.
    """
    try:
        yield
        sys.stdout.flush()
    except errors as error:
        said = f"{name}: {error}"
    except BrokenPipeError:
        # Python flushes once more when it ends, and would complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(code) from None
    except OSError as error:
        if error.filename is None:
            raise
        said = f"{name}: {error.filename}: {error.strerror}"
    except MemoryError as error:
        said = f"{name}: {out_of_memory(error)}"
    else:
        return
    print(said, file=sys.stderr)
    raise SystemExit(code)
