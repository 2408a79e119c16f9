"""Pictures from a file's bytes: recognized by their first bytes, decoded under a cap, made smaller, encoded anew as PNG. Pure.

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
_DECODE_ERRORS = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    struct.error,
    zlib.error,
    OverflowError,
    Image.DecompressionBombError,
)


@dataclass(frozen=True)
class DecodedImage:
    """What it is in words, and its pixels as PNG; no `png`, but a note, when it was not decoded."""

    description: str
    png: bytes = b""
    notes: tuple[str, ...] = ()


def decode_image(data: bytes) -> DecodedImage | None:
    """The picture in these bytes; None when they do not begin as one."""
    image_format = _image_format(data)
    if image_format is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=[image_format]) as image:
            return _decode_pixels(image, image_format)
    except _DECODE_ERRORS:
        if image_format == "BMP":
            return None
        return DecodedImage(f"Broken {image_format} picture", notes=("Its bytes cannot be decoded.",))


def _image_format(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in MAGIC_BYTES.items() if data.startswith(magic)), None)


def _decode_pixels(image: Image.Image, image_format: str) -> DecodedImage:
    width, height = image.size
    description = f"{image_format} picture, {width:,} × {height:,} pixels"
    if width * height > MAX_PIXELS:
        return DecodedImage(description, notes=(f"Not decoded: more than {MAX_PIXELS // 1_000_000} million pixels.",))
    is_animated = bool(getattr(image, "is_animated", False))
    pixels = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    pixels.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG")
    notes = ("Showing the first frame.",) * is_animated + ("Shown smaller than it is.",) * (max(width, height) > MAX_SIDE)
    return DecodedImage(description, buffer.getvalue(), notes)
