"""SAM's modules are the package's own, and importing them costs no more than torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

IMPORT = """
import sys
import napari_pisam.predict.predictor
from napari_pisam.model.sam import ImageEncoderViT
heavy = {"torchvision", "torch._dynamo", "segment_anything"} & set(sys.modules)
import segment_anything
import segment_anything.modeling
print(sorted(heavy), sys.modules[ImageEncoderViT.__module__].__file__)
print(segment_anything.modeling.ImageEncoderViT.__module__, segment_anything.SamPredictor.__name__)
"""


def test_prediction_imports_neither_torchvision_nor_torchs_compiler_and_hides_no_package() -> None:
    command = [sys.executable, "-W", "ignore", "-c", IMPORT]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    heavy, file = first.split(" ", 1)
    assert heavy == "[]"
    assert Path(file).parts[-3:] == ("segment_anything", "modeling", "image_encoder.py")
    assert second == "segment_anything.modeling.image_encoder SamPredictor"
