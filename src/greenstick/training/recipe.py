"""How a classifier is trained, as settings."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Augmentation(_Settings):
    """How training images are varied; each value is the widest deviation that is drawn."""

    flip_horizontal: bool = Field(default=True, description="mirror half of the images")
    flip_vertical: bool = Field(default=False, description="turn half of the images upside down")
    turn_90: bool = Field(default=False, description="turn by a random multiple of 90 degrees")
    rotate_degrees: float = Field(
        default=12.0, ge=0.0, le=180.0, description="rotation to either side, in degrees"
    )
    scale: float = Field(
        default=0.15, ge=0.0, lt=1.0, description="0.15: from 1/1.15 to 1.15 times the size"
    )
    shift: float = Field(
        default=0.06, ge=0.0, le=0.5, description="shift along each axis, in shares of the side"
    )
    resized_crop: float = Field(
        default=1.0,
        gt=0.0,
        le=1.0,
        description="smallest share of the image's area that fills the whole of it; 1: all of it",
    )
    exposure: float = Field(
        default=0.3, ge=0.0, description="gamma between exp(-x) and exp(x), as exposure changes it"
    )
    contrast: float = Field(
        default=0.2, ge=0.0, lt=1.0, description="contrast from 1 - x to 1 + x times"
    )
    brightness: float = Field(
        default=0.05, ge=0.0, lt=1.0, description="added to all gray levels, to either side"
    )
    noise: float = Field(
        default=0.02, ge=0.0, le=1.0, description="largest standard deviation of added noise"
    )
    cut_out: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="largest side of a blanked square, as a share"
    )


#: Images as they are.
NO_AUGMENTATION = Augmentation(
    flip_horizontal=False,
    rotate_degrees=0.0,
    scale=0.0,
    shift=0.0,
    exposure=0.0,
    contrast=0.0,
    brightness=0.0,
    noise=0.0,
)


class Recipe(_Settings):
    """How a classifier is trained."""

    canvas_px: int = Field(default=320, ge=32, le=4096, description="side of the square canvas")
    crop_px: int = Field(
        default=0, ge=0, description="train on crops of this side from the canvas; 0: whole canvas"
    )
    crop_on_fracture: float = Field(
        default=0.5, ge=0.0, le=1.0, description="share of crops placed around a box, where known"
    )
    start_px: int = Field(
        default=0, ge=0, description="side of the images in the first epochs; 0: the canvas's own"
    )
    start_epochs: int = Field(default=0, ge=0, description="epochs with images of start_px")
    epochs: int = Field(default=10, ge=1, description="passes over the training images")
    batch_size: int = Field(default=32, ge=1, description="images in a step on each device")
    accumulate: int = Field(default=1, ge=1, description="steps whose gradients are added up")
    lr: float = Field(default=5e-4, gt=0.0, description="highest learning rate of the backbone")
    head_lr_factor: float = Field(
        default=4.0, gt=0.0, description="the head's learning rate, in times that of the backbone"
    )
    weight_decay: float = Field(default=0.02, ge=0.0, description="of AdamW; not on biases, norms")
    gradient_clip: float = Field(
        default=5.0, ge=0.0, description="largest norm of the gradient; 0: not clipped"
    )
    schedule: Literal["one-cycle", "cosine", "constant", "plateau"] = Field(
        default="one-cycle",
        description="course of the learning rate over all steps; plateau: lower by plateau_factor "
        "after plateau_patience epochs without a better AUROC",
    )
    plateau_patience: int = Field(default=3, ge=1, description="epochs without a better AUROC")
    plateau_factor: float = Field(
        default=0.1, gt=0.0, lt=1.0, description="what the rate is multiplied by at a plateau"
    )
    warm_up: float = Field(
        default=0.1, ge=0.0, lt=1.0, description="share of all steps in which the rate rises"
    )
    freeze: Literal["none", "head-only", "head-first"] = Field(
        default="none",
        description="head-only trains the head alone; head-first does so for head_epochs",
    )
    head_epochs: int = Field(default=1, ge=1, description="epochs of head-first")
    keep_features: bool = Field(
        default=True,
        description="head-only, and nothing drawn anew each epoch: compute the features once",
    )
    frozen_stages: int = Field(
        default=0, ge=0, description="first stages of the backbone that are never trained"
    )
    loss: Literal["bce", "focal", "cross-entropy", "cells"] = Field(
        default="bce",
        description="bce and focal score each class by itself; cross-entropy is for several "
        "classes of which one holds; cells: weighted bce of each cell, by boxes where known, else "
        "of the highest",
    )
    positive_weight: float = Field(
        default=1.0,
        gt=0.0,
        description="cells: weight of one with a fracture beside one without; larger is more "
        "sensitive and less specific",
    )
    class_weights: Literal["none", "balanced"] = Field(
        default="none", description="balanced: rare classes weigh more in the loss"
    )
    label_smoothing: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="share by which targets move to the middle"
    )
    focal_gamma: float = Field(default=2.0, ge=0.0, description="of the focal loss")
    box_loss_weight: float = Field(
        default=0.0, ge=0.0, description="of the loss that teaches cells where boxes are; 0: none"
    )
    positive_share: float = Field(
        default=0.0,
        ge=0.0,
        lt=1.0,
        description="share of fractures among the drawn images; 0: as they come",
    )
    mosaic: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="detectors: share of images that are shown with three others on one canvas",
    )
    mosaic_free_epochs: int = Field(
        default=3, ge=0, description="last epochs without mosaic, on images as they will be read"
    )
    rare_below: float = Field(
        default=0.0,
        ge=0.0,
        le=1.0,
        description="detectors of several classes: images with a box of a class that fewer than "
        "this share of the images show are drawn more often; 0: as they come",
    )
    unlabeled_weight: float = Field(
        default=0.0,
        ge=0.0,
        description="of the loss on training images without a label: what the network is sure of "
        "holds however they look; 0: they are left out",
    )
    unlabeled_threshold: float = Field(
        default=0.95, gt=0.5, lt=1.0, description="probability from which an answer is sure"
    )
    unlabeled_share: float = Field(
        default=1.0, gt=0.0, description="images without a label in a batch, to one with"
    )
    ema_decay: float = Field(
        default=0.99,
        ge=0.0,
        lt=1.0,
        description="moving average of weights over steps, which is kept; 0: none",
    )
    patience: int = Field(
        default=0, ge=0, description="epochs without a better AUROC before stopping; 0: never stop"
    )
    keep: Literal["best", "last"] = Field(
        default="best",
        description="which epoch: the one of the best validation AUROC, or the last, where "
        "validation has so few fractures that the best is chance",
    )
    precision: Literal["auto", "32", "bf16"] = Field(
        default="auto", description="auto: a short trial takes what is faster on this device"
    )
    flip_average: bool = Field(
        default=True, description="average the logits of an image and its mirror when predicting"
    )
    copies: int = Field(
        default=0,
        ge=0,
        description="versions of each training image, drawn once, the first as it is; 0: drawn "
        "anew each epoch",
    )
    augmentation: Augmentation = Augmentation()
