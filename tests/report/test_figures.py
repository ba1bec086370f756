"""What is drawn, where a number is none."""

import pandas as pd
from ham10000 import CLASSES
from matplotlib.figure import Figure

from tasks.report.figures import confusion_cells


def test_confusion_of_a_class_without_an_image_has_no_share() -> None:
    axes = Figure().subplots()
    table = pd.DataFrame({"actual": ["nv", "nv", "mel"], "predicted": ["nv", "df", "mel"]})
    confusion_cells(axes, table, CLASSES)
    said = {
        (text.get_position()[1], text.get_position()[0]): text.get_text() for text in axes.texts
    }
    rows = [[said[row + 0.5, column + 0.5] for column in range(7)] for row in range(7)]
    assert rows[CLASSES.index("akiec")] == ["–"] * 7
    assert rows[CLASSES.index("nv")] == ["0%", "0%", "0%", "50%", "0%", "50%", "0%"]
