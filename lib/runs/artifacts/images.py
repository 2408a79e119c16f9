"""Pictures from a file's bytes: told by their first bytes, decoded under a cap, made smaller, encoded anew as PNG. Pure.

Only the plain formats of plots and photographs are decoded. What comes out holds pixels and nothing else of the file.
"""

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

MAX_PIXELS = 30_000_000
"""Pixels up to which a picture is decoded: about 120 MB of memory for an instant."""
MAX_SIDE = 1600
MAGIC_BYTES = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"GIF87a": "GIF", b"GIF89a": "GIF", b"BM": "BMP"}
_FAULTS = (OSError, ValueError, SyntaxError, EOFError, struct.error, zlib.error, OverflowError, Image.DecompressionBombError)


@dataclass(frozen=True)
class DecodedImage:
    """What it is in words, and its pixels as PNG; no `png`, but a note, when it was not decoded."""

    description: str
    png: bytes = b""
    notes: tuple[str, ...] = ()


def decode_image(data: bytes) -> DecodedImage | None:
    """The picture in these bytes; None when they do not begin as one."""
    form = _form(data)
    if form is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=[form]) as opened:
            return _drawn(opened, form)
    except _FAULTS:
        return None if form == "BMP" else DecodedImage(f"Broken {form} picture", notes=("Its bytes cannot be decoded.",))


def _form(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((form for sign, form in MAGIC_BYTES.items() if data.startswith(sign)), None)


def _drawn(opened: Image.Image, form: str) -> DecodedImage:
    width, height = opened.size
    what = f"{form} picture, {width:,} × {height:,} pixels"
    if width * height > MAX_PIXELS:
        return DecodedImage(what, notes=(f"Not decoded: more than {MAX_PIXELS // 1_000_000} million pixels.",))
    moving = bool(getattr(opened, "is_animated", False))
    pixels = opened.convert("RGBA" if "A" in opened.getbands() or "transparency" in opened.info else "RGB")
    pixels.thumbnail((MAX_SIDE, MAX_SIDE))
    saved = io.BytesIO()
    pixels.save(saved, "PNG")
    notes = ("Showing the first frame.",) * moving + ("Shown smaller than it is.",) * (max(width, height) > MAX_SIDE)
    return DecodedImage(what, saved.getvalue(), notes)
