"""dvc.lock, read without DVC."""

from itertools import pairwise
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import UserError

LOCK = Path("dvc.lock")


def stages_in(text: str) -> dict[str, Any]:
    """The stages of a dvc.lock."""
    return (YAML(typ="safe").load(text) or {}).get("stages", {})


def refuse_older_metrics(project: Path, experiment: str) -> None:
    """Raise UserError where the metrics of an experiment are from before its models, by dvc.lock.

    Whoever only asks the models may not be allowed to take DVC's lock, and does without.
    """
    try:
        stages = stages_in((project / LOCK).read_text(encoding="utf-8"))
    except (FileNotFoundError, YAMLError):  # DVC is writing it
        return
    chain = [stages.get(f"{name}@{experiment}", {}) for name in ("train", "infer", "evaluate")]
    for before, after in pairwise(chain):
        made = {out["path"]: out["md5"] for out in before.get("outs", [])}
        if any(made.get(dep["path"], dep["md5"]) != dep["md5"] for dep in after.get("deps", [])):
            raise UserError(
                f"metrics/{experiment}.json is of other models than those in models/{experiment}: "
                f"`dvc repro evaluate@{experiment}` brings them together"
            )
