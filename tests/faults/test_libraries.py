"""Whatever the environment and the home folder say to libraries, a model is the same bytes."""

import json
import logging
import os
import shutil
from pathlib import Path

import pytest
from conftest import PROJECT, environment, python

from tasks.cache.fingerprint import key_of
from tasks.files import file_hash
from tasks.surroundings import FIXED, KEPT, settle

STAGE = ("-m", "dvc", "repro", "--force", "--single-item", "--no-run-cache")

SURROUNDINGS = {
    # Exported by notebooks.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # Each of these gives another model.
    "KERAS_MAX_EPOCHS": "1",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit",
    "PYTHONHASHSEED": "7",
    "PYTHONIOENCODING": "ascii",
    "PYTHONOPTIMIZE": "2",
}
KERAS = {"floatx": "float16", "epsilon": 1e-7, "backend": "torch"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("stage", "result"),
    [
        ("train@baseline", "models/baseline/seed-0/model.keras"),
        ("infer@baseline", "predictions/baseline.parquet"),
        ("report", "reports/figures/figure-1.svg"),
    ],
)
def test_stage(project: Path, stage: str, result: str, tmp_path: Path) -> None:
    """Its work done anew, among settings of another project."""
    sound = file_hash(project / result)
    settings = {
        ".keras/keras.json": json.dumps({**KERAS, "image_data_format": "channels_first"}),
        ".config/matplotlib/matplotlibrc": "axes.facecolor: red\nfont.size: 20\n",
    }
    for name, text in settings.items():
        path = tmp_path / "home" / name
        path.parent.mkdir(parents=True)
        path.write_text(text)
    shutil.rmtree(project / ".cache")
    done = python(project, *STAGE, stage, HOME=str(tmp_path / "home"), **SURROUNDINGS)
    assert done.returncode == 0, done.stdout
    assert f"Running stage '{stage}'" in done.stdout
    assert file_hash(project / result) == sound


@pytest.mark.parametrize(
    "name",
    [
        *("KERAS_BACKEND", "KERAS_HOME", "KERAS_MAX_STEPS_PER_EPOCH", "KERASTUNER_TUNER_ID"),
        *("TF_ENABLE_ONEDNN_OPTS", "TF_ENABLE_AUTO_MIXED_PRECISION", "TF_USE_LEGACY_KERAS"),
        *("TF_DETERMINISTIC_OPS", "TF_NUM_INTRAOP_THREADS", "XLA_FLAGS", "NVIDIA_TF32_OVERRIDE"),
        *("DNNL_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "OPENBLAS_NUM_THREADS"),
        *("OMP_NUM_THREADS", "MKL_CBWR", "NPY_DISABLE_CPU_FEATURES", "SCIPY_ARRAY_API"),
        *("MPLBACKEND", "MATPLOTLIBRC", "PYTHONHASHSEED", "PYTHONSAFEPATH"),
    ],
)
def test_variable_is_not_heard(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "another project's")
    settle()
    assert os.environ.get(name) == FIXED.get(name)


def test_devices_are_where_the_user_says(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = "--xla_gpu_cuda_data_dir=/opt/cuda"
    own = dict.fromkeys((*KEPT, "CUDA_VISIBLE_DEVICES", "LD_LIBRARY_PATH"), "the user's")
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XLA_FLAGS", f"--xla_gpu_autotune_level=0 {cuda}")
    settle()
    assert {name: os.environ[name] for name in own} == own
    assert os.environ["XLA_FLAGS"] == cuda


def key() -> str:
    return key_of(settle, {})


def test_work_of_another_processor_is_not_taken_from_the_cache(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Which kernels OpenBLAS takes, and whether there is a GPU; not which of several."""
    monkeypatch.delenv("OPENBLAS_CORETYPE", raising=False)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    keys = [key()]
    for value in ("0", "1,2"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
        assert key() == keys[0]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    keys.append(key())
    for value in ("Haswell", "Nehalem"):
        monkeypatch.setenv("OPENBLAS_CORETYPE", value)
        keys.append(key())
    assert len(set(keys)) == len(keys)


BEGIN = "from flows.engine.program import begin; begin()"


def test_terminal_without_letters() -> None:
    prints = f"{BEGIN}; print('balanced accuracy .72 (.70–.75), läsion.jpg')"
    done = python(PROJECT, "-c", prints, PYTHONIOENCODING="ascii")
    assert done.stdout == "balanced accuracy .72 (.70\\u2013.75), l\\xe4sion.jpg\n"


def test_events_that_wait_for_a_slow_server_are_no_news() -> None:
    """Prefect warns of them, between a stage's own lines."""
    from prefect.events.worker import EventsWorker
    from prefect.logging.configuration import setup_logging
    from prefect.logging.handlers import APILogWorker

    setup_logging()
    for service in (APILogWorker, EventsWorker):
        logger = logging.getLogger(service.__name__)
        assert not logger.isEnabledFor(logging.WARNING)
        assert logger.isEnabledFor(logging.ERROR)


def test_what_a_command_starts_finds_the_project(tmp_path: Path) -> None:
    """By `python -m`, although the user's Python does not look into the working directory."""
    (tmp_path / "beside.py").write_text("print('found')")
    starts = f"{BEGIN}; import os; os.execvp('python', ['python', '-m', 'beside'])"
    safe = environment(PYTHONSAFEPATH="1", PYTHONPATH=str(PROJECT))
    done = python(tmp_path, "-c", starts, **safe)
    assert done.stdout == "found\n"
