"""Faults of params.yaml: each is a line with its key, what is wrong and what is allowed."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from conftest import python
from params import (
    EXPERIMENT,
    INPUTS,
    NO_MAPPING,
    PARAMS,
    SAMPLINGS,
    SECTIONS,
    faults,
    nested,
    written,
)

from tasks.keywords import MODEL, SAMPLER, modules, parameters
from tasks.oversample.samplers import none
from tasks.settings import load
from tasks.yaml import SettingsError

NETWORKS = modules("tasks.embed.networks")
LINE = "unknown key; allowed here: model, input, sampling, split, recipe, runs, epochs"
CNN = "batch_size, learning_rate, plateau"

FAULTS: dict[str, list[tuple[str, Any, str]]] = {
    "unknown key": [
        ("trian", {}, f"unknown key; allowed here: {SECTIONS}"),
        ("download.url", "x", "unknown key; allowed here: set, source, synthetic"),
        ("download.synthetic.images", 3, "unknown key; allowed here: lesions, seed"),
        ("split.folds", 3, "unknown key; allowed here: seed, train, validation, test"),
        ("oversample.smote.k", 3, "unknown key; allowed here: k_neighbors, seed"),
        ("oversample.none.seed", 3, "unknown key; allowed here: none"),
        ("recipes.cnn.rate", 3, f"unknown key; allowed here: runs, epochs, {CNN}"),
        (
            "recipes.cnn.plateau.wait",
            3,
            "unknown key; allowed here: factor, patience, min_learning_rate",
        ),
        (
            "experiments.baseline.plateau.wait",
            3,
            "unknown key; allowed here: factor, patience, min_learning_rate",
        ),
        (
            "experiments.baseline.epoch",
            3,
            f"{LINE}, blocks, filters, {CNN}",
        ),
        (
            "experiments.transfer.k_neighbors",
            3,
            f"{LINE}, dropout, clinical, clinical_units, batch_size, learning_rate, weight_decay, "
            "ema, label_smoothing, exponent",
        ),
    ],
    "unknown names": [
        ("experiments.baseline.input", "raw", f"unknown input 'raw'; one of {INPUTS}"),
        ("embed.lite0.network", "lite1", f"unknown network 'lite1'; one of {', '.join(NETWORKS)}"),
        (
            "experiments.baseline.model",
            "vgg",
            f"unknown model 'vgg'; one of {', '.join(MODEL.names)}",
        ),
        (
            "experiments.baseline.sampling",
            "rose",
            f"unknown sampling 'rose'; one of {SAMPLINGS}",
        ),
        (
            "experiments.baseline.model",
            "transfer",
            "transfer takes activations, and the input prepared is of pixels; one of baseline, "
            "optimized",
        ),
        (
            "experiments.baseline.recipe",
            "finetune",
            "finetune takes activations, and the input prepared is of pixels; one of cnn",
        ),
        ("experiments.baseline.recipe", "sgd", "unknown recipe 'sgd'; one of cnn, finetune"),
        (
            "experiments.baseline.split",
            "site",
            "must be 'lesion', 'image' or 'crossval' (is 'site')",
        ),
        ("experiments.Base_line", EXPERIMENT, "a name is made of a-z, 0-9 and dashes"),
    ],
    "out of range": [
        ("split.train", 0.33, "must be a multiple of 0.05 (is 0.33)"),
        ("split.test", -0.2, "must be more than 0 (is -0.2)"),
        ("split.test", 1.0, "must be less than 1 (is 1.0)"),
        ("preprocess.width", 4, "must be 8 or more (is 4)"),
        ("preprocess.height", 601, "must be 600 or less (is 601)"),
        ("recipes.cnn.learning_rate", float("nan"), "must be less than 1 (is nan)"),
        ("experiments.baseline.runs", 0, "must be 1 or more (is 0)"),
        ("recipes.cnn.epochs", 0, "must be 1 or more (is 0)"),
        ("recipes.finetune.epochs", 0, "must be 1 or more (is 0)"),
        ("tune.epochs", -3, "must be 1 or more (is -3)"),
        ("recipes.cnn.epochs", float("inf"), "must be a whole number (is inf)"),
        ("split.seed", 2**31, "must be 2147483647 or less (is 2147483648)"),
        ("oversample.smote.seed", 2**32, "must be 2147483647 or less (is 4294967296)"),
        ("download.synthetic.seed", -1, "must be 0 or more (is -1)"),
        ("oversample.smote.k_neighbors", 0, "must be 1 or more (is 0)"),
        ("crossval.folds", 2, "must be 3 or more (is 2)"),
        ("experiments.transfer.exponent", 1.5, "must be 1 or less (is 1.5)"),
        ("experiments.transfer.weight_decay", 1.0, "must be less than 1 (is 1.0)"),
        ("experiments.optimized.dropout", -0.1, "must be 0 or more (is -0.1)"),
        ("experiments.optimized.filters", 0, "must be 1 or more (is 0)"),
        ("evaluate.resamples", 99, "must be 100 or more (is 99)"),
    ],
    "wrong type": [
        ("recipes.cnn.runs", True, "must be a whole number (is True)"),
        ("recipes.cnn.runs", "3", "must be a whole number (is '3')"),
        ("recipes.cnn.runs", 3.0, "must be a whole number (is 3.0)"),
        ("split.seed", False, "must be a whole number (is False)"),
        ("split.train", True, "must be a number (is True)"),
        ("recipes.cnn.plateau.factor", "0.5", "must be a number (is '0.5')"),
        ("oversample.smote.k_neighbors", True, "must be a whole number (is True)"),
        ("oversample.augment.zoom_range", "0.1", "must be a number (is '0.1')"),
        ("oversample.augment.horizontal_flip", 1, "must be true or false (is 1)"),
        ("download.source", 3, "must be text (is 3)"),
        ("download.source", "", "must not be empty (is '')"),
        ("experiments.baseline.model", ["baseline"], "must be text (is ['baseline'])"),
        ("recipes", 3, f"{NO_MAPPING} (is 3)"),
        ("recipes.cnn", 3, f"{NO_MAPPING} (is 3)"),
        ("experiments.clinical.clinical", 1, "must be true or false (is 1)"),
        ("oversample.smote", [5], f"{NO_MAPPING} (is [5])"),
        ("experiments.baseline", "baseline", f"{NO_MAPPING} (is 'baseline')"),
    ],
    "missing key": [
        ("recipes.cnn.runs", None, "missing"),
        ("recipes.cnn.plateau", None, "missing"),
        ("evaluate", None, "missing"),
        ("experiments.baseline.model", None, "missing"),
    ],
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        pytest.param(*case, id=f"{kind}: {case[0]} = {case[1]!r:.30}")
        for kind, cases in FAULTS.items()
        for case in cases
    ],
)
def test_one_fault_is_one_line_with_its_key(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    assert faults(written(tmp_path, nested(key, value))) == [f"{key}: {message}"]


def test_fractions_not_1_are_shown_with_their_sum(tmp_path: Path) -> None:
    assert faults(written(tmp_path, {"split": {"train": 0.6}})) == [
        "split: train + validation + test must be 1 (is 0.6 + 0.1 + 0.2 = 0.9)"
    ]


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("tune", 3),
        ("recipes", {"runs": 3, "epochs": 3}),
        ("oversample.smote", 3),
        ("experiments", EXPERIMENT),
    ],
)
def test_key_that_yaml_takes_for_a_number(tmp_path: Path, section: str, value: Any) -> None:
    assert faults(written(tmp_path, nested(section, {1: value}))) == [
        f"{section}.1: a key must be text: put it in quotes"
    ]


def test_sampler_that_is_not_there(tmp_path: Path) -> None:
    assert faults(written(tmp_path, {"oversample": {"rose": {}}})) == [
        f"oversample: unknown sampler 'rose'; one of {', '.join(SAMPLER.names)}"
    ]


def test_key_that_two_know_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a sampler of one's own and a model: whichever it was meant for, one would go without."""

    def sample(images: Any, labels: Any, clinical: Any, *, filters: int = 3) -> None: ...

    monkeypatch.setattr(none, "sample", sample)
    parameters.cache_clear()
    changes = {"experiments": {"baseline": {"filters": 16}, "tuned": None}}
    try:
        found = faults(written(tmp_path, changes))
    finally:
        parameters.cache_clear()
    assert found == [
        "experiments.baseline.filters: the model baseline and the sampler none both know it: "
        "rename it in one of their files"
    ]


