"""Teach what learns from healthy images alone: a memory of features, an autoencoder, a scale."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from greenstick.errors import GreenstickError
from greenstick.models.autoencoder import Autoencoder
from greenstick.models.classifier import build_classifier
from greenstick.models.departures import CELL_PX, Departures, RestoredDepartures
from greenstick.models.feature_memory import FeatureMemory, nearest
from greenstick.models.patch_restorer import Restorer
from greenstick.models.settings import ClassifierSettings
from greenstick.training.peer_recipes import AutoencoderRecipe, DeparturesRecipe, MemoryRecipe
from greenstick.training.predict import to_images
from greenstick.training.samples import Source

#: The greedy choice goes by distances in so many random directions: quicker, nearly as good.
_DIRECTIONS = 64
_BATCH = 8
#: A cell darker than this, of 1, shows nothing and is not remembered.
_BLACK = 0.05

Progress = Callable[[int, int], None]
Model = TypeVar("Model", bound=Departures)


def fit_memory(
    source: Source,
    healthy: Sequence[bytes],
    held_back: Sequence[bytes],
    recipe: MemoryRecipe,
    settings: ClassifierSettings,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> FeatureMemory:
    """Remember features of healthy images.

    Parameters
    ----------
    source
        Where the images are.
    healthy, held_back
        Keys of images without fractures: to remember, and to set the scale by.
    recipe
        How much is remembered.
    settings
        The backbone and its weights; nothing of it is trained.
    seed
        One seed gives one memory on one machine.
    progress
        Called with (done, all) after each batch of images, then after each feature chosen.

    Raises
    ------
    GreenstickError
        Where there are no healthy images, or they show nothing.
    """
    _check(healthy, held_back)
    torch.manual_seed(seed)
    network = build_classifier(settings)
    seeing = FeatureMemory(network, 1)
    share = math.ceil(recipe.seen / len(healthy))
    generator = torch.Generator().manual_seed(seed)
    parts: list[Tensor] = []
    for done, images in _batches(source, healthy):
        parts += _features(seeing, images, share, generator)
        if progress is not None:
            progress(done, len(healthy))
    features = torch.cat(parts)
    if not len(features):
        raise GreenstickError(
            f"None of the {len(healthy)} healthy images shows anything: all are black.",
            remedy="Look at the images; 'greenstick cohort audit' tells what else is wrong.",
        )
    chosen = choose_covering(features, recipe.features, generator, progress=progress)
    model = FeatureMemory(network, len(chosen))
    model.remember(features[chosen])
    return scaled(model, source, held_back)


def choose_covering(
    features: Tensor,
    n: int,
    generator: torch.Generator,
    *,
    progress: Progress | None = None,
) -> Tensor:
    """Choose few features that cover all: each next is the one farthest from those chosen.

    Greedy k-center (Sener & Savarese, ICLR 2018) over random directions (Johnson &
    Lindenstrauss), as PatchCore does.

    Parameters
    ----------
    features
        (m, D).
    n
        How many; all where there are fewer.
    generator
        Of the directions and the first choice.

    Returns
    -------
    chosen
        int64 (min(n, m),): row numbers, none twice.
    """
    if n >= len(features):
        return torch.arange(len(features))
    directions = torch.randn(features.shape[1], _DIRECTIONS, generator=generator)
    seen = features @ directions / math.sqrt(_DIRECTIONS)
    chosen = torch.empty(n, dtype=torch.int64)
    chosen[0] = torch.randint(len(seen), (1,), generator=generator)
    farthest = torch.full((len(seen),), math.inf)
    for at in range(1, n):
        latest = int(chosen[at - 1])
        farthest = torch.minimum(farthest, nearest(seen, seen[latest : latest + 1]))
        farthest[latest] = -1.0
        chosen[at] = farthest.argmax()
        if progress is not None:
            progress(at + 1, n)
    return chosen


def fit_autoencoder(
    source: Source,
    healthy: Sequence[bytes],
    held_back: Sequence[bytes],
    recipe: AutoencoderRecipe,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> Autoencoder:
    """Train an autoencoder to draw healthy images again, by their mean absolute error.

    Parameters
    ----------
    source, healthy, held_back, seed
        As of :func:`fit_memory`.
    recipe
        How.
    progress
        Called with (done, all) after each step.

    Raises
    ------
    GreenstickError
        Where there are no healthy images, or the loss is no longer a number.
    """
    _check(healthy, held_back)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = Autoencoder(recipe.width, recipe.code).train()
    optimizer = torch.optim.Adam(model.parameters(), recipe.lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.lr, total_steps=recipe.steps + 1
    )

    def loss_of_some() -> Tensor:
        keys = [healthy[int(at)] for at in rng.choice(len(healthy), recipe.batch)]
        images = to_images(torch.from_numpy(source.gather(keys)))
        images = images.flip(3) if rng.random() < 0.5 else images
        return (images - model.reconstruct(images)).abs().mean()

    _descend(loss_of_some, optimizer, schedule, recipe.steps, progress)
    return scaled(model, source, held_back)


def fit_departures(
    restorer: Restorer,
    source: Source,
    healthy: Sequence[bytes],
    held_back: Sequence[bytes],
    recipe: DeparturesRecipe,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> RestoredDepartures:
    """Learn how far healthy bone departs from its restorations, so that more than that shows.

    What is expected is the mean of an exponential distribution, fitted by maximum likelihood.

    Parameters
    ----------
    restorer
        As trained on healthy images.
    source, healthy, held_back, seed
        As of :func:`fit_memory`.
    recipe
        How.
    progress
        Called with (done, all) after each step.

    Raises
    ------
    GreenstickError
        Where there are no healthy images, or the loss is no longer a number.
    """
    _check(healthy, held_back)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    model = RestoredDepartures(restorer.eval())
    keys = [healthy[int(at)] for at in rng.permutation(len(healthy))[: recipe.images]]
    with torch.no_grad():
        found = torch.cat([model.found(images) for _, images in _batches(source, keys)])
    model.expected.begin(found.mean(dim=(0, 2, 3)))
    optimizer = torch.optim.Adam(model.expected.parameters(), recipe.lr)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda done: 1.0 - done / recipe.steps)

    def loss_of_some() -> Tensor:
        rows = rng.choice(len(keys), recipe.batch)
        images = to_images(torch.from_numpy(source.gather([keys[int(row)] for row in rows])))
        logarithms: Tensor = model.expected(images)
        return (logarithms + found[rows] * torch.exp(-logarithms)).mean()

    _descend(loss_of_some, optimizer, schedule, recipe.steps, progress)
    return scaled(model, source, held_back)


def scaled(model: Model, source: Source, held_back: Sequence[bytes]) -> Model:
    """Set a model's scale by healthy images held back; return it, in evaluation mode."""
    model.eval()
    with torch.no_grad():
        highest = [
            model.depart(images).amax(dim=(1, 2, 3)) for _, images in _batches(source, held_back)
        ]
    model.scale_by(torch.cat(highest))
    return model


