"""Settings of the restorer of healthy bone; no torch."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class RestorerSettings(BaseModel):
    """A network that says what intact bone would look like in a hole of the picture."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    patch_px: int = Field(default=16, ge=8, multiple_of=8, description="side of a hole")
    scales: tuple[Literal[1, 2, 4], ...] = Field(
        default=(1, 2, 4),
        min_length=1,
        description="the picture is also restored at 1/2 and 1/4: holes of 2 and 4 patch_px",
    )
    width: int = Field(default=24, ge=8, multiple_of=8, description="channels of the first stage")
    guide: Literal["none", "contours", "contours+detail"] = Field(
        default="contours",
        description="what is told of a hole: nothing, smooth outlines, or high frequencies too",
    )
