"""Format numbers and labels for tables, axes and tooltips. Pure."""

import math
import re
from collections.abc import Sequence
from numbers import Integral, Real

import numpy as np
import pandas as pd

MINUS = "\N{MINUS SIGN}"
STORED_INFINITY = 1.79e308
"""SQL stores represent infinity as the largest float."""
MAX_PLOTTABLE = 8e307
"""The difference of two numbers below it fits into a float. Above it, a run has diverged and cannot be placed on an axis."""
_DIGITS = re.compile(r"(\d+)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def is_finite_number(value: object) -> bool:
    """Whether a value can be placed on an axis: not NaN, infinite (or a store's stand-in, or nearly as large) or missing."""
    if type(value) is float:
        return -MAX_PLOTTABLE < value < MAX_PLOTTABLE
    return isinstance(value, Real) and math.isfinite(size := float(value)) and abs(size) < MAX_PLOTTABLE


def finite_numbers(values: "pd.Series") -> "np.ndarray":
    """Return a column as floats, with NaN where `is_finite_number` is False; text is not a number."""
    if not pd.api.types.is_numeric_dtype(values):
        return np.full(len(values), np.nan)
    numbers = values.to_numpy("float64", na_value=np.nan)
    return np.where(np.abs(numbers) < MAX_PLOTTABLE, numbers, np.nan)


def format_number(value: object) -> str:
    """Format a number with about four digits ("0.9444", "1.45", "24,000"); text stays as it is, a missing value is empty."""
    if value is None or value is pd.NA:
        return ""
    if not isinstance(value, Real):
        return str(value)
    return _format_float(float(value), whole=isinstance(value, Integral))


def _format_float(value: float, *, whole: bool) -> str:
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if abs(value) >= STORED_INFINITY:
        return "∞" if value > 0 else f"{MINUS}∞"
    return _format_digits(value + 0.0, whole=whole).replace("-", MINUS)


def format_param(value: object) -> str:
    """Format a parameter as it was set: 0.1, 1e-05, 24,000, sqrt; a missing value is empty."""
    if not isinstance(value, Real) or not math.isfinite(size := float(value)):
        return format_number(value)
    return (f"{size:,.0f}" if size.is_integer() and abs(size) < 1e15 else f"{size:.6g}").replace("-", MINUS)


def format_change(value: float, baseline: float) -> str:
    """Format the signed difference value - baseline with the digits that both have: "+0.0278", "−3"."""
    gap = value - baseline
    if not is_finite_number(value) or not is_finite_number(baseline):
        return ""
    text = format_number(abs(gap)) if gap else "0"
    return f"{'+' if gap > 0 else MINUS if gap < 0 else '±'}{text}"


def _format_digits(value: float, *, whole: bool) -> str:
    size = abs(value)
    if value.is_integer() and size < 1e12 and (whole or size > 1):
        return f"{int(value):,}"
    if value and (size < 0.001 or size >= 1e9):
        return f"{value:.3g}"
    return f"{value:.4f}" if size <= 1 else f"{value:,.3f}" if size < 100 else f"{value:,.1f}"


def natural_sort_key(text: str) -> tuple[float, tuple[tuple[int, str], ...], str]:
    """Return a natural sort key: 9 before 10, 0.05 before 0.1, layer2 before layer10, numbers before words."""
    size = float(text) if _NUMBER.fullmatch(text) else math.inf
    parts = enumerate(_DIGITS.split(text.casefold()) if size == math.inf else ())
    return size, tuple((len(part := piece.lstrip("0")), part) if position % 2 else (0, piece) for position, piece in parts), text


def short_labels(names: Sequence[str], width: int = 18) -> dict[str, str]:
    """Return a unique label of about `width` characters for each name, shortened in the middle."""
    labels: dict[str, str] = {}
    used_labels: set[str] = set()
    for name in dict.fromkeys(names):
        label = shortened = name if len(name) <= width else f"{name[: width // 2 - 1]}…{name[-(width // 2) :]}"
        number = 2
        while label in used_labels:
            label, number = f"{shortened} ({number})", number + 1
        labels[name] = label
        used_labels.add(label)
    return labels


NO_VALUE = "no value"
"""Text shown for a missing value: at a tick, as a group, in a cell."""
