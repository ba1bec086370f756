"""`params.yaml`: what is allowed loads, and every fault is named in words that a user can use."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import python

from flows.scratch import merged
from tasks.settings import MODELS, NETWORKS, SAMPLERS, SOURCE_VARIABLE, SettingsError, load

PARAMS = Path(__file__).parents[2] / "params.yaml"
EXPERIMENT = {"model": "baseline", "input": "prepared", "sampling": "none", "split": "lesion"}
SECTIONS = (
    "download, preprocess, split, embed, oversample, train, tune, finetune, experiments, evaluate"
)
INPUTS = "prepared, embedded/lite0, embedded/lite0-pooled"
VARIANTS = ", ".join(yaml.safe_load(PARAMS.read_text())["oversample"])
NO_MAPPING = "must hold keys with values"


def written(folder: Path, changes: dict[str, Any]) -> Path:
    """The committed params.yaml with `changes` merged in (None removes a key)."""
    path = folder / "params.yaml"
    content = merged(yaml.safe_load(PARAMS.read_text()), changes)
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def nested(key: str, value: Any) -> dict[str, Any]:
    """`value` under a dotted key."""
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}


def faults(path: Path) -> list[str]:
    """The lines of the error that `load` must raise, without the path each begins with."""
    with pytest.raises(SettingsError) as raised:
        load(path)
    return [line.removeprefix(f"{path}: ") for line in str(raised.value).splitlines()]


def test_committed_params_load() -> None:
    settings = load(PARAMS)
    assert set(settings.experiments) >= {"baseline", "optimized", "baseline-by-image"}
    assert settings.split.train == 0.7
    assert settings.oversample["smote"].model_extra == {"k_neighbors": 5, "seed": 0}


def test_models_and_samplers_are_the_files_of_their_folders() -> None:
    assert {"baseline", "optimized"} <= set(MODELS)
    assert {"none", "smote", "augment"} <= set(SAMPLERS)
    assert not any(name.startswith("_") for name in MODELS + SAMPLERS)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        # Keys that do not exist
        ("trian", {}, f"unknown key; allowed here: {SECTIONS}"),
        ("download.url", "x", "unknown key; allowed here: source, synthetic"),
        ("download.synthetic.images", 3, "unknown key; allowed here: lesions, seed"),
        ("split.folds", 3, "unknown key; allowed here: seed, train, validation, test"),
        ("oversample.smote.k", 3, "unknown key; allowed here: sampler, input, k_neighbors, seed"),
        ("oversample.none.seed", 3, "unknown key; allowed here: sampler, input"),
        ("train.plateau.wait", 3, "unknown key; allowed here: factor, patience, min_learning_rate"),
        (
            "experiments.baseline.epoch",
            3,
            "unknown key; allowed here: model, input, sampling, split, runs, epochs, batch_size, "
            "learning_rate",
        ),
        # Names that do not exist
        (
            "oversample.smote.sampler",
            "rose",
            f"unknown sampler 'rose'; one of {', '.join(SAMPLERS)}",
        ),
        ("oversample.smote.input", "raw", f"unknown input 'raw'; one of {INPUTS}"),
        ("experiments.baseline.input", "raw", f"unknown input 'raw'; one of {INPUTS}"),
        ("embed.lite0.network", "lite1", f"unknown network 'lite1'; one of {', '.join(NETWORKS)}"),
        (
            "experiments.baseline.model",
            "vgg",
            f"unknown model 'vgg'; one of {', '.join(MODELS)}",
        ),
        (
            "experiments.baseline.sampling",
            "rose",
            f"unknown sampling 'rose'; one of {VARIANTS}",
        ),
        ("experiments.baseline.split", "site", "must be 'lesion' or 'image' (is 'site')"),
        ("experiments.Base_line", EXPERIMENT, "a name is made of a-z, 0-9 and dashes"),
        # Numbers out of range
        ("split.train", 0.33, "must be a multiple of 0.05 (is 0.33)"),
        ("split.test", -0.2, "must be more than 0 (is -0.2)"),
        ("split.test", 1.0, "must be less than 1 (is 1.0)"),
        ("preprocess.width", 4, "must be 8 or more (is 4)"),
        ("preprocess.height", 601, "must be 600 or less (is 601)"),
        ("train.learning_rate", float("nan"), "must be less than 1 (is nan)"),
        ("experiments.baseline.runs", 0, "must be 1 or more (is 0)"),
        ("download.synthetic.seed", -1, "must be 0 or more (is -1)"),
        ("oversample.smote.k_neighbors", 0, "must be 1 or more (is 0)"),
        ("evaluate.resamples", 99, "must be 100 or more (is 99)"),
        # Values of another type, which nothing converts
        ("train.runs", True, "must be a whole number (is True)"),
        ("train.runs", "3", "must be a whole number (is '3')"),
        ("train.runs", 3.0, "must be a whole number (is 3.0)"),
        ("split.seed", False, "must be a whole number (is False)"),
        ("split.train", True, "must be a number (is True)"),
        ("train.plateau.factor", "0.5", "must be a number (is '0.5')"),
        ("oversample.smote.k_neighbors", True, "must be a whole number (is True)"),
        ("oversample.augment.zoom_range", "0.1", "must be a number (is '0.1')"),
        ("oversample.augment.horizontal_flip", 1, "must be true or false (is 1)"),
        ("download.source", 3, "must be text (is 3)"),
        ("download.source", "", "must not be empty (is '')"),
        ("experiments.baseline.model", ["baseline"], "must be text (is ['baseline'])"),
        ("train", 3, f"{NO_MAPPING} (is 3)"),
        ("oversample.smote", [5], f"{NO_MAPPING} (is [5])"),
        ("experiments.baseline", "baseline", f"{NO_MAPPING} (is 'baseline')"),
        # Keys that are missing
        ("train.runs", None, "missing"),
        ("train.plateau", None, "missing"),
        ("evaluate", None, "missing"),
        ("experiments.baseline.model", None, "missing"),
        ("oversample.smote.sampler", None, "missing"),
    ],
)
def test_one_fault_is_one_line_with_its_key(
    tmp_path: Path, key: str, value: Any, message: str
) -> None:
    assert faults(written(tmp_path, nested(key, value))) == [f"{key}: {message}"]


def test_shares_that_do_not_add_up_are_shown_with_their_sum(tmp_path: Path) -> None:
    assert faults(written(tmp_path, {"split": {"train": 0.6}})) == [
        "split: train + validation + test must be 1 (is 0.6 + 0.1 + 0.2 = 0.9)"
    ]


def test_shares_may_miss_one_by_a_rounding_error(tmp_path: Path) -> None:
    split = load(written(tmp_path, {"split": {"train": 0.6, "validation": 0.3, "test": 0.1}})).split
    assert split.train + split.validation + split.test < 1


@pytest.mark.parametrize(
    ("section", "value"),
    [
        ("train", 3),
        ("oversample", {"sampler": "none", "input": "prepared"}),
        ("oversample.smote", 3),
        ("experiments", EXPERIMENT),
    ],
)
def test_key_that_yaml_takes_for_a_number(tmp_path: Path, section: str, value: Any) -> None:
    assert faults(written(tmp_path, nested(section, {1: value}))) == [
        f"{section}.1: a key must be text: put it in quotes"
    ]


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    changes = {
        "split": {"train": 0.6},
        "oversample": {"smote": {"k": 1, "seed": -1}, "weights": {"input": "raw"}},
        "train": {"runs": 0, "epochs": "many"},
        "experiments": {"baseline": {"sampling": "rose"}, "optimized": {"model": "vgg"}},
        "seed": 1,
    }
    keys = [line.split(":")[0] for line in faults(written(tmp_path, changes))]
    assert keys == [
        "split",
        "oversample.smote.seed",
        "oversample.smote.k",
        "oversample.weights.input",
        "train.runs",
        "train.epochs",
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
        (b"", f"is empty: it must hold {SECTIONS}"),
        (b"# nothing but a comment\n", f"is empty: it must hold {SECTIONS}"),
        (b"- train\n", f": {NO_MAPPING} (is ['train'])"),
        (b"train: [1,\nsplit: 2\n", "is not valid YAML: line 3: did not find expected ',' or ']'"),
        (b"train:\n\truns: 3\n", "is not valid YAML: line 2: found character that cannot start"),
        (b"train: 2026-13-45\n", "is not valid YAML: month must be in 1..12"),
        (b"train: 1\ntrain: 2\n", 'is not valid YAML: line 2: found duplicate key "train"'),
        (b"train: \xff\n", "cannot be read: 'utf-8' codec can't decode"),
    ],
)
def test_file_that_is_no_settings_at_all(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        load(path)
    assert str(raised.value).startswith(f"{path} {message}".replace(" :", ":"))


def test_missing_file_says_where_to_run(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"params\.yaml is missing: run from the project's top"):
        load(tmp_path / "params.yaml")


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    """PyYAML, by an older YAML, takes 010 for 8 and 1e-3 for text: the lock would record others."""
    path = tmp_path / "params.yaml"
    text = PARAMS.read_text()
    path.write_text(text.replace("epochs: 30", "epochs: 010").replace("rate: 0.001", "rate: 1e-3"))
    train = load(path).train
    assert (train.epochs, train.learning_rate) == (10, 0.001)


def test_source_of_this_machine_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load(PARAMS)
    monkeypatch.setenv(SOURCE_VARIABLE, "/mirror")
    assert load(PARAMS).download.source == "/mirror"
    assert load(PARAMS).model_dump(exclude={"download"}) == plain.model_dump(exclude={"download"})
    monkeypatch.setenv(SOURCE_VARIABLE, "")
    assert load(PARAMS) == plain


def test_first_experiment_that_trains_as_shared_is_set_beside_the_papers(tmp_path: Path) -> None:
    plain = load(PARAMS).of_paper()
    assert plain["baseline", "smote", "image"] == "baseline-smote-by-image"
    other = {"slow": {**EXPERIMENT, "epochs": 90}, "again": EXPERIMENT}
    assert load(written(tmp_path, {"experiments": other})).of_paper() == plain
    changes = {"baseline": {"learning_rate": 0.01}, "many": {**EXPERIMENT, "runs": 50}}
    changed = load(written(tmp_path, {"experiments": changes})).of_paper()
    assert changed == {**plain, ("baseline", "none", "lesion"): "many"}


@pytest.mark.parametrize("key", ["model", "sampling", "split"])
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


def test_experiment_overrides_what_it_names(tmp_path: Path) -> None:
    own = {"runs": 50, "epochs": 2}
    settings = load(written(tmp_path, {"experiments": {"optimized": own}}))
    shared, training = settings.train, settings.training("optimized")
    assert (training.runs, training.epochs) == (50, 2)
    assert training.model_dump(exclude=set(own)) == shared.model_dump(exclude=set(own))
    assert settings.training("baseline") == shared