def _descend(
    loss_of_some: Callable[[], Tensor],
    optimizer: torch.optim.Optimizer,
    schedule: torch.optim.lr_scheduler.LRScheduler,
    steps: int,
    progress: Progress | None,
) -> None:
    """Follow the gradient of a loss of some images drawn anew for so many steps."""
    for step in range(1, steps + 1):
        loss = loss_of_some()
        if not bool(torch.isfinite(loss)):
            raise GreenstickError(
                f"The loss is no longer a number (step {step}).",
                remedy="Train with a smaller learning rate.",
            )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step, steps)


@torch.no_grad()
def _features(
    model: FeatureMemory, images: Tensor, share: int, generator: torch.Generator
) -> Iterator[Tensor]:
    """Give some of each image's features, (up to share, D), of cells that show something."""
    lit = functional.avg_pool2d(images, CELL_PX).flatten(1) > _BLACK
    for grid, shows in zip(model.see(images), lit, strict=True):
        cells = grid.flatten(1).T[shows]
        yield cells[torch.randperm(len(cells), generator=generator)[:share]]


def _batches(source: Source, keys: Sequence[bytes]) -> Iterator[tuple[int, Tensor]]:
    """Give (images so far, a batch of images)."""
    for start in range(0, len(keys), _BATCH):
        some = keys[start : start + _BATCH]
        yield start + len(some), to_images(torch.from_numpy(source.gather(some)))


def _check(healthy: Sequence[bytes], held_back: Sequence[bytes]) -> None:
    if not healthy or not held_back:
        raise GreenstickError(
            "There are no healthy images to learn from, or none to set the scale by.",
            remedy="Give a cohort with images of label 0 in both parts.",
        )
