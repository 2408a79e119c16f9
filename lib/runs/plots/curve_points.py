"""Points of metric histories for drawing: over steps or time, smoothed, downsampled, with the band they span. Pure.

Values that cannot be drawn (NaN, infinity, non-positive values on a log axis) are never bridged: the line breaks there.
"""

import csv
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from tsdownsample import LTTBDownsampler

from lib.runs.export.table_files import escape_formula
from lib.runs.plots.axes import MIN_LOG_VALUE
from lib.runs.table.number_format import STORED_INFINITY

XAxisKind = Literal["step", "wall", "relative"]
CurveScale = Literal["linear", "log"]
X_AXIS_KINDS: tuple[XAxisKind, ...] = get_args(XAxisKind)
MAX_SMOOTHING = 0.99
BAND_GRID_SIZE = 200
"""Maximum number of coordinates at which a band is computed."""
_UNITS = ((7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
_ArrayTransform = Callable[[Any], Any]


@dataclass(frozen=True)
class CurveOptions:
    """How histories are drawn: the x axis, the smoothing (0 to 0.99), and the scale."""

    x_axis: XAxisKind = "step"
    smoothing: float = 0.0
    scale: CurveScale = "linear"


@dataclass(frozen=True)
class CurvePoints:
    """`points` has run_id, step, time, raw (as logged), at (x coordinate), value (smoothed; NaN where the line breaks), part.

    `part` numbers the unbroken pieces of a run's line. `axis_title` is the title of the x axis, with its unit. Values may be
    non-finite (NaN or infinite), or non-positive on a log axis.
    """

    points: pd.DataFrame
    options: CurveOptions
    axis_title: str
    non_finite_count: int = 0
    non_positive_count: int = 0

    @property
    def scale_transform(self) -> _ArrayTransform:
        """The transformation of the y axis: the logarithm on a log axis."""
        return np.log10 if self.options.scale == "log" else np.asarray

    @property
    def plotted_points(self) -> pd.DataFrame:
        """Return the points that can be drawn."""
        return self.points.dropna(subset=["value"])


def build_curve_points(points: pd.DataFrame, options: CurveOptions) -> CurvePoints:
    """Add coordinates to the histories of one metric (from `read_histories`), keeping the order of logging for equal ones."""
    sort_columns = ["step", "time"] if options.x_axis == "step" else ["time", "step"]
    rank = points.run_id.map({run_id: rank for rank, run_id in enumerate(points.run_id.unique())})
    data = points.assign(_rank=rank).sort_values(["_rank", *sort_columns], kind="stable", ignore_index=True)
    data, axis_title = _add_coordinates(data, options.x_axis)
    is_finite = np.isfinite(data.value) & (data.value.abs() < STORED_INFINITY)
    smoothed = smooth_values(data.assign(value=data.value.where(is_finite)), options.smoothing)
    is_log = options.scale == "log"
    is_non_positive = is_finite & ((smoothed < MIN_LOG_VALUE) | (data.value < MIN_LOG_VALUE)) if is_log else is_finite & False
    is_plotted = is_finite & np.isfinite(smoothed) & ((smoothed >= MIN_LOG_VALUE) | (not is_log))
    data = data.assign(raw=data.value, value=smoothed.where(is_plotted))
    part = data.value.isna().groupby(data.run_id, sort=False).cumsum()
    return CurvePoints(
        data.assign(part=part).drop(columns=["_rank", "metric"]),
        options,
        axis_title,
        int((~is_finite).sum()),
        int(is_non_positive.sum()),
    )


def _add_coordinates(points: pd.DataFrame, x_axis: XAxisKind) -> tuple[pd.DataFrame, str]:
    if x_axis == "step":
        return points.assign(at=points.step.astype("float64")), "Step"
    millis = points.time.dt.tz_localize(None).astype("datetime64[ms]").astype("int64").astype("float64")
    if x_axis == "wall":
        return points.assign(at=millis), "Time (UTC)"
    seconds = (millis - millis.groupby(points.run_id).transform("min")) / 1000
    size, unit = next((size, unit) for min_seconds, size, unit in _UNITS if not len(seconds) or seconds.max() >= min_seconds)
    return points.assign(at=seconds / size), f"Time since the run's first value ({unit})"


def smooth_values(points: pd.DataFrame, smoothing: float) -> "pd.Series[float]":
    """Return the debiased exponential moving average of each run's values: the first value counts in full. NaN is skipped.

    Each earlier value weighs `smoothing` times as much as the next one, with weights that sum to one (as in TensorBoard).
    """
    if not smoothing:
        return points.value
    by_run = points.groupby("run_id", sort=False).value
    return by_run.transform(lambda values: values.ewm(alpha=1 - smoothing, adjust=True, ignore_na=True).mean())


def downsample_points(curve_points: CurvePoints, max_points: int, field: str = "value") -> pd.DataFrame:
    """Return at most `max_points` drawn points per run by `field`, chosen to preserve the line's shape (largest triangles)."""
    frames = []
    plotted = (
        curve_points.plotted_points[curve_points.plotted_points[field] >= MIN_LOG_VALUE]
        if curve_points.options.scale == "log"
        else curve_points.plotted_points
    )
    for _, points in plotted.groupby("run_id", sort=False):
        values = curve_points.scale_transform(points[field].to_numpy(dtype="float64"))
        if len(points) > max_points:
            downsampler = LTTBDownsampler()  # type: ignore[no-untyped-call]
            indices = downsampler.downsample(points["at"].to_numpy(), np.ascontiguousarray(values), n_out=max_points)
            points = points.iloc[indices]  # noqa: PLW2901 - the same points, fewer
        frames.append(points)
    return pd.concat(frames) if frames else plotted


def min_max_band(curve_points: CurvePoints) -> pd.DataFrame:
    """Return the lowest and highest line at up to 200 coordinates where at least two runs have one: at, low, high.

    A run's line is linear between its points, as drawn.
    """
    plotted = curve_points.plotted_points
    coordinates = np.unique(plotted["at"].to_numpy())
    if len(coordinates) > BAND_GRID_SIZE:
        coordinates = np.linspace(coordinates[0], coordinates[-1], BAND_GRID_SIZE)
    lines = [
        np.interp(coordinates, run["at"], curve_points.scale_transform(run["value"].to_numpy()), left=np.nan, right=np.nan)
        for _, run in plotted.groupby("run_id", sort=False)
    ]
    if len(lines) < 2:
        return pd.DataFrame({"at": [], "low": [], "high": []})
    heights = pd.DataFrame(lines).replace([np.inf, -np.inf], np.nan)
    band = pd.DataFrame({"at": coordinates, "low": heights.min(), "high": heights.max()})[heights.notna().sum() > 1]
    return band.assign(low=10**band.low, high=10**band.high) if curve_points.options.scale == "log" else band


def points_to_csv(points: pd.DataFrame, run_names: Mapping[str, str]) -> str:
    """Return all points as logged, with run names, as CSV. Text that a spreadsheet would run as a formula gets a leading apostrophe."""
    times = np.datetime_as_string(points.time.dt.tz_localize(None).to_numpy(), unit="ms")
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["run_id", "run", "metric", "step", "time (UTC)", "value"])
    for run_id, metric, step, time, value in zip(
        points.run_id, points.metric, points.step, times, points.value.tolist(), strict=True
    ):
        texts = (escape_formula(str(text)) for text in (run_id, run_names.get(run_id, ""), metric))
        writer.writerow([*texts, step, f"{time}Z", repr(value)])
    return buffer.getvalue()
