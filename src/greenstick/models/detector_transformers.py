"""D-FINE and RT-DETR v2 by transformers (Apache-2.0), for those who have the extra.

Both give a set of boxes, each fracture once (Carion et al., ECCV 2020), so nothing is merged.
No other module imports the library, and this one only when a network of its is asked for.
"""

import copy
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.ops import box_convert

from greenstick.errors import GreenstickError
from greenstick.models.detector_backends import needed_backend
from greenstick.models.detector_parts import DetectorParts, TrueBatch
from greenstick.models.detector_plans import PLANS

_LAST_STRIDE = 32
#: Where to find weights of COCO, as Apache-2.0, on machines that reach the hub.
HUB = {
    "dfine_n": "ustc-community/dfine-nano-coco",
    "dfine_s": "ustc-community/dfine-small-coco",
    "dfine_m": "ustc-community/dfine-medium-coco",
    "rtdetr_v2_r18": "PekingU/rtdetr_v2_r18vd",
}
#: What is of COCO's 80 classes, and learned anew; and counts that nothing goes by.
_NOT_THERE = ("class_embed", "enc_score_head", "num_batches_tracked")


class SetBody(nn.Module):
    """The convolutional backbone: grids of the strides that the head takes."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network
        stages = range(len(network.encoder.stages))
        #: How the names of its parameters begin, from the stem on.
        self.stages = ("network.embedder.", *(f"network.encoder.stages.{i}." for i in stages))

    def forward(self, colored: Tensor) -> list[Tensor]:
        """Return the grids of (N, 3, H, W)."""
        return list(self.network(colored).feature_maps)


class SetBoxes(nn.Module):
    """Encoder and decoder: queries that become boxes, and the loss by matching them.

    Parameters
    ----------
    network
        The library's model without a backbone.
    loss
        The library's loss function of this model.
    """

    def __init__(self, network: Any, loss: Callable[..., Any]) -> None:
        super().__init__()
        self.network = network
        self.loss = loss

    def forward(self, grids: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Return boxes (N, Q, 4), as corners in pixels, and logits (N, Q, C), of Q queries.

        The library's own way fixes the number of images in an export; this is the same, written
        for any number, and a test holds it to the library's.
        """
        model = self.network
        encoded = self._encoded(grids).last_hidden_state
        sources = [
            project(grid) for project, grid in zip(model.decoder_input_proj, encoded, strict=True)
        ]
        shapes = [(int(grid.shape[2]), int(grid.shape[3])) for grid in sources]
        cells = torch.cat([grid.flatten(2).transpose(1, 2) for grid in sources], dim=1)
        anchors, inside = model.generate_anchors(tuple(shapes), device=cells.device)
        memory = model.enc_output(inside.to(cells.dtype) * cells)
        scores, places = model.enc_score_head(memory), model.enc_bbox_head(memory) + anchors
        best = scores.amax(-1).topk(model.config.num_queries, dim=1).indices[..., None]
        sizes = torch.tensor(shapes, device=cells.device)
        starts = sizes.prod(1).cumsum(0) - sizes.prod(1)
        decoded = model.decoder(
            inputs_embeds=memory.gather(1, best.expand(-1, -1, memory.shape[-1])),
            encoder_hidden_states=cells,
            encoder_attention_mask=None,
            reference_points=places.gather(1, best.expand(-1, -1, 4)),
            spatial_shapes=sizes,
            spatial_shapes_list=shapes,
            level_start_index=starts,
        )
        return self._last(decoded, grids)

    def judged(self, grids: list[Tensor], truth: TrueBatch) -> tuple[Tensor, Tensor, Tensor]:
        """Return boxes, logits and the loss of a batch, as :class:`LearningHead` has it."""
        labels = _labels(truth, grids[-1])
        decoded = self._decoded(grids, labels if self.training else None)
        boxes, logits = self._last(decoded, grids)
        images = torch.nonzero(truth.annotated)[:, 0].tolist()
        if not images:
            return boxes, logits, (boxes.sum() + logits.sum()) * 0.0
        known = truth.annotated
        hidden = decoded.denoising_meta_values if self.training else None
        if hidden is not None:
            kept = [hidden["dn_positive_idx"][image] for image in images]
            hidden = {**hidden, "dn_positive_idx": kept}
        classes = decoded.intermediate_logits[known]
        places = decoded.intermediate_reference_points[known]
        loss, *_ = self.loss(
            classes[:, -1],
            [labels[image] for image in images],
            boxes.device,
            places[:, -1],
            self.network.config,
            classes,
            places,
            enc_topk_logits=decoded.enc_topk_logits[known],
            enc_topk_bboxes=decoded.enc_topk_bboxes[known],
            denoising_meta_values=hidden,
            predicted_corners=_rows(decoded.intermediate_predicted_corners, known),
            initial_reference_points=_rows(decoded.initial_reference_points, known),
        )
        return boxes, logits, loss

    def _encoded(self, grids: list[Tensor]) -> Any:
        queries = self.network.config.num_queries
        if sum(grid.shape[2] * grid.shape[3] for grid in grids) < queries:
            raise GreenstickError(
                f"The images have fewer cells than this detector has queries ({queries}).",
                remedy="Take a larger canvas: --set canvas_px=416.",
            )
        projections = zip(self.network.encoder_input_proj, grids, strict=True)
        return self.network.encoder([project(grid) for project, grid in projections])

    def _decoded(self, grids: list[Tensor], labels: list[dict[str, Tensor]] | None) -> Any:
        # With encoded grids at hand, the grid itself only tells the batch and the device.
        encoded = self._encoded(grids)
        return self.network(None, inputs_embeds=grids[0], encoder_outputs=encoded, labels=labels)

    def _last(self, decoded: Any, grids: list[Tensor]) -> tuple[Tensor, Tensor]:
        queries = self.network.config.num_queries  # those that are only for training come before
        middles = decoded.intermediate_reference_points[:, -1, -queries:]
        logits = decoded.intermediate_logits[:, -1, -queries:]
        return box_convert(middles, "cxcywh", "xyxy") * _sides(grids[-1]), logits


