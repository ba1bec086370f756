"""Experiments that stand beside others in a table: by their settings."""

from tasks.keywords import MODEL, RECIPE, SAMPLER
from tasks.protocols import CROSSVAL, LESION
from tasks.sections import Experiment
from tasks.settings import Settings


def of_paper(settings: Settings) -> dict[tuple[str, str, str], str]:
    """The experiment to set beside the paper's, by (model, sampling, split).

    Where several could be, the first that has no values of its own (`as_shared`); one that has is
    none. Those of one model and sampling have one input and one recipe, the first one's, so that
    they compare.
    """
    found: dict[tuple[str, str, str], str] = {}
    kinds: dict[tuple[str, str], tuple[str, str]] = {}
    for name, setup in settings.experiments.items():
        if setup.split != CROSSVAL and as_shared(settings, name):
            kind, given = (setup.model, setup.sampling), (setup.input, setup.recipe)
            if kinds.setdefault(kind, given) == given:
                found.setdefault((*kind, setup.split), name)
    return found


def as_shared(settings: Settings, experiment: str) -> bool:
    """Whether a line leaves all but its number of runs to its recipe, sampler and model."""
    setup = settings.experiments[experiment]
    own = setup.epochs or setup.own(RECIPE) or setup.own(SAMPLER)
    return not own and setup.own(MODEL).items() <= MODEL.keywords(setup.model).items()


def crossvalidated(settings: Settings) -> dict[str, str]:
    """The experiment by lesion that differs from one by cross-validation in nothing but runs."""
    found: dict[str, str] = {}
    for name, split in settings.splits().items():
        for other, way in settings.splits().items():
            alike = resolved(settings, name) == resolved(settings, other)
            if alike and (split, way) == (CROSSVAL, LESION):
                found.setdefault(name, other)
    return found


def resolved(settings: Settings, experiment: str) -> Experiment:
    """A line without its split and its number of runs, and with its model's defaults."""
    setup = settings.experiments[experiment]
    keywords = {**MODEL.keywords(setup.model), **setup.keywords}
    return setup.model_copy(update={"split": None, "runs": None, **keywords})
