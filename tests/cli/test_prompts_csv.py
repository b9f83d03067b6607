"""Tables of prompts: what is read, what is refused, and that writing and reading agree."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from napari_pisam.cli.prompts_csv import (
    MAX_ID,
    ObjectPrompt,
    TableFrame,
    prompts_table,
    read_prompts,
)
from napari_pisam.cli.tables import Coordinates, Ids, TableFileError
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
        'id,kind,y,x\n1.0,point,"1,5","2,0"\n',
        "group,axis-0,axis-1,kind\n1,1.5,2.0,object\n",
        "id,y,x\n1,1.5,2\n",
        '"note; one",id;kind;y;x\n"a;b",1;point;1,5;2\n'.replace('",id', '";id').replace(
            '",1', '";1'
        ),
    ],
    ids=[
        "a spreadsheet's",
        "tabs and no box columns",
        "other order, other columns, empty lines",
        "quoted decimal commas, ids of a data frame",
        "the features of a points layer of the plugin",
        "no kinds",
        "quoted separators in the line of names",
    ],
)
def test_common_separators_and_spellings_are_read(tmp_path: Path, text: str) -> None:
    expected = (ObjectPrompt(1, Prompt(points=(Click(1.5, 2),))),)
    assert read_prompts(table(tmp_path, text)) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_table_is_read_in_the_encodings_that_spreadsheets_write(
    tmp_path: Path, encoding: str
) -> None:
    path = tmp_path / "prompts.csv"
    path.write_bytes("id\tkind\ty\tx\tµm²\r\n1\tpoint\t1,5\t2\tä\r\n".encode(encoding))
    assert read_prompts(path) == (ObjectPrompt(1, Prompt(points=(Click(1.5, 2),))),)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ("1,234.5;2", (1234.5, 2)),
        ("1.234,5;2", (1234.5, 2)),
        ("1,5;1.150", (1.5, 1150)),
        ("1,150;1,5", (1.15, 1.5)),
        ("1,150;1.5", (1150, 1.5)),
        ("1,150,000;2", (1150000, 2)),
        ("1 150,5;1'200", (1150.5, 1200)),
        ("1.150;2", (1.15, 2)),
        ("-1,5;1e3", (-1.5, 1000)),
    ],
)
def test_one_number_that_leaves_no_doubt_tells_the_decimal_mark_of_all(
    tmp_path: Path, cells: str, expected: tuple[float, float]
) -> None:
    found = read_prompts(table(tmp_path, f"id;kind;y;x\n1;point;{cells}\n"))
    assert found == (ObjectPrompt(1, Prompt(points=(Click(*expected),))),)


NAPARI = "index,axis-0,axis-1\n0.0,10.5,20.0\n1.0,30.0,40.0\n"
IMAGEJ = " ,Area,Mean,X,Y\n1,0,12.5,20.0,10.5\n2,0,13,40,30\n"


@pytest.mark.parametrize("text", [NAPARI, IMAGEJ], ids=["napari", "ImageJ"])
def test_points_of_other_programs_are_objects_only_when_that_is_asked_for(
    tmp_path: Path, text: str
) -> None:
    path = table(tmp_path, text)
    with pytest.raises(TableFileError, match="--ids rows"):
        read_prompts(path)
    first, second = Click(10.5, 20), Click(30, 40)
    assert read_prompts(path, ids=Ids.ROWS) == (
        ObjectPrompt(1, Prompt(points=(first,))),
        ObjectPrompt(2, Prompt(points=(second,))),
    )
    assert read_prompts(path, ids=Ids.ONE) == (ObjectPrompt(1, Prompt(points=(first, second))),)


def test_lengths_of_imagej_are_never_taken_for_pixels(tmp_path: Path) -> None:
    path = table(tmp_path, IMAGEJ)
    with pytest.raises(TableFileError, match="--coordinates physical"):
        read_prompts(path, ids=Ids.ONE, frame=TableFrame(pixel_size=(0.5, 0.25)))
    lengths = TableFrame(Coordinates.PHYSICAL, (0.5, 0.25))
    assert read_prompts(path, ids=Ids.ONE, frame=lengths) == (
        ObjectPrompt(1, Prompt(points=(Click(21, 80), Click(60, 160)))),
    )
    pixels = TableFrame(Coordinates.PIXELS, (0.5, 0.25))
    assert read_prompts(path, ids=Ids.ONE, frame=pixels) == read_prompts(path, ids=Ids.ONE)
    with pytest.raises(TableFileError, match="has no pixel size"):
        read_prompts(path, ids=Ids.ONE, frame=TableFrame(Coordinates.PHYSICAL))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "lacks the column 'y'"),
        ("y,x\n1,2\n", "lacks the column 'id', which tells objects apart"),
        ("id,kind,y\n1,point,1\n", "lacks the column 'x'"),
        (HEAD, "holds no prompt"),
        (HEAD + "0,point,1,2,,\n", "line 2, column id: an id is a whole number"),
        (HEAD + f"{MAX_ID + 1},point,1,2,,\n", "line 2, column id: an id is a whole number"),
        (
            HEAD + "1,point,1,2,,\n1,circle,1,2,,\n",
            "there is no kind 'circle'",
        ),
        (HEAD + "1,point,one,2,,\n", "y is a number of image pixels, not 'one'"),
        (HEAD + "1,point,1,inf,,\n", "x is a number of image pixels, not 'inf'"),
        (HEAD + "1,box,1,2,3,\n", "x1 is a number of image pixels, not ''"),
        (HEAD + "1,box,1,2,1,5\n", "the box has no extent"),
        (HEAD + "1,box,1,2,3,5\n1,box,1,2,3,5\n", "line 3: this object has a box already"),
        (HEAD + "4,not-point,1,2,,\n", "nothing says where object 4 is"),
        (HEAD + "1,point,1,5,2,,\n1,point,1,5,2,,9\n", "line 3 has 7 cells, the first line 6"),
        (HEAD + '1,point,"1,150",2,,\n', "line 2, column y: '1,150' may be two numbers"),
        (HEAD + '1,point,"1,5",2,,\n1,point,1.5,"2.150",,\n', "column x: '2.150' may be two"),
        (HEAD + '1,point,"1,50,5",2,,\n', "column y: y is a number of image pixels"),
        (HEAD + "1.5,point,1,2,,\n", "line 2, column id: an id is a whole number"),
        (HEAD + '1,point,"1,2\n', "line 2"),
        ("id,kind,y,x,Y\n1,point,1,2,3\n", "the column 'y' twice, as columns 3 and 5"),
        ("index,axis-0,axis-1,axis-2\n0,1,2,3\n", "points with 3 axes: keep one plane"),
        ("id,y,x,Slice\n1,1,2,1\n2,1,2,2\n", "points of several planes (column 'slice')"),
    ],
)
def test_a_wrong_table_is_refused_in_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(TableFileError, match=r"^prompts\.csv") as refused:
        read_prompts(table(tmp_path, text))
    assert sentence in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "picture.csv"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(TableFileError, match="not a CSV file in UTF-8"):
        read_prompts(path)
    with pytest.raises(TableFileError, match="cannot be read"):
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
