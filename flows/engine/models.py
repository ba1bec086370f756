"""What a project knows of the models that are asked."""

from collections.abc import Sequence
from pathlib import Path

from flows.engine.data_set import SET, of_classes
from flows.engine.lock import refuse_older_metrics
from tasks.errors import UserError
from tasks.evaluate.decisions import LIKELIEST
from tasks.predict.operate import Operation, operation
from tasks.trained.locate import MEASURES_ONLY, experiment_of, read_metrics, seeds_of


def known(
    models: Sequence[Path], classes: tuple[str, ...], *, clinical: bool, rule: str = LIKELIEST
) -> Operation:
    """Return the questions, temperature and operating points of the models' experiment, if any.

    classes: of the models. clinical: whether clinical columns are known. rule: which decides what
    class to name (tasks.evaluate.decisions). Raises UserError where what is there is of other
    models, or has no such rule.
    """
    seeds = seeds_of(models)
    if seeds is None:
        if rule != LIKELIEST:
            raise UserError(f"of {models[0]} nobody knows a rule `{rule}`: name an experiment")
        return Operation(classes)
    project, experiment = experiment_of(models[0])
    metrics = read_metrics(project, experiment)
    if metrics:
        refuse_older_metrics(project, experiment)
    if metrics.get("parts", 1) > 1:
        raise UserError(MEASURES_ONLY.format(name=experiment))
    if not metrics and not (project / SET).exists():
        return Operation(classes)
    questions = of_classes(classes, experiment, project).questions
    return operation(
        experiment,
        metrics,
        seeds,
        clinical=clinical,
        classes=classes,
        questions=questions,
        rule=rule,
    )
