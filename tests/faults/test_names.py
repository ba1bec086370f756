"""Names of files that are more than letters, and files that are none to be read."""

import csv
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from PIL import Image
from record import HAM10000
from saved import tell

from flows.work import predict, score
from tasks.coding import Coding
from tasks.errors import UserError
from tasks.predict import apart
from tasks.predict.answer import Answer
from tasks.predict.operate import Operation
from tasks.predict.write import WRITERS
from tasks.reading.faults import DataFaults
from tasks.reading.images import Source, find_all

EVIL = "a\x1b]0;owned\x07\x9b2J\r\nb\u2028c.jpg"
SHOWN = r"a\x1b]0;owned\x07\x9b2J\r\nb\u2028c.jpg"
EVEN = np.full((2, 7), 1 / 7, np.float32)
OPERATION = Operation(HAM10000.codes)


def written(kind: str, *names: str, explanation: Path | None = None) -> str:
    stream = io.StringIO()
    writer = WRITERS[kind](stream, OPERATION)
    for name in names:
        writer.write(Answer(Source(Path(name)), EVEN, explanation=explanation))
    writer.close()
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["table", "csv", "isic"])
def test_control_characters_are_escaped(kind: str) -> None:
    lines = written(kind, EVIL, "b.jpg").splitlines()
    assert len(lines) == (4 if kind == "table" else 3)
    shown = SHOWN.removesuffix(".jpg") if kind == "isic" else SHOWN
    assert lines[-2].startswith(shown)
    assert all(line.isprintable() for line in lines)


def test_json_has_the_name_itself() -> None:
    text = written("json", EVIL, "d ö.jpg")
    assert text.isascii(), "valid in every encoding that it is printed in"
    assert [one["image"] for one in json.loads(text)] == [EVIL, "d ö.jpg"]


def test_messages_have_no_control_characters(tmp_path: Path) -> None:
    assert str(Source(Path(EVIL), "in/\x1b.jpg")) == rf"{SHOWN}/in/\x1b.jpg"
    assert str(DataFaults(tmp_path, [f"{EVIL} is damaged"])).splitlines()[1:] == [
        f"  {SHOWN} is damaged"
    ]
    (tmp_path / f"{EVIL}.zip").touch()
    _, (fault,), _ = find_all([str(tmp_path / f"{EVIL}.zip")])
    assert fault.startswith(rf"{tmp_path}/{SHOWN}.zip: not a zip file")


@pytest.mark.parametrize("name", ["=cmd()", "+1", "-1", "@a"])
def test_no_cell_is_a_formula(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(f"{name}.jpg").write_text("its own")
    Path(f"{name}.png").write_text("drawn")
    text = written("csv", f"{name}.jpg", explanation=Path(f"{name}.png"))
    ((image, *_, explanation),) = list(csv.reader(text.splitlines()))[1:]
    assert (image, explanation) == (f"./{name}.jpg", f"./{name}.png")
    assert Path(image).read_text() == "its own", "it leads to the same file"
    with pytest.raises(UserError, match=r"takes the id .* for a formula: rename the image"):
        written("isic", f"{name}.jpg")


@pytest.fixture
def mixed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which one in two is an image."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "set"
    folder.mkdir()
    for name in ("a.jpg", "b.gif", "c.JFIF", "d.dcm", "e.heic", "notes.txt", ".DS_Store"):
        (folder / name).touch()
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for name in ("x.jpg", "in/y.dcm", "__MACOSX/._x.jpg", "in/"):
            archive.writestr(name, b"")
    os.mkfifo(folder / "pipe.png")
    (folder / "linked").symlink_to(tmp_path)
    return folder


def names(sources: list[Source]) -> list[str]:
    return [source.path.name + source.member for source in sources]


def test_what_is_passed_over(mixed: Path) -> None:
    sources, faults, passed = find_all([str(mixed), str(mixed / "more.zip")])
    assert faults == []
    assert names(sources) == ["a.jpg", "b.gif", "c.JFIF", "more.zipx.jpg"]
    others = ["d.dcm", "e.heic", "linked", "more.zip", "notes.txt", "pipe.png", "more.zipin/y.dcm"]
    assert names(passed) == others


def test_gif_is_read(tmp_path: Path) -> None:
    tiny.picture("mel").save(
        tmp_path / "a.gif", save_all=True, append_images=[Image.new("L", (60, 40))]
    )
    from tasks.reading.images import read

    pixels = read(Source(tmp_path / "a.gif"), 12, 8)
    assert np.abs(pixels.astype(int) - tiny.COLOURS["mel"]).max() <= 6, "its first picture"


def test_what_is_passed_over_is_told(
    mixed: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The images that there are go on, and the exit code is 0: nobody named the others."""

    def answer(report: Any, *, sources: list[Source], **_: Any) -> None:
        report([Answer(source, EVEN) for source in sources])

    for module in (predict, score):
        monkeypatch.setattr(module, "predict_apart", answer)
    for number in range(5):
        (mixed / f"z{number}.dat").touch()
    assert predict.run(["set"], [Path("model.keras")], None, OPERATION, "csv", None, None) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1 + 3
    kinds = "JPEG, PNG, TIFF, BMP, WebP or GIF"
    first = ["d.dcm", "e.heic", "linked", "more.zip", "notes.txt", "pipe.png", "z0.dat", "z1.dat"]
    told = f"passed over 11, no {kinds} by name: {', '.join(f'set/{name}' for name in first)} and 3"
    assert printed.err == f"predict: {told} more; save as JPEG what is an image\n"

    Path("truth.csv").write_text("image_id,dx\na,mel\nb,nv\n")
    tell(mixed.parent / "model.keras", Coding(HAM10000.codes))
    score.score("model.keras", mixed, Path("truth.csv"), None, 100, 0)
    assert capsys.readouterr().err.startswith("score: passed over 11, no JPEG, ")


def test_json_is_valid_whatever_happens(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.jpg").touch()
    Path("said.json").write_text("as before")

    def answer_one(report: Any, **_: Any) -> None:
        report([Answer(Source(Path("a.jpg")), EVEN)])
        raise UserError("the second batch fails")

    def answer_none(report: Any, **_: Any) -> None:
        report([Answer(Source(Path("a.jpg")), fault="damaged")])

    for answer, number in ((answer_one, 1), (answer_none, 0)):
        monkeypatch.setattr(predict, "predict_apart", answer)
        for output in (None, Path("said.json")):
            with pytest.raises(UserError):
                predict.run(["a.jpg"], [Path("m.keras")], None, OPERATION, "json", output, None)
            if output is None:
                assert len(json.loads(capsys.readouterr().out)) == number
    assert Path("said.json").read_text() == "as before"


@pytest.mark.parametrize(
    ("end", "said"),
    [
        (
            "Traceback\nImportError: libx.so.2: failed to map segment",
            "no memory for TensorFlow (Imp",
        ),
        ("Traceback\nMemoryError", "no memory for TensorFlow (MemoryError): raise the limit"),
        (
            "tasks.x:y was ended by SIGSEGV\nlog\nlog",
            "models/x/model.keras: the process that asked it was ended by SIGSEGV: it may need",
        ),
    ],
)
def test_child_that_has_no_memory(end: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise apart.process.ProcessError(end)

    monkeypatch.setattr(apart.process, "call", fail)
    with pytest.raises(UserError) as raised:
        apart.predict_apart(print, models=[Path("models/x/model.keras")], sources=[])
    assert str(raised.value).startswith(said)
    assert len(str(raised.value).splitlines()) == 1
