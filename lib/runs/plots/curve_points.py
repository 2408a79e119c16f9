"""Places the points of metric histories for drawing: along steps or time, smoothed, thinned, and the band they span. Pure.

What cannot be placed (NaN, infinity, on a log axis what is not above zero) is never bridged: a line breaks there.
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
"""Places at which a band is reckoned, at most."""
_UNITS = ((7200.0, 3600.0, "hours"), (120.0, 60.0, "minutes"), (0.0, 1.0, "seconds"))
_Bent = Callable[[Any], Any]


@dataclass(frozen=True)
class CurveOptions:
    """How histories are placed: along what, how much smoothed (0 to 0.99), on which scale."""

    x_axis: XAxisKind = "step"
    smoothing: float = 0.0
    scale: CurveScale = "linear"


@dataclass(frozen=True)
class CurvePoints:
    """Placed points: `points` has run_id, step, time, raw (as logged), at (place along), value (smoothed; NaN where the line breaks), part.

    `part` numbers the unbroken pieces of a run's line. `along` is the title of the axis, with its unit. `odd` values are NaN or
    infinite, `low` ones are not above zero on a log axis.
    """

    points: pd.DataFrame
    options: CurveOptions
    axis_title: str
    non_finite_count: int = 0
    non_positive_count: int = 0

    @property
    def scale_transform(self) -> _Bent:
        """What the axis does to a value: the logarithm on a log axis."""
        return np.log10 if self.options.scale == "log" else np.asarray

    @property
    def plotted_points(self) -> pd.DataFrame:
        """The points that have a place."""
        return self.points.dropna(subset=["value"])


def build_curve_points(points: pd.DataFrame, options: CurveOptions) -> CurvePoints:
    """The histories of one metric (as `histories` gives them), placed. Points at one place keep the order in which they were logged."""
    order = ["step", "time"] if options.x_axis == "step" else ["time", "step"]
    rank = points.run_id.map({run_id: rank for rank, run_id in enumerate(points.run_id.unique())})
    made = points.assign(_rank=rank).sort_values(["_rank", *order], kind="stable", ignore_index=True)
    made, along = _placed(made, options.x_axis)
    real = np.isfinite(made.value) & (made.value.abs() < STORED_INFINITY)
    shown = smooth_values(made.assign(value=made.value.where(real)), options.smoothing)
    log = options.scale == "log"
    low = real & ((shown < MIN_LOG_VALUE) | (made.value < MIN_LOG_VALUE)) if log else real & False
    fits = real & np.isfinite(shown) & ((shown >= MIN_LOG_VALUE) | (not log))
    made = made.assign(raw=made.value, value=shown.where(fits))
    part = made.value.isna().groupby(made.run_id, sort=False).cumsum()
    return CurvePoints(
        made.assign(part=part).drop(columns=["_rank", "metric"]), options, along, int((~real).sum()), int(low.sum())
    )


def _placed(points: pd.DataFrame, along: XAxisKind) -> tuple[pd.DataFrame, str]:
    if along == "step":
        return points.assign(at=points.step.astype("float64")), "Step"
    millis = points.time.dt.tz_localize(None).astype("datetime64[ms]").astype("int64").astype("float64")
    if along == "wall":
        return points.assign(at=millis), "Time (UTC)"
    seconds = (millis - millis.groupby(points.run_id).transform("min")) / 1000
    size, unit = next((size, unit) for least, size, unit in _UNITS if not len(seconds) or seconds.max() >= least)
    return points.assign(at=seconds / size), f"Time since the run's first value ({unit})"


def smooth_values(points: pd.DataFrame, smoothing: float) -> "pd.Series[float]":
    """The exponential moving average of each run's values, debiased: the first value counts in full. NaN is passed over.

    Each earlier value weighs `smooth` times as much as the next one, the weights adding up to one (as TensorBoard does it).
    """
    if not smoothing:
        return points.value
    by_run = points.groupby("run_id", sort=False).value
    return by_run.transform(lambda values: values.ewm(alpha=1 - smoothing, adjust=True, ignore_na=True).mean())


def downsample_points(curve_points: CurvePoints, max_points: int, field: str = "value") -> pd.DataFrame:
    """The placed points by the values in `field`, at most `most` of each run: those that keep the shape of its line (largest triangles)."""
    kept = []
    placed = (
        curve_points.plotted_points[curve_points.plotted_points[field] >= MIN_LOG_VALUE]
        if curve_points.options.scale == "log"
        else curve_points.plotted_points
    )
    for _, points in placed.groupby("run_id", sort=False):
        up = curve_points.scale_transform(points[field].to_numpy(dtype="float64"))
        if len(points) > max_points:
            downsampler = LTTBDownsampler()  # type: ignore[no-untyped-call]
            chosen = downsampler.downsample(points["at"].to_numpy(), np.ascontiguousarray(up), n_out=max_points)
            points = points.iloc[chosen]  # noqa: PLW2901 - the same points, fewer
        kept.append(points)
    return pd.concat(kept) if kept else placed


def min_max_band(curve_points: CurvePoints) -> pd.DataFrame:
    """The lowest and the highest line at up to 200 places, where two runs or more have one: at, low, high.

    Between two of its points a run's line is straight, as it is drawn.
    """
    placed = curve_points.plotted_points
    places = np.unique(placed["at"].to_numpy())
    if len(places) > BAND_GRID_SIZE:
        places = np.linspace(places[0], places[-1], BAND_GRID_SIZE)
    lines = [
        np.interp(places, run["at"], curve_points.scale_transform(run["value"].to_numpy()), left=np.nan, right=np.nan)
        for _, run in placed.groupby("run_id", sort=False)
    ]
    if len(lines) < 2:
        return pd.DataFrame({"at": [], "low": [], "high": []})
    spread = pd.DataFrame(lines).replace([np.inf, -np.inf], np.nan)
    made = pd.DataFrame({"at": places, "low": spread.min(), "high": spread.max()})[spread.notna().sum() > 1]
    return made.assign(low=10**made.low, high=10**made.high) if curve_points.options.scale == "log" else made


def points_to_csv(points: pd.DataFrame, run_names: Mapping[str, str]) -> str:
    """All points as logged, with the name of each run. Text that a spreadsheet would take for a formula begins with an apostrophe."""
    times = np.datetime_as_string(points.time.dt.tz_localize(None).to_numpy(), unit="ms")
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(["run_id", "run", "metric", "step", "time (UTC)", "value"])
    for run_id, metric, step, time, value in zip(
        points.run_id, points.metric, points.step, times, points.value.tolist(), strict=True
    ):
        texts = (escape_formula(str(text)) for text in (run_id, run_names.get(run_id, ""), metric))
        writer.writerow([*texts, step, f"{time}Z", repr(value)])
    return made.getvalue()
