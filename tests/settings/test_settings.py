"""`params.yaml`: what is allowed loads as it is meant. tests/faults has what is not."""

from pathlib import Path

import pytest
from conftest import python
from params import EXPERIMENT, PARAMS, written

from tasks.keywords import MODEL, RECIPE, SAMPLER
from tasks.report.counterparts import crossvalidated, of_paper
from tasks.sections import SOURCE_VARIABLE
from tasks.settings import load
from tasks.yaml import SettingsError


def test_committed_params_load() -> None:
    settings = load(PARAMS)
    assert set(settings.experiments) >= {"baseline", "optimized", "baseline-by-image"}
    assert settings.split.train == 0.7
    assert settings.oversample["smote"].keywords == {"k_neighbors": 5, "seed": 0}


def test_models_samplers_and_recipes_are_the_files_of_their_folders() -> None:
    assert {"baseline", "optimized"} <= set(MODEL.names)
    assert {"none", "smote", "augment"} <= set(SAMPLER.names)
    assert {"cnn", "finetune"} <= set(RECIPE.names)
    assert not any(name.startswith("_") for name in MODEL.names + SAMPLER.names + RECIPE.names)


def test_settings_are_read_without_keras() -> None:
    """By every stage, and Keras takes seconds."""
    code = "import sys; from tasks.settings import load; load(); print('keras' in sys.modules)"
    assert python(PARAMS.parent, "-c", code).stdout == "False\n"


def test_numbers_are_read_as_dvc_reads_them(tmp_path: Path) -> None:
    """PyYAML, by an older YAML, takes 010 for 8 and 1e-3 for text: the lock would record others."""
    path = tmp_path / "params.yaml"
    text = PARAMS.read_text()
    path.write_text(text.replace("epochs: 30", "epochs: 010").replace("rate: 0.001", "rate: 1e-3"))
    recipe = load(path).recipes["cnn"]
    assert (recipe.epochs, recipe.keywords["learning_rate"]) == (10, 0.001)


def test_source_of_this_machine_stands_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = load(PARAMS)
    monkeypatch.setenv(SOURCE_VARIABLE, "/mirror")
    assert load(PARAMS).download.location == "/mirror"
    assert load(PARAMS) == plain, "it is no setting"
    monkeypatch.setenv(SOURCE_VARIABLE, "")
    assert load(PARAMS).download.location == plain.download.source


def test_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No shell expands it in params.yaml, nor in a variable that is set in quotes."""
    monkeypatch.setenv("HOME", "/home/me")
    embed = {"lite0": {"weights": "~/lite0.pth"}}
    changes = {"download": {"source": "~/ham10000"}, "embed": embed}
    settings = load(written(tmp_path, changes))
    assert settings.download.location == "/home/me/ham10000"
    assert settings.download.source == "~/ham10000", "no page or record names the user's home"
    assert settings.embed["lite0"].weights_path == "/home/me/lite0.pth"
    monkeypatch.setenv(SOURCE_VARIABLE, "~/mirror")
    assert load(PARAMS).download.location == "/home/me/mirror"


def test_made_up_lesions_have_no_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or `make demo` would train on real lesions, and call them made up."""
    monkeypatch.setenv(SOURCE_VARIABLE, "/mirror")
    demo = written(tmp_path, {"download": {"source": "synthetic"}})
    assert load(demo).download.location == "synthetic"
    monkeypatch.setenv(SOURCE_VARIABLE, "synthetic")
    with pytest.raises(SettingsError, match="another set of images"):
        load(PARAMS)


def test_first_experiment_that_trains_as_shared_is_set_beside_the_papers(tmp_path: Path) -> None:
    plain = of_paper(load(PARAMS))
    assert plain["baseline", "smote", "image"] == "baseline-smote-by-image"
    other = {"slow": {**EXPERIMENT, "epochs": 90}, "again": EXPERIMENT}
    assert of_paper(load(written(tmp_path, {"experiments": other}))) == plain
    changes = {"baseline": {"learning_rate": 0.01}, "many": {**EXPERIMENT, "runs": 50}}
    changed = of_paper(load(written(tmp_path, {"experiments": changes})))
    assert changed == {**plain, ("baseline", "none", "lesion"): "many"}


def test_experiments_that_compare_have_one_input(tmp_path: Path) -> None:
    other = {**EXPERIMENT, "input": "embedded/lite0", "model": "transfer", "recipe": "finetune"}
    settings = load(written(tmp_path, {"experiments": {"twin": {**other, "split": "image"}}}))
    assert settings.experiments["probe"].input == "embedded/lite0-pooled"
    assert of_paper(settings)["transfer", "none", "lesion"] == "probe"
    assert ("transfer", "none", "image") not in of_paper(settings)


def test_experiment_overrides_what_it_names(tmp_path: Path) -> None:
    own = {"runs": 50, "epochs": 2}
    settings = load(written(tmp_path, {"experiments": {"optimized": own}}))
    shared, training = settings.recipes["cnn"], settings.training("optimized")
    assert (training.runs, training.epochs) == (50, 2)
    assert training.keywords == shared.keywords
    assert settings.training("baseline-smote") == shared


def test_value_that_a_model_has_anyway_changes_nothing(tmp_path: Path) -> None:
    """`optimized` has its dropout on its line, for `dvc exp run -S`."""
    assert load(PARAMS).sizes("optimized") == {"dropout": 0.2}
    assert of_paper(load(PARAMS))["optimized", "none", "lesion"] == "optimized"
    assert crossvalidated(load(PARAMS))["optimized-crossval"] == "optimized"
    other = load(written(tmp_path, {"experiments": {"optimized": {"dropout": 0.3}}}))
    assert ("optimized", "none", "lesion") not in of_paper(other)
    assert "optimized-crossval" not in crossvalidated(other)


def test_shares_may_miss_one_by_a_rounding_error(tmp_path: Path) -> None:
    split = load(written(tmp_path, {"split": {"train": 0.6, "validation": 0.3, "test": 0.1}})).split
    assert split.train + split.validation + split.test < 1


def test_experiment_has_settings_of_its_sampler(tmp_path: Path) -> None:
    changes = {
        "oversample": {"smote": {"k_neighbors": 7}},
        "experiments": {
            "shared": {**EXPERIMENT, "sampling": "smote"},
            "own": {**EXPERIMENT, "sampling": "smote", "k_neighbors": 2},
        },
    }
    settings = load(written(tmp_path, changes))
    assert settings.sampling("shared") == {"k_neighbors": 7, "seed": 0}
    assert settings.sampling("own") == {"k_neighbors": 2, "seed": 0}


def test_cross_validation_stands_beside_what_else_is_the_same(tmp_path: Path) -> None:
    changes = {
        "experiments": {
            "mine": {**EXPERIMENT, "epochs": 3, "runs": 2},
            "mine-by-image": {**EXPERIMENT, "epochs": 3, "split": "image"},
            "mine-crossval": {**EXPERIMENT, "epochs": 3, "split": "crossval"},
            "another-crossval": {**EXPERIMENT, "epochs": 4, "split": "crossval"},
        }
    }
    found = crossvalidated(load(written(tmp_path, changes)))
    assert found["mine-crossval"] == "mine"
    assert "another-crossval" not in found
