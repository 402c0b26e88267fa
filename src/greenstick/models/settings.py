"""Which network, as settings; no torch, so that a card is quick to read."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from greenstick.models.patch_settings import RestorerSettings

#: What ``weights`` may be that is no path.
NAMED_WEIGHTS = ("auto", "hub", "none")


def _none(value: Any) -> Any:
    """Take the word "none" for nothing: TOML has no other way to say it."""
    return None if value == "none" else value


class ClassifierSettings(BaseModel):
    """Which network, and where its weights come from."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    backbone: str = Field(
        default="mobilenetv2_100", description="any timm model with spatial features"
    )
    classes: tuple[str, ...] = Field(
        default=("fracture",),
        min_length=1,
        description="one name: one logit; several: one each",
    )
    outputs: Literal["one-of", "any-of"] = Field(
        default="one-of",
        description="of several classes: just one holds (softmax), or any may (a sigmoid each)",
    )
    weights: str = Field(
        default="auto",
        description="auto (a file in $GREENSTICK_WEIGHTS, else the hub, else none), hub, none, "
        "or the path of a .safetensors or .pth file, in an experiment's file relative to it",
    )
    head: Literal["linear", "pyramid", "cells"] = Field(
        default="linear",
        description="linear: cells of the last stage; pyramid: cells of half that size beside a "
        "score of the whole image; cells: those cells alone",
    )
    pooling: Literal["average", "log-sum-exp", "highest"] = Field(
        default="average",
        description="how a linear head's cell logits become the image's logit; highest: the "
        "highest cell, of cells too",
    )
    sharpness: float = Field(
        default=5.0,
        gt=0.0,
        description="of log-sum-exp pooling: near 0 the mean, large the maximum",
    )
    batch_norm: Literal["keep", "fold"] = Field(
        default="keep",
        description="fold: into the convolutions before training (quicker; pretrained only)",
    )
    mean: tuple[float, ...] = Field(
        default=(), max_length=3, description="input mean in [0, 1]; empty: the weights' own"
    )
    std: tuple[float, ...] = Field(
        default=(), max_length=3, description="input standard deviation; empty: the weights' own"
    )
    dropout: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="share of features dropped at the head"
    )
    drop_path: float = Field(
        default=0.0, ge=0.0, lt=1.0, description="stochastic depth of the backbone"
    )
    image_px: int = Field(
        default=0,
        ge=0,
        description="canvas side for backbones of fixed size (Swin, MaxViT); 0: any size",
    )
    peer: Annotated[
        Literal["memory", "autoencoder", "departures"] | None, BeforeValidator(_none)
    ] = Field(
        default=None,
        exclude_if=lambda value: value is None,
        description="what learns from healthy images alone, in the place of the network: memory "
        "(of the backbone's features), autoencoder, departures (from the restorer); none: the "
        "network",
    )
    restorer: Annotated[RestorerSettings | None, BeforeValidator(_none)] = Field(
        default=None,
        # A network without one is told of as it was before there were any.
        exclude_if=lambda value: value is None,
        description="patch residual network: what says how intact bone would look; none: the "
        "network sees the film alone",
    )

    @model_validator(mode="after")
    def _peer_can_be(self) -> Self:
        if self.peer and len(self.classes) > 1:
            raise ValueError("what learns from healthy images alone knows one class")
        if self.peer == "departures" and self.restorer is None:
            raise ValueError("departures are those from a restorer: set model.restorer too")
        return self

    @property
    def needs_restorer(self) -> RestorerSettings | None:
        """The settings of the restorer that is trained first; None where there is no need."""
        return self.restorer if self.peer in (None, "departures") else None
