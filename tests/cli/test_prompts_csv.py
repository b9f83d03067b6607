"""Tables of prompts: what is read, what is refused, and that writing and reading agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_pisam.cli.prompts_csv import (
    MAX_ID,
    ObjectPrompt,
    PromptFileError,
    prompts_table,
    read_prompts,
)
from napari_pisam.prompts import Box, Click, Prompt

HEAD = "id,kind,y,x,y1,x1\n"


def table(folder: Path, text: str) -> Path:
    path = folder / "prompts.csv"
    path.write_text(text, "utf-8")
    return path


def test_lines_of_one_id_are_one_object_in_the_order_of_the_ids(tmp_path: Path) -> None:
    text = (
        "7,point,1,2,,\n3,box,30,40,10,20\n7,not-point,3,4,,\n"
        "7,correct,5,6,,\n7,correct-,7.5,8,,\n7,Correct+,9,10,,\n"
    )
    assert read_prompts(table(tmp_path, HEAD + text)) == (
        ObjectPrompt(
            7,
            Prompt(
                points=(Click(1, 2), Click(3, 4, False)),
                corrections=(Click(5, 6, None), Click(7.5, 8, False), Click(9, 10, True)),
            ),
        ),
        ObjectPrompt(3, Prompt(box=Box(10, 20, 30, 40))),
    )


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffID;Kind;Y;X;Y1;X1\r\n1;point;1,5;2;;\r\n",
        "id\tkind\ty\tx\n1\tpoint\t1.5\t2\n",
        "note, x, y, kind, id\nhello, 2, 1.5, point, 1\n,,,,\n\n",
    ],
    ids=["a spreadsheet's", "tabs and no box columns", "other order, other columns, empty lines"],
)
def test_common_separators_and_spellings_are_read(tmp_path: Path, text: str) -> None:
    expected = (ObjectPrompt(1, Prompt(points=(Click(1.5, 2),))),)
    assert read_prompts(table(tmp_path, text)) == expected


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "lacks the column 'id'"),
        ("id,kind,y\n1,point,1\n", "lacks the column 'x'"),
        (HEAD, "holds no prompt"),
        (HEAD + "0,point,1,2,,\n", "line 2: an id is a whole number"),
        (HEAD + f"{MAX_ID + 1},point,1,2,,\n", "line 2: an id is a whole number"),
        (HEAD + "1,point,1,2,,\n1,circle,1,2,,\n", "line 3: there is no kind 'circle'"),
        (HEAD + "1,point,one,2,,\n", "y is a number of image pixels, not 'one'"),
        (HEAD + "1,point,1,inf,,\n", "x is a number of image pixels, not 'inf'"),
        (HEAD + "1,box,1,2,3,\n", "x1 is a number of image pixels, not ''"),
        (HEAD + "1,box,1,2,1,5\n", "the box has no extent"),
        (HEAD + "1,box,1,2,3,5\n1,box,1,2,3,5\n", "line 3: object 1 has a box already"),
        (HEAD + "4,not-point,1,2,,\n", "nothing says where object 4 is"),
    ],
)
def test_a_wrong_table_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(PromptFileError, match=r"^prompts\.csv") as refused:
        read_prompts(table(tmp_path, text))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(PromptFileError, match="not a CSV file in UTF-8"):
        read_prompts(path)
    with pytest.raises(PromptFileError, match="cannot be read"):
        read_prompts(tmp_path / "absent.csv")


_PLACE = st.floats(-1e6, 1e6) | st.integers(0, 5000)
_CLICK = st.builds(Click, _PLACE, _PLACE, st.booleans())
_CORRECTION = st.builds(Click, _PLACE, _PLACE, st.sampled_from((True, False, None)))
_BOX = st.builds(
    lambda y, x, h, w: Box(y, x, y + h, x + w),
    *(st.floats(-100, 100) for _ in "yx"),
    *(st.floats(0.5, 100) for _ in "hw"),
)
_PROMPT = st.builds(
    Prompt,
    points=st.lists(_CLICK, max_size=3).map(tuple),
    box=st.none() | _BOX,
    corrections=st.lists(_CORRECTION, max_size=3).map(tuple),
).filter(lambda prompt: not prompt.empty)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    deadline=None,
    max_examples=50,
)
@given(st.dictionaries(st.integers(1, MAX_ID), _PROMPT, min_size=1, max_size=4))
def test_what_is_written_reads_back_as_it_was(tmp_path: Path, found: dict[int, Prompt]) -> None:
    objects = tuple(ObjectPrompt(number, prompt) for number, prompt in found.items())
    assert read_prompts(table(tmp_path, prompts_table(objects))) == objects
