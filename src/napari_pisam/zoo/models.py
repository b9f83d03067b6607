"""The table of named models: where their weights are offered, their checksums and licences."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

DEFAULT_MODEL = "pisam-tiny"
_SAM_URL = "https://dl.fbaipublicfiles.com/segment_anything/"
_HQ_URL = "https://huggingface.co/lkeab/hq-sam/resolve/main/"
_HQ_NOTE = (
    "The md5 is the one that another open project records; the authors of HQ-SAM publish none."
)


class ModelNotFoundError(ValueError):
    """There is no such model, or it is not on this machine; the message says what to do."""


@dataclass(frozen=True)
class ZooEntry:
    """One named model.

    url: where its authors offer it, None for the embedded one. hash: "sha256:..." or "md5:...",
    None for the embedded one. size: bytes, None where nobody states it. encoder: "tiny", "vit_b",
    "vit_l" or "vit_h". kind: as model.checkpoint tells it from the file.
    """

    name: str
    filename: str
    url: str | None
    hash: str | None
    size: int | None
    licence: str
    encoder: str
    kind: Literal["pisam", "sam", "hq_sam"]
    description: str

    @property
    def embedded(self) -> bool:
        """Whether it comes with the package."""
        return self.url is None


_SAM_FILES = (
    (
        "vit_b",
        "sam_vit_b_01ec64.pth",
        "ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
        375_042_383,
    ),
    (
        "vit_l",
        "sam_vit_l_0b3195.pth",
        "3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
        1_249_524_607,
    ),
    (
        "vit_h",
        "sam_vit_h_4b8939.pth",
        "a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
        2_564_550_879,
    ),
)
_HQ_FILES = (
    ("vit_b", "c6b8953247bcfdc8bb8ef91e36a6cacc", "379 MB"),
    ("vit_l", "08947267966e4264fb39523eccc33f86", "1.25 GB"),
    ("vit_h", "3560f6b6a5a6edacd814a1325c39640a", "2.57 GB"),
)


def _spoken(encoder: str) -> str:
    return "ViT-" + encoder.removeprefix("vit_").upper()


def _entries() -> Iterator[ZooEntry]:
    yield ZooEntry(
        name=DEFAULT_MODEL,
        filename=f"{DEFAULT_MODEL}.safetensors",
        url=None,
        hash=None,
        size=None,
        licence="see the model card",
        encoder="tiny",
        kind="pisam",
        description="The small model that comes with the package and runs on a laptop's CPU.",
    )
    for encoder, filename, sha256, size in _SAM_FILES:
        yield ZooEntry(
            name=f"sam_{encoder}",
            filename=filename,
            url=_SAM_URL + filename,
            hash=f"sha256:{sha256}",
            size=size,
            licence="Apache-2.0",
            encoder=encoder,
            kind="sam",
            description=f"Segment Anything, {_spoken(encoder)}, as published by Meta AI.",
        )
    for encoder, md5, about in _HQ_FILES:
        yield ZooEntry(
            name=f"hq_sam_{encoder}",
            filename=f"sam_hq_{encoder}.pth",
            url=f"{_HQ_URL}sam_hq_{encoder}.pth",
            hash=f"md5:{md5}",
            size=None,
            licence="Apache-2.0",
            encoder=encoder,
            kind="hq_sam",
            description=f"HQ-SAM, {_spoken(encoder)}, about {about}. {_HQ_NOTE}",
        )


ZOO: Mapping[str, ZooEntry] = MappingProxyType({entry.name: entry for entry in _entries()})


def find(name: str) -> ZooEntry:
    """The entry of that name; raises ModelNotFoundError with the nearest names."""
    if name in ZOO:
        return ZOO[name]
    near = difflib.get_close_matches(name, ZOO, n=1)
    hint = f"did you mean {near[0]}?" if near else f"the names are {', '.join(ZOO)}."
    raise ModelNotFoundError(f"There is no model and no file '{name}'; {hint}")


def notice(entry: ZooEntry) -> str | None:
    """One sentence on what a model lacks beside a whole Pi-SAM, None when it lacks nothing."""
    own = {"sam": "SAM's own decoder", "hq_sam": "HQ-SAM's decoder"}.get(entry.kind)
    if own is None:
        return None
    return (
        f"No Pi-SAM decoder is at hand for {_spoken(entry.encoder)}: {entry.name} answers with "
        f"{own}, without the high-resolution head and the Precise Interactor."
    )
