"""Previews: the content decides, nothing is run or rendered, and every bomb is reported, not opened."""

import io
import json
import pickle
import struct
import time
import zlib

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from lib.runs.artifacts import images, previews
from lib.runs.artifacts.previews import build_preview


def png(width: int, height: int, **more) -> bytes:
    buffer = io.BytesIO()
    Image.new(more.get("mode", "RGB"), (width, height)).save(buffer, more.get("form", "PNG"), pnginfo=more.get("info"))
    return buffer.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header declares far more pixels than its few bytes contain."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    encoded_chunks = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(encoded_chunks)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_picture_is_encoded_anew_whatever_its_name_says(form):
    buffer = io.BytesIO()
    Image.new("RGB", (30, 20), "red").save(buffer, form)
    preview = build_preview("notes.txt", buffer.getvalue())
    assert (preview.kind, preview.description) == ("picture", f"{form} image, 30 × 20 pixels")
    with Image.open(io.BytesIO(preview.png)) as image:
        assert (image.format, image.size) == ("PNG", (30, 20))


def test_only_pixels_of_a_picture_survive():
    info = PngImagePlugin.PngInfo()
    info.add_text("note", "<script>alert(1)</script>")
    data = png(4, 4, info=info) + b"<script>tail</script>"
    assert b"script" in data
    assert b"script" not in build_preview("a.png", data).png


def test_a_large_picture_is_made_smaller_and_says_so():
    preview = build_preview("a.png", png(4000, 10))
    with Image.open(io.BytesIO(preview.png)) as image:
        assert image.size[0] == 1600
    assert preview.notes == ("Scaled down.",)


@pytest.mark.parametrize("size", [(40_000, 40_000), (6000, 6000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_too_many_pixels_is_not_decoded(size):
    began = time.monotonic()
    preview = build_preview("a.png", bomb(*size))
    assert (preview.kind, preview.png) == ("none", b"")
    assert preview.notes
    assert time.monotonic() - began < 5


def test_a_broken_picture_is_reported():
    assert build_preview("a.png", bomb(30, 30)).description == "Broken PNG image"


def test_what_is_no_picture_in_spite_of_its_name_is_shown_as_what_it_is():
    assert build_preview("a.png", b"hello\n").kind == "text"
    assert build_preview("BMW.txt", b"BMW drives\n").kind == "text"


@pytest.mark.parametrize(
    ("data", "description"),
    [
        (pickle.dumps({"a": 1}), "Pickle"),
        (b"PK\x03\x04rest", "Zip archive"),
        (b"\x1f\x8b\x08rest", "Gzip archive"),
        (b"PAR1\x15\x00\x15", "Parquet table"),
        (b"\x00\x01\x02", "Binary file"),
        (b"\xc3\x28\xa0", "Binary file"),
    ],
)
def test_what_could_run_code_is_named_and_never_opened(data, description):
    preview = build_preview("model.csv", data)
    assert (preview.kind, preview.description) == ("none", description)


def test_a_pickle_that_would_run_code_does_not_run_it(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    build_preview("a.pkl", pickle.dumps(Evil()))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("text", "description", "language"),
    [
        ("<!DOCTYPE html><script>alert(1)</script>", "HTML source", "html"),
        ("  <!-- x --><html>", "HTML source", "html"),
        ('<?xml version="1.0"?>\n<svg onload="alert(1)"></svg>', "SVG source", "xml"),
        ("<!DOCTYPE svg PUBLIC>", "SVG source", "xml"),
    ],
)
@pytest.mark.parametrize("name", ["a.html", "a.png", "a.csv", "a"])
def test_html_and_svg_stay_source(text, description, language, name):
    preview = build_preview(name, text.encode())
    assert (preview.kind, preview.description, preview.language, preview.text) == ("text", description, language, text)


def test_text_is_cut_and_says_so():
    preview = build_preview("log.txt", b"x" * 300_000)
    assert len(preview.text) == 200_000
    assert preview.notes == ("Showing the first 200,000 of 300,000 characters.",)


def test_text_in_utf_16_and_with_a_mark_in_front_is_read():
    assert build_preview("a.txt", "grün".encode("utf-16")).text == "grün"
    assert build_preview("a.txt", b"\xef\xbb\xbfx").text == "x"
    assert build_preview("a", b"").description == "Empty file"


def test_json_is_indented_and_keeps_its_order_and_letters():
    preview = build_preview("metrics", '{"z":1,"a":["ü",NaN]}'.encode())
    assert (preview.description, preview.language) == ("JSON", "json")
    assert preview.text == '{\n  "z": 1,\n  "a": [\n    "ü",\n    NaN\n  ]\n}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"[" * 100_000, "more than 60 nesting levels"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "more than 60 nesting levels"),
        (b"[" + b"1," * 60_000 + b"1]", "more than 50,000 values"),
        (b'["' + b"x" * 2_000_001 + b'"]', "more than 2,000,000 characters"),
        (b"[" + b"9" * 10_000 + b"]", "too large to parse"),
        (b'{"a": 1, "a": 2}', "occurs twice"),
    ],
)
def test_a_bomb_of_json_is_shown_as_text_with_the_reason(data, reason):
    began = time.monotonic()
    preview = build_preview("bomb.json", data)
    assert reason in " ".join(preview.notes)
    assert len(preview.text) <= 200_000
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "data",
    [
        b"[" + b'\\"' * 900_000,
        b'["' + b'\\"' * 900_000,
        b"[" + b'"' * 1_900_000,
        b"<!---->" * 700 + b"x",
        b"[" + b"\\" * 1_900_000,
    ],
)
def test_no_text_takes_long_to_classify(data):
    began = time.monotonic()
    build_preview("slow.json", data)
    assert time.monotonic() - began < 5


