"""Keep what changes a number in the user's environment from this project's processes.

Libraries obey variables, and files in the home folder, that other projects set. So every process
has the same ones before a library reads them: `flows` and `tasks.process` see to it, and what they
start inherits them.
"""

import os

FIXED = {
    # One thread of arithmetic: results do not depend on the number of cores.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    # Off by default on processors without AVX-512, where it makes training 1.5 times as fast; on
    # everywhere, so that every machine runs the same kernels.
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "KERAS_BACKEND": "tensorflow",
    # Folders of settings that hold none: in the home folder may lie another project's.
    "KERAS_HOME": os.devnull,
    "MATPLOTLIBRC": os.devnull,
    "MPLBACKEND": "agg",
    "PYTHONHASHSEED": "0",
}

DROPPED = (
    *("BLIS_", "DNNL_", "GOTO_", "KERAS", "KMP_", "MKL_", "MLIR_", "NPY_", "OMP_", "ONEDNN_"),
    *("OPENBLAS_", "SCIPY_", "SKLEARN_", "TENSORFLOW_", "TF_", "XLA_", "NVIDIA_TF32_OVERRIDE"),
    "PYTHONSAFEPATH",  # not a number's: Python would not find this project's modules
)
"""What variables begin with that choose kernels, precision, compilers or a shorter training."""

KEPT = (
    *("KMP_DUPLICATE_LIB_OK", "MKL_THREADING_LAYER", "OPENBLAS_CORETYPE"),
    *("TF_FORCE_GPU_ALLOW_GROWTH", "TF_GPU_ALLOCATOR"),
)
"""But for these: on some machines nothing runs, or runs rightly, without them."""

CUDA = "--xla_gpu_cuda_data_dir="


def settle() -> None:
    """Leave of this process's environment what must not change a result, and set the rest."""
    where = [flag for flag in os.environ.get("XLA_FLAGS", "").split() if flag.startswith(CUDA)]
    for name in list(os.environ):
        if name.startswith(DROPPED) and name not in KEPT:
            del os.environ[name]
    os.environ.update(FIXED)
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if where:
        os.environ["XLA_FLAGS"] = " ".join(where)


def processor() -> dict[str, str]:
    """What the environment says of the processor to compute with, where it does.

    Another one rounds differently. It is the machine's, to be neither dropped nor fixed, and so a
    part of every key of the task cache.
    """
    said = {}
    if kernels := os.environ.get("OPENBLAS_CORETYPE"):
        said["kernels"] = kernels
    # Which of several devices is a scheduler's choice, and changes nothing; to have none does.
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1"):
        said["device"] = "no GPU"
    return said
