"""One arithmetic for all fits of a backbone: folds must differ in nothing else."""

import json

import torch

from greenstick.experiments.experiment import Experiment
from greenstick.experiments.run_folder import RunFolder, write_json
from greenstick.models.classifier import build_classifier
from greenstick.training.precision import choose_precision


def settle_precision(
    run: RunFolder, experiment: Experiment, accelerator: str
) -> dict[str, Experiment]:
    """Return the experiment as each network does it: with its precision chosen, once for all."""
    each = {name: experiment.variant(name) for name in experiment.names}
    path = run.work("precision.json")
    chosen = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    on_gpu = torch.cuda.is_available() and accelerator != "cpu"
    for name, own in each.items():
        if own.recipe.precision == "auto" and name not in chosen:
            model = build_classifier(own.network(name))
            model = model.to(memory_format=torch.channels_last)
            device = torch.device("cuda" if on_gpu else "cpu")
            chosen[name] = choose_precision(own.recipe, model, device).name
            write_json(chosen, path)
    return {
        name: _with_precision(own, chosen[name]) if own.recipe.precision == "auto" else own
        for name, own in each.items()
    }


def _with_precision(experiment: Experiment, precision: str) -> Experiment:
    """Return an experiment of another precision; its search is still to come, so it is kept."""
    recipe = experiment.recipe.model_copy(update={"precision": precision})
    return experiment.model_copy(update={"recipe": recipe})
