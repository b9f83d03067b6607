"""Configurations: what is read, and what is refused in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_pisam.train.config import ConfigError, load_config
from napari_pisam.train.published import published_config

RECIPES = Path(__file__).parents[2] / "recipes"
GOOD = """
name = "test"
stage = "encoder"
[[source]]
name = "cells"
images = "images"
masks = "masks"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "run.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_fill_what_a_file_leaves_out(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert config.stage == "encoder"
    assert config.sources[0].kind == "instance"
    assert config.seed == 42


def test_sources_come_from_another_file_and_its_own(tmp_path: Path) -> None:
    (tmp_path / "sources.toml").write_text(GOOD[GOOD.index("[[") :].replace("cells", "more"))
    config = load_config(written(tmp_path, 'data = "sources.toml"' + GOOD))
    assert [s.name for s in config.sources] == ["more", "cells"]


def test_a_stage_may_set_weights_of_sources(tmp_path: Path) -> None:
    more = GOOD[GOOD.index("[[") :]
    (tmp_path / "sources.toml").write_text(more + "weight = 3\n" + more.replace("cells", "few"))
    own = 'data = "sources.toml"\nname = "t"\nstage = "decoder"\n[weights]\nfew = 2\n'
    config = load_config(written(tmp_path, own))
    assert [(s.name, s.weight) for s in config.sources] == [("cells", 3.0), ("few", 2.0)]


def test_the_published_list_is_a_source_of_data(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, 'data = "published"\nname = "t"\nstage = "decoder"\n'))
    learned = [s for s in config.sources if s.training and s.validation == "$^"]
    assert len(learned) == 9
    assert {s.kind for s in config.sources} == {"whole"}
    fss = next(s for s in config.sources if s.name == "FSS")
    assert (fss.images, fss.masks) == ("fss_all", "fss_all")
    assert (fss.image_ext, fss.mask_ext) == (".jpg", ".png")


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ("stage = 3", "stage"),
        ('stage = "middle"', "'encoder' or 'decoder'"),
        ("step = 3", "'step'"),
        ('steps = "many"', "a whole number"),
        ("steps = 0", "at least 1"),
        ("steps = true", "a whole number"),
        ("ema = 1.5", "at most 1"),
        ("model = 'huge'", "vit_b"),
        ("losses = ['hgh']", "'hgh'"),
        ("losses = 'high'", "a list"),
        ("[prompts]\nsquare = 1.0", "click"),
        ("[prompts]\nbox = 0.0", "more than 0"),
        ("[learning_rates]\nmask_decoder = -1", "negative"),
        ("[learning_rates]\nmask_decoder = 'fast'", "a number"),
        ("data = 'elsewhere.toml'", "elsewhere.toml"),
        ("data = 3", "data"),
        ("[[source]]\nname = 'x'\nimages = 'x'", "'masks'"),
        ("[[source]]\nname = 'x'\nimages = 'x'\nmasks = 'x'\nvalidation = '('", "regular"),
        ("[[source]]\nname = 'x'\nimages = 'x'\nmasks = 'x'\nkind = 'blobs'", "'whole'"),
        ("source = 3", "[[source]]"),
        ("[weights]\nnuclei = 1", "there is cells"),
        ("[weights]\ncells = -1", "from 0"),
        ("[weights]\ncells = true", "a number"),
        ("weights = 3", "a table"),
        ("= 3", "TOML"),
    ],
)
def test_a_bad_entry_is_named_in_one_sentence(tmp_path: Path, change: str, word: str) -> None:
    text = change + "\n" + GOOD if not change.startswith("[") else GOOD + change
    if change.startswith("stage"):
        text = text.replace('stage = "encoder"\n', "")
    if change.startswith("source"):
        text = text[: text.index("[[")]
    with pytest.raises(ConfigError) as caught:
        load_config(written(tmp_path, text))
    message = str(caught.value)
    assert word in message
    assert "\n" not in message.partition("is not TOML")[0]
    assert message.endswith(".")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml cannot be read"):
        load_config(tmp_path / "nowhere.toml")


def test_a_file_without_images_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at least one"):
        load_config(written(tmp_path, 'name = "t"\nstage = "encoder"\n'))


@pytest.mark.parametrize("encoder", ["vit_b", "vit_l", "vit_h"])
@pytest.mark.parametrize("stage", ["decoder", "interactor"])
def test_published_recipes_equal_the_configurations_in_the_code(encoder: str, stage: str) -> None:
    recipe = load_config(RECIPES / "published" / f"{encoder}-{stage}.toml")
    assert recipe == published_config(encoder, stage)  # type: ignore[arg-type]


def test_the_published_recipe_refuses_other_encoders() -> None:
    with pytest.raises(ConfigError, match="vit_b"):
        published_config("vit_g", "decoder")


@pytest.mark.parametrize("path", sorted((RECIPES / "pisam-tiny").glob("[0-9]*.toml")))
def test_recipes_of_the_small_model_can_be_read(path: Path) -> None:
    assert load_config(path).sources
