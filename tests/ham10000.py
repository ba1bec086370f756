"""HAM10000, as it is described."""

from pathlib import Path

from tasks.sets.handed_on import hand_on
from tasks.sets.read import read_set

HAM10000 = read_set("ham10000", Path(__file__).parent.parent / "data/sets")
CODING = hand_on(HAM10000).coding
CLASSES = CODING.classes
QUESTIONS = HAM10000.asked()
