"""The page of the small project, as text and in a real browser."""

import base64
import io
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import python
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tasks.files import file_hash
from tasks.page.page import EXPLAINED, earlier

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
SERIOUS = {"serious", "critical"}


@pytest.fixture(scope="module")
def written(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small project with its page, pictures included."""
    project = tmp_path_factory.mktemp("page") / "project"
    shutil.copytree(built, project, symlinks=True)
    share = {"mean": 0.375, "low": 0.25, "high": 0.5}
    part = {"images": 7, **dict.fromkeys(EXPLAINED, share)}
    models = [file_hash(project / f"models/baseline/seed-{seed}/model.keras") for seed in (0, 1)]
    found = {
        "models": models,
        "placed": True,
        "runs": 2,
        **part,
        "classes": {"mel": {**part, "images": 3}},
    }
    (project / "reports/explain").mkdir()
    (project / "reports/explain/baseline.json").write_text(json.dumps(found))
    # A mirror that is named on this machine does not make real what is made up.
    done = python(project, "-m", "flows.page", "--pictures", "3", LESIONFLOW_SOURCE="/mirror")
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "reports/index.html"
    return project


def test_page_holds_what_was_run_and_every_experiment(written: Path) -> None:
    text = (written / "reports/index.html").read_text()
    head = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=written, capture_output=True, text=True
    )
    assert f"<code>{head.stdout.strip()}</code>" in text
    assert "These lesions are <strong>made up</strong>" in text
    for words in ("CC BY-NC", "Pictures of real lesions", "Austria"):
        assert words not in text
    assert (written / "params.yaml").read_text().splitlines()[-1] in text
    metrics = json.loads((written / "metrics/details/baseline.json").read_text())
    accuracy = f"{metrics['accuracy']['mean']:.3f}".removeprefix("0")
    assert f"<td>{accuracy} (" in text
    for name in ("baseline", "baseline-smote", "baseline-by-image"):
        assert f">{name}</" in text
        assert f"Confusion matrix, test fold, all runs: {name}</title>" in text
    for caption in ("Each class against the rest", "Calibration", "By age, years", "By sex"):
        assert text.count(f"<caption>{caption}</caption>") == 3
    assert "Not compared with" in text  # its predictions are in no commit
    assert "Table 3: single runs" in text
    assert (
        "<caption>Grad-CAM of the predicted class, test fold: baseline (2 runs)</caption>" in text
    )
    for name, images in (("all", 7), ("mel", 3)):
        row = re.search(rf'<th scope="row">{name}</th><td>{images}</td>(.*?)</tr>', text)
        assert row is not None
        assert row[1] == "<td>.375 (.250–.500)</td>" * len(EXPLAINED)


def test_explanation_of_other_models_is_told() -> None:
    report = {"runs": 2, "models": ["0" * 64], "placed": True}
    assert earlier(report, [], 2, "baseline") == ""
    told = ", of other models than these: `python -m flows.explain baseline`"
    assert earlier(report, [], 50, "baseline") == told
    assert earlier(report, [Path(__file__)], 2, "baseline") == told
    same = report | {"models": [file_hash(Path(__file__))]}
    assert earlier(same, [Path(__file__)], 2, "") == ""


def test_explanation_by_stretched_maps_is_told() -> None:
    report = {"runs": 2, "models": ["0" * 64]}
    told = ", maps stretched over the image: `python -m flows.explain baseline`"
    assert earlier(report, [], 2, "baseline") == told
    both = ", of other models than these, maps stretched over the image: `"
    assert earlier(report, [], 3, "baseline").startswith(both)


def test_page_needs_nothing_from_elsewhere(written: Path) -> None:
    text = (written / "reports/index.html").read_text()
    assert "<script" not in text
    addresses = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all(address.startswith(("#", "data:")) for address in addresses)


def test_pictures_are_mistakes_and_only_there_when_asked_for(written: Path) -> None:
    text = (written / "reports/index.html").read_text()
    found = re.findall(
        r'<img class="photo" src="data:image/jpeg;base64,([^"]+)" alt="([^"]+)"', text
    )
    assert 1 <= len(found) <= 3
    for content, words in found:
        Image.open(io.BytesIO(base64.b64decode(content))).verify()
        said = re.fullmatch(r"Dermatoscopic image .*: (.+), taken for (.+) \([.\d]+\)", words)
        assert said is not None
        assert said[1] != said[2]
    done = python(written, "-m", "flows.page", "--against", "none")
    assert done.returncode == 0, done.stdout
    assert "<img" not in (written / "reports/index.html").read_text()


@pytest.mark.parametrize(
    ("name", "left", "told"),
    [
        ("reports/ranking.csv", None, "out of date</strong> (reports/ranking.csv is missing)"),
        ("reports/ranking.csv", "split", "(reports/ranking.csv is not what report made)"),
        ("plots/decision/baseline.csv", None, "baseline (plots/decision/baseline.csv is missing)"),
    ],
)
def test_what_is_missing_or_another_is_told(
    written: Path, tmp_path: Path, name: str, left: str | None, told: str
) -> None:
    """The others are shown."""
    whole = (written / "reports/index.html").read_bytes()
    shutil.move(written / name, tmp_path / "moved")
    if left is not None:
        (written / name).write_text(left)
    done = python(written, "-m", "flows.page", "--against", "none")
    shutil.move(tmp_path / "moved", written / name)
    assert done.returncode == 0, done.stdout
    text = (written / "reports/index.html").read_text()
    (written / "reports/index.html").write_bytes(whole)  # for the other tests of the page
    assert told in text
    assert "Confusion matrix, test fold, all runs: baseline-smote</title>" in text


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt install chromium")
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        )


@pytest.fixture
def complaints() -> list[str]:
    """What the browser's console said, and errors of the page."""
    return []


@pytest.fixture(params=[(360, "dark"), (1440, "light")], ids=["phone", "desk"])
def page(
    browser: Browser, request: pytest.FixtureRequest, written: Path, complaints: list[str]
) -> Page:
    width, scheme = request.param
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    opened.goto((written / "reports/index.html").as_uri())
    opened.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    return opened


def test_browser_has_no_complaint_and_nothing_overflows(page: Page, complaints: list[str]) -> None:
    assert complaints == []
    assert page.evaluate("document.documentElement.scrollWidth === innerWidth")
    outside = page.evaluate(
        """[...document.querySelectorAll('main *')].filter(one => !one.closest('.wide, svg, pre')
           && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML)"""
    )
    assert outside == []


def test_accessibility_checker_finds_no_serious_fault(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in SERIOUS] == []


def test_every_figure_has_a_text_alternative(page: Page) -> None:
    figures = page.locator("svg")
    assert figures.count() >= 14
    unnamed = page.evaluate(
        """[...document.querySelectorAll('svg')].filter(one => one.getAttribute('role') !== 'img'
           || one.getAttribute('aria-labelledby').split(' ').some(
                id => !document.getElementById(id)?.textContent.trim()))
           .map(one => one.id)"""
    )
    assert unnamed == []


def test_keyboard_reaches_the_results_and_the_wide_tables(page: Page) -> None:
    page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the results"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "wide"


def test_print_shows_what_is_folded_and_no_navigation(page: Page) -> None:
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = false)")
    page.emulate_media(media="print")
    folded = page.evaluate(
        """[...document.querySelectorAll('details table, details svg')]
           .map(one => one.getBoundingClientRect().height)"""
    )
    assert len(folded) > 10
    assert min(folded) > 0
    assert page.evaluate("document.querySelector('nav').offsetHeight") == 0
