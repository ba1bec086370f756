"""A folder of one's own with faults in its data, then corrected: DVC sees no change of it."""

import hashlib
from pathlib import Path

import pytest
from conftest import PROJECT, SMALL, dvc, repro
from record import Record

from flows.engine.scratch import make_copy
from tasks.sections import SOURCE_VARIABLE


def written(record: Record, folder: Path) -> None:
    record.write(folder)
    sums = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n"
        for path in sorted(folder.glob("HAM10000_*"))
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))


@pytest.mark.parametrize(
    "named", ["in params.yaml", pytest.param("on this machine", marks=pytest.mark.slow)]
)
def test_faults_name_what_reads_it_again(
    named: str, tmp_path: Path, prefect_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, project, record = tmp_path / "own", tmp_path / "project", Record()
    source.mkdir()
    sound, record.rows[1] = record.rows[1], "L1,I1,melanoma,histo,55.0,male,back"
    written(record, source)
    if named == "on this machine":
        monkeypatch.setenv(SOURCE_VARIABLE, str(source))
    changes = {"source": str(source) if named == "in params.yaml" else "dataverse"}
    make_copy(PROJECT, project, {**SMALL, "download": changes})
    done = dvc(project, "repro", "preprocess")
    assert done.returncode != 0
    assert "'melanoma'" in done.stdout
    (said,) = (line for line in done.stdout.splitlines() if line.startswith("Once their source"))
    assert said == (
        f"Once their source, {source}, is corrected, `dvc repro --force --single-item download` "
        "reads it again"
    )
    record.rows[1] = sound
    written(record, source)
    assert dvc(project, *said.split("`")[1].split()[1:]).returncode == 0
    assert repro(project, "preprocess") == {"preprocess"}
