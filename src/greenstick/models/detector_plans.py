"""The sizes of D-FINE (Peng et al., ICLR 2025) and RT-DETR v2 (Lv et al., 2024) as published."""

from typing import Any


def _hgnet(width: int, blocks: int, layers: int, stem: tuple[int, int]) -> dict[str, Any]:
    """Return the plan of an HGNet v2 (Baidu) whose first stage gives ``width`` channels."""
    outputs = [width, width * 4, width * 8, width * 16]
    middle = {64: 16, 96: 32, 16: 8}[width]
    return {
        "hidden_sizes": [width * 2, width * 4, width * 8, width * 16],
        "stem_channels": [3, *stem],
        "stage_in_channels": [stem[1], *outputs[:3]],
        "stage_mid_channels": [middle, middle * 2, middle * 4, middle * 8],
        "stage_out_channels": outputs,
        "stage_num_blocks": [1, 1, blocks, 1],
        "stage_numb_of_layers": [layers] * 4,
        "use_learnable_affine_block": True,
        "out_indices": [2, 3, 4],
    }


#: What tests' tiny detectors have in common.
_TINY: dict[str, Any] = {
    "d_model": 32,
    "encoder_hidden_dim": 32,
    "encoder_ffn_dim": 32,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "decoder_in_channels": [32, 32, 32],
    "decoder_ffn_dim": 32,
    "decoder_layers": 2,
    "hidden_expansion": 0.5,
    "num_queries": 20,
    "num_denoising": 8,
}
#: Settings of backbone and detector that differ from the library's own; and tiny ones for tests.
PLANS: dict[str, dict[str, dict[str, Any]]] = {
    "dfine_n": {
        "backbone": {**_hgnet(64, 2, 3, (16, 16)), "out_indices": [3, 4]},
        "detector": {
            "d_model": 128,
            "encoder_hidden_dim": 128,
            "encoder_in_channels": [512, 1024],
            "encoder_ffn_dim": 512,
            "encode_proj_layers": [1],
            "feat_strides": [16, 32],
            "num_feature_levels": 2,
            "decoder_in_channels": [128, 128],
            "decoder_n_points": [6, 6],
            "decoder_ffn_dim": 512,
            "decoder_layers": 3,
            "depth_mult": 0.5,
            "hidden_expansion": 0.34,
        },
    },
    "dfine_s": {
        "backbone": _hgnet(64, 2, 3, (16, 16)),
        "detector": {
            "encoder_in_channels": [256, 512, 1024],
            "decoder_n_points": [3, 6, 3],
            "decoder_layers": 3,
            "depth_mult": 0.34,
            "hidden_expansion": 0.5,
        },
    },
    "dfine_m": {
        "backbone": _hgnet(96, 3, 4, (24, 32)),
        "detector": {
            "encoder_in_channels": [384, 768, 1536],
            "decoder_n_points": [3, 6, 3],
            "decoder_layers": 4,
            "depth_mult": 0.67,
        },
    },
    "rtdetr_v2_r18": {
        "backbone": {
            "hidden_sizes": [64, 128, 256, 512],
            "depths": [2, 2, 2, 2],
            "layer_type": "basic",
            "out_indices": [2, 3, 4],
        },
        "detector": {
            "encoder_in_channels": [128, 256, 512],
            "hidden_expansion": 0.5,
            "decoder_layers": 3,
        },
    },
    "dfine_test": {
        "backbone": _hgnet(16, 1, 1, (8, 8)),
        "detector": {
            **_TINY,
            "encoder_in_channels": [64, 128, 256],
            "decoder_n_points": [2, 2, 2],
            "depth_mult": 0.34,
        },
    },
    "rtdetr_test": {
        "backbone": {
            "embedding_size": 8,
            "hidden_sizes": [8, 16, 32, 64],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
            "out_indices": [2, 3, 4],
        },
        "detector": {**_TINY, "encoder_in_channels": [16, 32, 64]},
    },
}
