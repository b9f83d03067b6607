"""SAM's modules from the `segment-anything` package, without the rest of it.

Importing the package imports torchvision and with it torch's compiler, which takes more than a
second and is not used here. Its folder `modeling` needs neither. It is imported alone and under
another name, so that `import segment_anything` elsewhere gives the whole package.
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import TYPE_CHECKING

__all__ = [
    "MLP",
    "Attention",
    "Block",
    "ImageEncoderViT",
    "LayerNorm2d",
    "MLPBlock",
    "MaskDecoder",
    "PromptEncoder",
    "TwoWayTransformer",
]

if TYPE_CHECKING:
    from segment_anything.modeling import (
        ImageEncoderViT,
        MaskDecoder,
        PromptEncoder,
        TwoWayTransformer,
    )
    from segment_anything.modeling.common import LayerNorm2d, MLPBlock
    from segment_anything.modeling.image_encoder import Attention, Block
    from segment_anything.modeling.mask_decoder import MLP

_MODELING = f"{__name__}_modeling"


def _import_modeling() -> None:
    package = find_spec("segment_anything")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("napari-pisam needs segment-anything: pip install it.")
    folder = Path(package.submodule_search_locations[0]) / "modeling"
    start = folder / "__init__.py"
    spec = spec_from_file_location(_MODELING, start, submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"{start} cannot be imported: install segment-anything again.")
    sys.modules[_MODELING] = module_from_spec(spec)
    try:
        spec.loader.exec_module(sys.modules[_MODELING])
    except BaseException:
        del sys.modules[_MODELING]
        raise


if not TYPE_CHECKING:
    if _MODELING not in sys.modules:
        _import_modeling()
    _modules = {
        name: import_module(f"{_MODELING}.{name}")
        for name in ("common", "image_encoder", "mask_decoder", "prompt_encoder", "transformer")
    }
    LayerNorm2d, MLPBlock = _modules["common"].LayerNorm2d, _modules["common"].MLPBlock
    Attention, Block = _modules["image_encoder"].Attention, _modules["image_encoder"].Block
    ImageEncoderViT = _modules["image_encoder"].ImageEncoderViT
    MaskDecoder, MLP = _modules["mask_decoder"].MaskDecoder, _modules["mask_decoder"].MLP
    PromptEncoder = _modules["prompt_encoder"].PromptEncoder
    TwoWayTransformer = _modules["transformer"].TwoWayTransformer
