"""How models that learn from healthy images alone are trained, as settings; no torch."""

from pydantic import BaseModel, ConfigDict, Field


class _Recipe(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class MemoryRecipe(_Recipe):
    """How a memory of healthy features is made."""

    features: int = Field(default=2000, ge=1, description="how many are kept")
    seen: int = Field(
        default=100_000, ge=1, description="how many they are chosen from, drawn at random"
    )


class AutoencoderRecipe(_Recipe):
    """How an autoencoder is trained."""

    steps: int = Field(default=1500, ge=1, description="of training, each on a batch of images")
    batch: int = Field(default=8, ge=1, description="images in a step")
    lr: float = Field(default=2e-3, gt=0.0, description="highest learning rate")
    width: int = Field(default=16, ge=4, description="channels of the first stage")
    code: int = Field(default=16, ge=1, description="channels at the bottleneck, 1/16 of the side")


class DeparturesRecipe(_Recipe):
    """How it is learned what departures are to be expected."""

    steps: int = Field(default=300, ge=1, description="of training, each on a batch of images")
    images: int = Field(default=150, ge=1, description="healthy images that are looked at")
    batch: int = Field(default=4, ge=1, description="images in a step")
    lr: float = Field(default=3e-3, gt=0.0, description="learning rate at the start")


class PeerRecipes(_Recipe):
    """One recipe for each value of ``model.peer``."""

    memory: MemoryRecipe = MemoryRecipe()
    autoencoder: AutoencoderRecipe = AutoencoderRecipe()
    departures: DeparturesRecipe = DeparturesRecipe()
