"""The card that goes with an exported model."""

from typing import Any

import pytest
from conftest import PROJECT
from record import HAM10000

from tasks.coding import Coding
from tasks.export.card import card
from tasks.sets.handed_on import hand_on
from tasks.sets.read import read_set

SETUP = {"model": "optimized", "input": "prepared", "sampling": "none", "split": "lesion"}
FACTS = {"width": 40, "height": 30, "clinical": False, "checked": 16, "difference": 4.2e-7}
METRICS: dict[str, Any] = {
    "accuracy": {"mean": 0.766, "low": 0.744, "high": 0.79},
    "roc_auc_ovr": {"mean": None, "low": None, "high": None},
    "runs": 3,
    "ensemble": {
        "accuracy": {"mean": 0.775, "low": 0.75, "high": 0.8},
        "roc_auc_ovr": {"mean": None, "low": None, "high": None},
    },
}


def made(**changes: Any) -> str:
    arguments: dict[str, Any] = {"setup": SETUP, "facts": FACTS, "metrics": METRICS}
    dataset = changes.get("dataset") or HAM10000
    options: dict[str, Any] = {"runs": 3, "sha256": "0" * 64, "source": "dataverse"}
    options["described"] = hand_on(dataset)
    options["coding"] = Coding(dataset.codes, dataset.sexes, dataset.sites)
    known = {**arguments, "dataset": HAM10000, **options, **changes}
    return card("optimized", known.pop("setup"), known.pop("facts"), known.pop("metrics"), **known)


def test_it_says_what_the_model_is_for_and_how_good_it_is() -> None:
    text = made()
    for words in (
        "**Not for diagnosis.**",
        "mean over 3 runs of the network `optimized`",
        "uint8 (n, 30, 40, 3)",
        "tells the 7 classes of HAM10000 apart",
        "float32 (n, 7) | akiec, bcc, bkl, df, mel, nv, vasc |",
        "| `akiec` | actinic keratosis / intraepithelial carcinoma |",
        "dermatoscopic images only",
        "one clinic in Austria",
        "HAM10000: P. Tschandl",
        "Test fold, runs averaged as in the file, 95% interval",
        "| accuracy | .775 (.750–.800) |",
        "| ROC-AUC OvR | – |",
        "at most 4e-07",
        "CC BY-NC 4.0",
    ):
        assert words in text
    for words in ("clinical", "both\nsides", "synthetic", "{{", "{%", "Undefined"):
        assert words not in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"facts": FACTS | {"clinical": True}}, "sex: 1 female, 2 male; site: 1 abdomen"),
        ({"facts": FACTS | {"clinical": True}}, '"clinical": np.zeros((1, 3), np.int64)'),
        ({"setup": SETUP | {"split": "image"}}, "better than they are"),
        ({"source": "synthetic"}, "**Trained on synthetic lesions**"),
        ({"source": "/our/images"}, "another source than HAM10000's record"),
        ({"source": None}, "other data by now than these models were trained on"),
        ({"dataset": None}, "other data by now than these models were trained on"),
        ({"runs": 2}, "Test fold, mean over single runs, 95% interval"),
        ({"runs": 2}, "| accuracy | .766 (.744–.790) |"),
        ({"metrics": {}}, "has not been evaluated"),
    ],
)
def test_it_says_what_is_special(changes: dict[str, Any], words: str) -> None:
    assert words in made(**changes)


@pytest.mark.parametrize("source", ["synthetic", "/our/images", None])
def test_other_images_are_not_called_ham10000(source: str | None) -> None:
    text = made(source=source)
    for words in ("CC BY-NC", "Austria", "Tschandl"):
        assert words not in text


def test_its_example_is_python() -> None:
    for clinical in (False, True):
        text = made(facts=FACTS | {"clinical": clinical})
        compile(text.split("```python\n")[1].split("```")[0], "card", "exec")


@pytest.mark.parametrize(("name", "sexes"), [("ph2", False), ("isic2019", True)])
def test_other_sets_say_what_they_are(name: str, sexes: bool) -> None:
    dataset = read_set(name, PROJECT / "data/sets")
    text = made(dataset=dataset, source="/our/images", facts=FACTS | {"clinical": True})
    number = len(dataset.codes)
    for words in (
        f"tells the {number} classes of {dataset.title} apart",
        f"float32 (n, {number}) | {', '.join(dataset.codes)} |",
        "| `melanoma` | melanoma |" if name == "ph2" else "| `scc` | squamous cell carcinoma |",
        f"It knows these {number} classes",
        f"images such as those of {dataset.title} only",
        f"{dataset.title}: {dataset.citation}. Licence: {dataset.licence}.",
    ):
        assert words in text
    assert ("sex: 1 female, 2 male; site: 1 anterior torso" in text) == sexes
    assert ("sex:" in text) == sexes
    for words in ("HAM10000", "Austria", "dermatoscope"):
        assert words not in text