def _rows(values: Tensor | None, known: Tensor) -> Tensor | None:
    return None if values is None else values[known]  # RT-DETR has not all that D-FINE has


def _labels(truth: TrueBatch, last: Tensor) -> list[dict[str, Tensor]]:
    labels = []
    for image, known in enumerate(truth.annotated.tolist()):
        boxes, classes = truth.of_image(image)
        shares = box_convert(boxes, "xyxy", "cxcywh") / _sides(last)
        some = slice(None if known else 0)
        labels.append({"class_labels": classes[some], "boxes": shares[some]})
    return labels


def _sides(last: Tensor) -> Tensor:
    height, width = (side * _LAST_STRIDE for side in last.shape[-2:])
    return torch.tensor([width, height, width, height], dtype=torch.float32, device=last.device)


def transformers_parts(name: str, classes: tuple[str, ...], weights: str) -> DetectorParts:
    """Return a network.

    Parameters
    ----------
    name
        One of :data:`HUB`, or ``dfine_test`` or ``rtdetr_test``, tiny ones.
    classes
        What is found.
    weights
        ``none`` (or ``auto``): random; ``hub``: COCO's, by the hub; or a folder with
        ``config.json`` and ``model.safetensors``. Of other classes than ours is learned anew.

    Raises
    ------
    GreenstickError
        Where transformers is not installed, the weights cannot be had, are a pickle, or another
        network's.
    """
    needed_backend(name)
    with _quiet():
        kind, config, loss = planned(name, classes)
        if weights in ("auto", "none"):
            network, origin = kind(config), "from scratch"
        else:
            network, origin = _pretrained(kind, config, name, weights)
        model = network.model
    for layers in (model.decoder.bbox_embed, model.decoder.class_embed):
        for i in range(1, len(layers)):  # the library may share what the method does not
            layers[i] = copy.deepcopy(layers[i])
    body = SetBody(model.backbone.model)
    del model.backbone  # it is the other part
    return DetectorParts(body, SetBoxes(model, loss), torch.zeros(3), torch.ones(3), origin)


def _pretrained(kind: Any, config: Any, name: str, weights: str) -> tuple[Any, str]:
    place = _hub_name(name) if weights == "hub" else weights
    if weights != "hub" and not (Path(weights) / "model.safetensors").is_file():
        raise GreenstickError(
            f"There is no model.safetensors in {weights}.",
            remedy="Give the folder of a model as safetensors; pickles are not loaded.",
        )
    try:
        network, told = kind.from_pretrained(
            place,
            config=config,
            use_safetensors=True,
            local_files_only=weights != "hub",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        first = (str(error).splitlines() or ["no reason told"])[0]
        raise GreenstickError(
            f"The weights {place} cannot be had ({first[:160]}).",
            remedy="Copy the model's folder to this machine, and give it as --weights.",
        ) from None
    strange = [*told["missing_keys"], *(each[0] for each in told["mismatched_keys"])]
    strange = [key for key in strange if not any(part in key for part in _NOT_THERE)]
    if strange:
        raise GreenstickError(
            f"{Path(place).name} is not {name} (first tensor that does not fit: {strange[0]!r}).",
            remedy=f"Name the network that these weights were trained for: {', '.join(HUB)}.",
        )
    told_as = place if weights == "hub" else Path(place).name
    return network, f"{told_as}: {name}, without its classes"


def _hub_name(name: str) -> str:
    if name not in HUB:
        raise GreenstickError(
            f"There are no weights of {name} on the hub.", remedy="Take --weights none."
        )
    return HUB[name]


def planned(name: str, classes: tuple[str, ...]) -> tuple[Any, Any, Callable[..., Any]]:
    """Return the class of a network in the library, its settings, and its loss."""
    from transformers import (
        DFineConfig,
        DFineForObjectDetection,
        HGNetV2Config,
        RTDetrResNetConfig,
        RTDetrV2Config,
        RTDetrV2ForObjectDetection,
    )
    from transformers.loss.loss_d_fine import DFineForObjectDetectionLoss
    from transformers.loss.loss_rt_detr import RTDetrForObjectDetectionLoss

    plan = PLANS[name]
    named: dict[str, Any] = {
        "id2label": dict(enumerate(classes)),
        "label2id": {each: number for number, each in enumerate(classes)},
        "freeze_backbone_batch_norms": False,  # --set frozen_stages does, where wanted
    }
    if name.startswith("dfine"):
        backbone = HGNetV2Config(**plan["backbone"])
        config = DFineConfig(backbone_config=backbone, **plan["detector"], **named)
        return DFineForObjectDetection, config, DFineForObjectDetectionLoss
    backbone = RTDetrResNetConfig(**plan["backbone"])
    config = RTDetrV2Config(backbone_config=backbone, **plan["detector"], **named)
    return RTDetrV2ForObjectDetection, config, RTDetrForObjectDetectionLoss


@contextmanager
def _quiet() -> Iterator[None]:
    """Hold back the library's notes on tensors that do not fit; what matters is checked here."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    # It checks shapes in a way that no export knows.
    os.environ.setdefault("TRANSFORMERS_DISABLE_TORCH_CHECK", "1")
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
