"""Decode images from a file's bytes: detected by their first bytes, decoded under a cap, resized, re-encoded as PNG. Pure.

Only common formats of plots and photos are decoded. The output contains pixels and nothing else from the file.
"""

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image

MAX_PIXELS = 30_000_000
"""Maximum pixels of a decoded image: about 120 MB of memory for an instant."""
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
    """A description of the image and its pixels as PNG; a note instead of `png` if it was not decoded."""

    description: str
    png: bytes = b""
    notes: tuple[str, ...] = ()


def decode_image(data: bytes) -> DecodedImage | None:
    """Decode the image in these bytes; None if they do not start like one."""
    image_format = _image_format(data)
    if image_format is None:
        return None
    try:
        with Image.open(io.BytesIO(data), formats=[image_format]) as image:
            return _decode_pixels(image, image_format)
    except _DECODE_ERRORS:
        if image_format == "BMP":
            return None
        return DecodedImage(f"Broken {image_format} image", notes=("It cannot be decoded.",))


def _image_format(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in MAGIC_BYTES.items() if data.startswith(magic)), None)


def _decode_pixels(image: Image.Image, image_format: str) -> DecodedImage:
    width, height = image.size
    description = f"{image_format} image, {width:,} × {height:,} pixels"
    if width * height > MAX_PIXELS:
        return DecodedImage(description, notes=(f"Not decoded: more than {MAX_PIXELS // 1_000_000} million pixels.",))
    is_animated = bool(getattr(image, "is_animated", False))
    pixels = image.convert("RGBA" if "A" in image.getbands() or "transparency" in image.info else "RGB")
    pixels.thumbnail((MAX_SIDE, MAX_SIDE))
    buffer = io.BytesIO()
    pixels.save(buffer, "PNG")
    notes = ("Showing the first frame.",) * is_animated + ("Scaled down.",) * (max(width, height) > MAX_SIDE)
    return DecodedImage(description, buffer.getvalue(), notes)