def test_half_a_letter_in_json_is_not_passed_on():
    preview = build_preview("a.json", b'{"a": "\\ud800"}')
    assert preview.text == '{"a": "\\ud800"}'
    assert preview.notes


def test_what_only_begins_like_json_is_text():
    assert build_preview("a.json", b"[section]\nkey = 1\n").description == "Text"


def test_a_table_is_read_with_typed_columns_and_ragged_rows():
    preview = build_preview("t.csv", b'name,n,name\n"a, b",1,x\nc,2\n')
    assert preview.description == "Table, 2 rows, 3 columns"
    assert preview.rows.columns.tolist() == ["name", "n", "name (column 3)"]
    assert preview.rows["n"].tolist() == [1, 2]
    assert preview.rows["name"].tolist() == ["a, b", "c"]


def test_two_columns_of_one_name_stay_two_whatever_the_third_is_called():
    preview = build_preview("t.csv", b"a,a (column 3),a\n1,2,3\n")
    assert len(set(preview.rows.columns)) == 3


def test_a_long_and_wide_table_is_cut_and_says_so():
    row = ",".join(str(n) for n in range(150))
    preview = build_preview("t.csv", "\n".join([row] * 2001).encode())
    assert preview.rows.shape == (1000, 100)
    assert preview.notes == ("Showing the first 1,000 rows of about 2,000.", "Showing the first 100 columns.")


@pytest.mark.parametrize(("name", "text"), [("t.tsv", "a\tb\n1\t2\n"), ("t.csv", "a;b\n1,5;2\n")])
def test_other_separators_are_found(name, text):
    assert build_preview(name, text.encode()).rows.columns.tolist() == ["a", "b"]


def test_a_csv_that_is_no_table_is_text():
    assert build_preview("t.csv", b"just one line of words").kind == "text"
    assert build_preview("t.csv", b'a,b\n"' + b"x" * 200_000).kind == "text"


def test_a_description_of_a_model_is_labelled_and_not_loaded():
    preview = build_preview("model/MLmodel", b"flavors:\n  python_function:\n    loader_module: os\n")
    assert preview.description == "Model description (MLmodel)"
    assert "not loaded" in preview.notes[0]


@settings(deadline=None, max_examples=60)
@given(
    data=st.binary(max_size=300),
    start=st.sampled_from([b"", *images.MAGIC_BYTES, b"{", b"[", b"<svg", b"\x80\x04", b"a,b\n"]),
    name=st.sampled_from(["a", "a.csv", "a.json", "a.png", "MLmodel"]),
)
@example(data=b"\xff", start=b"\xff\xfe", name="a.csv")
def test_no_bytes_make_a_preview_fail(data, start, name):
    preview = build_preview(name, start + data)
    assert preview.description
    assert (preview.kind == "picture") == bool(preview.png)
    assert len(preview.text) <= previews.MAX_TEXT


@settings(deadline=None, max_examples=40)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, list | dict))
)
def test_json_says_the_same_after_it_was_indented(value):
    assert json.loads(build_preview("a", json.dumps(value).encode()).text) == value


def test_a_key_that_is_there_twice_among_thousands_is_found_at_once():
    keys = ",".join(f'"k{number}":1' for number in range(49_990))
    begun = time.monotonic()
    assert "k49989 occurs twice" in build_preview("x.json", f'{{{keys},"k49989":2}}'.encode()).notes[0]
    assert time.monotonic() - begun < 3
