"""`pisam segment`: what it writes, what it says, what it refuses."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_pisam.images.read import read_image, read_labels
from napari_pisam.predict.predictor import load_predictor
from napari_pisam.prompts import Box, Click, Prompt
from tests.cli.toy import one_sentence, run

Capture = pytest.CaptureFixture[str]


def test_the_labels_are_the_mask_that_python_gives(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    prompt = Prompt(
        points=(Click(40, 35), Click(5, 5, False)),
        box=Box(20, 15, 60, 55),
        corrections=(Click(30, 30, None), Click(70, 60, False)),
    )
    expected = load_predictor(toy_model).segment(np.load(image), prompt)
    output, overlay = tmp_path / "labels.tif", tmp_path / "labels.png"
    written = run(
        capsys, "segment", image, "-o", output, "--overlay", overlay, "--model", toy_model,
        "--point", "40,35", "--not-point", "5,5", "--box", "60,15,20,55",
        "--correct", "30,30", "--correct", "70,60,-",
    )  # fmt: skip
    assert (written.code, written.err) == (0, "")
    np.testing.assert_array_equal(read_labels(output), expected.mask.astype(np.uint16))
    assert expected.mask.any()
    assert read_image(overlay).shape == (90, 120, 3)
    assert f"{expected.mask.sum()} px" in written.out
    assert f"{expected.score:.2f}" in written.out
    assert str(output) in written.out
    assert str(overlay) in written.out


def test_lengths_of_imagej_are_placed_by_the_pixel_size_of_the_image(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    calibrated, pixels = tmp_path / "um.tif", np.load(image)
    tifffile.imwrite(calibrated, pixels, imagej=True, resolution=(4, 4), metadata={"unit": "um"})
    results = tmp_path / "Results.csv"
    results.write_text(" ,Area,Mean,X,Y\n1,0,180,8.75,10\n2,0,180,21.25,12.5\n")
    output = tmp_path / "labels.tif"
    words = ("segment", calibrated, "-o", output, "--model", toy_model, "--prompts", results)
    refused = run(capsys, *words, "--ids", "rows")
    assert refused.code == 1
    assert "--coordinates physical" in one_sentence(refused)
    assert not output.exists()

    placed = run(capsys, *words, "--ids", "rows", "--coordinates", "physical")
    assert placed.code == 0
    predictor, expected = load_predictor(toy_model), np.zeros(pixels.shape, np.uint16)
    for number, click in ((1, Click(40, 35)), (2, Click(50, 85))):
        expected[predictor.segment(pixels, Prompt(points=(click,))).mask] = number
    np.testing.assert_array_equal(read_labels(output), expected)


def test_a_table_gives_each_object_its_id_and_later_ones_cover_earlier_ones(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.csv"
    prompts.write_text(
        "id,kind,y,x,y1,x1\n300,box,10,10,70,70\n70000,box,20,20,60,60\n5,point,50,85,,\n"
    )
    predictor, pixels = load_predictor(toy_model), np.load(image)
    expected = np.zeros(pixels.shape, np.uint32)
    for number, prompt in (
        (300, Prompt(box=Box(10, 10, 70, 70))),
        (70000, Prompt(box=Box(20, 20, 60, 60))),
        (5, Prompt(points=(Click(50, 85),))),
    ):
        expected[predictor.segment(pixels, prompt).mask] = number
    output = tmp_path / "labels.tiff"
    written = run(
        capsys, "segment", image, "--prompts", prompts, "--output", output, "--model", toy_model
    )
    assert written.code == 0
    np.testing.assert_array_equal(read_labels(output), expected)
    for number in (300, 70000, 5):
        assert f"{(expected == number).sum()} px" in written.out
    assert "Object 300: later objects cover" in written.err


def test_many_covered_objects_are_named_in_one_sentence(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    prompts = tmp_path / "prompts.csv"
    boxes = "".join(f"{i},box,20,20,60,60\n" for i in range(1, 9))
    prompts.write_text("id,kind,y,x,y1,x1\n" + boxes)
    written = run(
        capsys, "segment", image, "--prompts", prompts, "-o", tmp_path / "l.tif",
        "--model", toy_model,
    )  # fmt: skip
    assert "cover parts of 7 objects, most of all of 1 (" in one_sentence(written)


def test_channels_plane_and_object_size_reach_the_model(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    plane = np.load(image)
    stack = np.zeros((2, 2, *plane.shape), np.uint16)
    stack[1, 1] = plane.astype(np.uint16) * 100
    image = tmp_path / "stack.ome.tif"
    tifffile.imwrite(image, stack, metadata={"axes": "ZCYX"}, photometric="minisblack")
    output = tmp_path / "labels.tif"
    written = run(
        capsys, "segment", image, "-o", output, "--model", toy_model, "--point", "40,35",
        "--plane", "z=1", "--channels", "1", "--object-size", "30",
    )  # fmt: skip
    assert written.code == 0
    expected = load_predictor(toy_model).segment(
        stack[1, 1], Prompt(points=(Click(40, 35),)), object_size=30
    )
    np.testing.assert_array_equal(read_labels(output) > 0, expected.mask)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--point", "40"), "--point wants Y,X in image pixels, as in 120,200, not '40'"),
        (("--point", "a,b"), "not 'a,b'"),
        (("--point", "nan,1"), "not 'nan,1'"),
        (("--not-point", "1,2,3"), "--not-point wants Y,X"),
        (("--not-point", "1,2"), "Say where the object is"),
        ((), "Say where the object is"),
        (("--box", "1,2,3"), "--box wants Y0,X0,Y1,X1"),
        (("--box", "1,2,1,9"), "no extent"),
        (("--box", "1,2,3,9", "--box", "1,2,3,9"), "one --box"),
        (("--point", "4,4", "--correct", "1,2,?"), "--correct wants"),
        (("--point", "40,120"), "Y,X = 40,120 lies outside; the image has 90 rows"),
        (("--point", "4,4", "--correct", "-1,3"), "Y,X = -1,3 lies outside"),
        (("--box", "100,10,120,30"), "its box lies outside"),
        (("--point", "4,4", "--prompts", "x.csv"), "Either --prompts, or"),
        (("--point", "4,4", "--channels", "0,x"), "--channels wants"),
        (("--point", "4,4", "--channels", "1"), "the image has 1, 0 to 0, no 1"),
        (("--point", "4,4", "--plane", "3"), "--plane wants AXIS=NUMBER"),
        (("--point", "4,4", "--object-size", "0"), "--object-size is a length"),
        (("--point", "4,4", "--overlay", "o.jpg"), "ends in .png"),
        (("--point", "4,4", "--object-size", "big"), "--object-size"),
    ],
)
def test_a_wrong_option_is_one_sentence_and_exit_code_2(
    capsys: Capture, image: Path, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    written = run(capsys, "segment", image, "-o", tmp_path / "labels.tif", *words)
    assert written.code == 2
    assert sentence in one_sentence(written)
    assert not (tmp_path / "labels.tif").exists()


def test_the_image_is_never_overwritten_by_the_result(
    capsys: Capture, image: Path, tmp_path: Path
) -> None:
    tiff = tmp_path / "image.tif"
    tifffile.imwrite(tiff, np.load(image))
    before = tiff.read_bytes()
    written = run(capsys, "segment", tiff, "-o", tiff, "--point", "4,4")
    assert written.code == 2
    assert "is the image itself" in one_sentence(written)
    assert tiff.read_bytes() == before


@pytest.mark.parametrize("output", ["labels.png", "nowhere/labels.tif"])
def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    capsys: Capture, image: Path, tmp_path: Path, output: str
) -> None:
    written = run(capsys, "segment", image, "-o", tmp_path / output, "--point", "4,4")
    assert written.code == 2
    assert one_sentence(written)


def test_a_read_only_folder_is_refused_before_the_work(
    capsys: Capture, image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refused)
    written = run(capsys, "segment", image, "-o", tmp_path / "l.tif", "--point", "4,4")
    assert written.code == 2
    assert "(permission denied): choose another" in one_sentence(written)


def test_of_a_stack_the_option_that_chooses_a_plane_is_named(
    capsys: Capture, tmp_path: Path
) -> None:
    image = tmp_path / "stack.ome.tif"
    tifffile.imwrite(
        image, np.zeros((2, 3, 8, 8), np.uint8), metadata={"axes": "TZYX"}, photometric="minisblack"
    )
    where = ("-o", tmp_path / "labels.tif", "--point", "4,4")
    for words in ((), ("--plane", "z=0"), ("--plane", "i=0")):
        written = run(capsys, "segment", image, *where, *words)
        assert written.code == 2
        assert "(t 0 to 1, z 0 to 2)" in one_sentence(written)
        assert "--plane t=0,z=0" in one_sentence(written)
    written = run(capsys, "segment", image, *where, "--plane", "t=1,z=3")
    assert written.code == 1
    assert "has z 0 to 2, no 3" in one_sentence(written)


def test_parts_of_the_file_that_are_not_used_are_named(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    where = ("-o", tmp_path / "labels.tif", "--point", "40,35", "--model", toy_model)
    channels = tmp_path / "channels.npy"
    np.save(channels, np.stack([np.load(image)] * 5, -1))
    written = run(capsys, "segment", channels, *where)
    assert written.code == 0
    assert "5 channels and the model sees 0, 1 and 2" in one_sentence(written)
    written = run(capsys, "segment", channels, *where, "--channels", "4")
    assert (written.code, written.err) == (0, "")
    several = tmp_path / "several.tif"
    with tifffile.TiffWriter(several) as file:
        file.write(np.load(image))
        file.write(np.zeros((20, 20), np.float32))
    written = run(capsys, "segment", several, *where)
    assert written.code == 0
    assert "holds 2 images; this is the first" in one_sentence(written)


def test_errors_of_the_library_are_one_sentence_and_exit_code_1(
    capsys: Capture, image: Path, toy_model: Path, tmp_path: Path
) -> None:
    page = tmp_path / "model.pth"
    page.write_text("<!doctype html><title>Sign in</title>")
    where = ("-o", tmp_path / "labels.tif", "--point", "40,35")
    for words, sentence in (
        ((tmp_path / "absent.tif", *where), "absent.tif does not exist"),
        ((page, *where), "model.pth does not open as an image"),
        ((image, *where, "--model", "pisam-tny"), "did you mean pisam-tiny?"),
        ((image, *where, "--model", "sam_vit_h"), "pisam models download sam_vit_h"),
        ((image, *where, "--model", page), "is a web page"),
        ((image, *where, "--model", toy_model, "--device", "abacus"), "no device 'abacus'"),
        ((image, *where, "--model", toy_model, "--dtype", "int3"), "no dtype 'int3'"),
    ):
        written = run(capsys, "segment", *words)
        assert written.code == 1
        assert sentence in one_sentence(written)
    assert not (tmp_path / "labels.tif").exists()


def test_debug_shows_where_an_error_comes_from(capsys: Capture, tmp_path: Path) -> None:
    words = ("segment", tmp_path / "absent.tif", "-o", tmp_path / "o.tif", "--point", "1,2")
    with pytest.raises(ValueError, match="does not exist"):
        run(capsys, *words, "--debug")


def test_an_object_that_is_not_found_is_named(
    capsys: Capture,
    image: Path,
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from napari_pisam.masks.packed import NOTHING
    from napari_pisam.predict.mask_bands import ImageMask

    monkeypatch.setattr(ImageMask, "packed", lambda self: NOTHING)
    written = run(
        capsys, "segment", image, "-o", tmp_path / "l.tif", "--model", toy_model,
        "--box", "10,10,40,40",
    )  # fmt: skip
    assert written.code == 0
    assert "nothing was found" in one_sentence(written)
    assert not read_labels(tmp_path / "l.tif").any()


def test_a_full_disk_leaves_the_earlier_labels_as_they_were(
    capsys: Capture,
    image: Path,
    toy_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    output = tmp_path / "labels.tif"
    output.write_bytes(b"earlier")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "write", full)
    written = run(capsys, "segment", image, "-o", output, "--model", toy_model, "--point", "40,35")
    assert written.code == 1
    assert "the disk is full" in one_sentence(written)
    assert output.read_bytes() == b"earlier"