def test_name_that_is_also_a_key(tmp_path: Path) -> None:
    """Found by fuzzing: `oversample:` lost its line, so that `weights` stood under `embed`."""
    content = {"network": "vgg16", "width": 32, "height": 32, "flips": False, "sampler": "weights"}
    assert faults(written(tmp_path, {"embed": {"weights": content}})) == [
        "embed.weights.sampler: unknown key; allowed here: network, width, height, flips, weights"
    ]


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    changes = {
        "split": {"train": 0.6},
        "oversample": {"smote": {"k": 1, "seed": -1}, "weights": {"rate": 1}},
        "recipes": {"cnn": {"runs": 0, "epochs": "many"}},
        "experiments": {"baseline": {"sampling": "rose"}, "optimized": {"model": "vgg"}},
        "seed": 1,
    }
    keys = [line.split(":")[0] for line in faults(written(tmp_path, changes))]
    assert keys == [
        "split",
        "oversample.smote.seed",
        "oversample.smote.k",
        "oversample.weights.rate",
        "recipes.cnn.runs",
        "recipes.cnn.epochs",
        "experiments.optimized.model",
        "seed",
    ]


def test_every_unknown_sampling_is_listed(tmp_path: Path) -> None:
    changes = {"experiments": {name: {"sampling": "x"} for name in ("baseline", "optimized")}}
    keys = [line.split(":")[0] for line in faults(written(tmp_path, changes))]
    assert keys == ["experiments.baseline.sampling", "experiments.optimized.sampling"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", f"is empty: it must hold {SECTIONS}", id="empty file"),
        pytest.param(
            b"# nothing but a comment\n", f"is empty: it must hold {SECTIONS}", id="comments alone"
        ),
        pytest.param(b"- train\n", f": {NO_MAPPING} (is ['train'])", id="a list"),
        pytest.param(b"train\n", f": {NO_MAPPING} (is 'train')", id="a word"),
        pytest.param(
            b"train: [1,\nsplit: 2\n",
            "is not valid YAML: line 3: did not find expected ',' or ']'",
            id="YAML syntax: an open bracket",
        ),
        pytest.param(
            b"train:\n\truns: 3\n",
            "is not valid YAML: line 2: found character that cannot start",
            id="YAML syntax: a tab",
        ),
        pytest.param(
            b"train: 2026-13-45\n", "is not valid YAML: month must be in 1..12", id="no such date"
        ),
        pytest.param(
            b"train: 1\ntrain: 2\n",
            'is not valid YAML: line 2: found duplicate key "train"',
            id="YAML syntax: a key twice",
        ),
        pytest.param(
            b"train: *shared\n",
            "is not valid YAML: line 1: found undefined alias",
            id="YAML syntax: an alias of nothing",
        ),
        pytest.param(
            b"? {a: b}\n: 1\n",
            "is not valid YAML: line 1: found unhashable key",
            id="YAML syntax: a mapping as key",
        ),
        pytest.param(
            b"train: 1\n---\nsplit: 2\n",
            "is not valid YAML: line 2: but found another document",
            id="two documents",
        ),
        pytest.param(
            b"train: !!python/object/apply:os.system [exit]\n",
            "is not valid YAML: line 1: could not determine a constructor",
            id="a tag that runs code",
        ),
        pytest.param(
            b"train: " + b"1" * 5000, "is not valid YAML: Exceeds the limit", id="endless number"
        ),
        pytest.param(b"train: \0\n", "is not valid YAML: unacceptable character", id="NUL"),
        pytest.param(b"train: \xff\n", "cannot be read: 'utf-8' codec can't decode", id="bytes"),
    ],
)
def test_file_that_is_no_settings_at_all(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path} {message}".replace(" :", ":").replace(" ,", ","))


def test_folder_in_its_place(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: .*Is a directory"):
        load(tmp_path)


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"params\.yaml is missing: run from the project's top"):
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize("key", ["model", "sampling", "split", "recipe"])
@pytest.mark.parametrize("module", ["flows.pipeline", "flows.settings"])
def test_name_that_does_not_exist_is_told_before_dvc_misses_a_file(
    tmp_path: Path, module: str, key: str
) -> None:
    for name in ("dvc.yaml", ".dvc/config", ".dvcignore"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(PARAMS.parent / name, tmp_path / name)
    written(tmp_path, {"experiments": {"baseline": {key: "nosuch"}}})
    done = python(tmp_path, "-m", module, PYTHONPATH=str(PARAMS.parent))
    assert done.returncode == 1
    assert f"params.yaml: experiments.baseline.{key}: " in done.stdout
    assert len(done.stdout.splitlines()) == 1, done.stdout
