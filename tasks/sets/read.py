"""Read `data/sets/<name>.yaml`."""

from pathlib import Path

from tasks.errors import unknown
from tasks.sets.dataset import Dataset
from tasks.yaml import SettingsError, read

SETS = Path("data/sets")


def described_sets(folder: Path = SETS) -> list[str]:
    """Return the names of the data sets that are described."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def read_set(name: str, folder: Path = SETS) -> Dataset:
    """Return the description of the data set `name`.

    Raises SettingsError when there is none, or as `tasks.yaml.read` does.
    """
    if name not in (known := described_sets(folder)):
        raise SettingsError(
            f"{unknown('data set', name, known)}. `python -m flows.data new` describes another in "
            f"{folder}/{name}.yaml"
        )
    return read(folder / f"{name}.yaml", Dataset)
