"""How a restorer of healthy bone is trained, as settings."""

from pydantic import BaseModel, ConfigDict, Field


class RestorerRecipe(BaseModel):
    """How a restorer is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    steps: int = Field(default=3000, ge=1, description="of training, each on a batch of pieces")
    batch: int = Field(default=16, ge=1, description="pieces in a step")
    crop_px: int = Field(default=64, ge=16, multiple_of=8, description="side of a piece")
    lr: float = Field(default=3e-3, gt=0.0, description="highest learning rate")
    adversarial: float = Field(
        default=0.0, ge=0.0, description="weight of the critic beside the L1 error; 0: none"
    )
    adversarial_from: float = Field(
        default=0.3, ge=0.0, le=1.0, description="share of the steps before the critic takes part"
    )
    ema: float = Field(default=0.995, ge=0.0, lt=1.0, description="decay of the averaged weights")
    check_every: int = Field(default=200, ge=1, description="steps between checks and pictures")
