"""Fixed templates of exported scripts: reading and narrowing runs, and one plot each. Pure.

Nothing is substituted here: values that differ between scripts are in upper-case constants at the top of the script.
"""

from dataclasses import dataclass

SIGN_IN_COMMENT = "# For a server with a sign-in, set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment."
BASE_IMPORTS = ("import mlflow", "import pandas as pd", "from mlflow.entities import ViewType")
ALTAIR_IMPORTS = ("import altair as alt",)

READ_RUNS = '''mlflow.set_tracking_uri(TRACKING_URI)
states = {"active": ViewType.ACTIVE_ONLY, "deleted": ViewType.DELETED_ONLY, "all": ViewType.ALL}
runs = mlflow.search_runs(
    experiment_ids=EXPERIMENTS,
    filter_string=FILTER,
    run_view_type=states[STATE],
    max_results=MOST,
    order_by=["attributes.start_time DESC"],
)
if runs.empty:
    raise SystemExit("No matching run.")
runs["started"], ended = (pd.to_datetime(runs[name], utc=True) for name in ("start_time", "end_time"))
runs["seconds"] = (ended - runs["started"]).dt.total_seconds()
runs["user"] = runs.get("tags.mlflow.user")
runs["name"] = runs.get("tags.mlflow.runName")
runs["name"] = runs["name"].fillna(runs["run_id"])


def column(name):
    """Return a column of the runs, or an empty one if no run has it."""
    return runs[name] if name in runs else pd.Series(index=runs.index, dtype="object")


def values(name):
    """Return numbers if every value is one, else the values unchanged. SQL stores save infinity as the largest float: omitted."""
    found = column(name)
    if not name.startswith(("metrics.", "params.")):
        return found
    numbers = pd.to_numeric(found, errors="coerce")
    return numbers.where(numbers.abs() < 1e308) if numbers.notna().sum() == found.notna().sum() else found
'''

KEEP_SELECTED = 'runs = runs[runs["run_id"].isin(PICKED)]\n'
KEEP_CHILDREN = 'runs = runs[column("tags.mlflow.parentRunId") == PARENT]\n'
KEEP_STARTED_SINCE = 'runs = runs[runs["started"] >= pd.to_datetime(SINCE, utc=True)]\n'
KEEP_STARTED_BEFORE = 'runs = runs[runs["started"] < pd.to_datetime(BEFORE, utc=True)]\n'
KEEP_IN_RANGES = """for name, low, high, missing in RANGES:
    numbers = pd.to_numeric(column(name), errors="coerce")
    inside = numbers.abs() < 1e308
    inside &= numbers >= low if low is not None else True
    inside &= numbers <= high if high is not None else True
    runs = runs[inside | (column(name).isna() & missing)]
"""
KEEP_WITH_VALUES = """for name, wanted, missing in VALUES:
    runs = runs[column(name).isin(wanted) | (column(name).isna() & missing)]
"""
KEEP_WITH_TEXTS = """for name, text in TEXTS:
    runs = runs[column(name).astype("str").str.contains(text, case=False, regex=False, na=False)]
"""
DROP_CHILDREN = """above = column("tags.mlflow.parentRunId")
runs = runs[~above.isin(runs["run_id"]) | (above == runs["run_id"])]
"""
KEEP_BEST_CHILDREN = """above = column("tags.mlflow.parentRunId")
above = above.where((above != runs["run_id"]) & (above != ""))
youngest = ~runs["run_id"].isin(above)
goodness = (-values(COLOR) if LESS_IS_BETTER else values(COLOR)).fillna(float("-inf"))
best = goodness[youngest].groupby(above.fillna(runs["run_id"])[youngest]).idxmax()
parent, spoken_for = dict(zip(runs["run_id"], above)), set()
for run_id in runs["run_id"][youngest]:
    while run_id in parent and run_id not in spoken_for:
        spoken_for.add(run_id)
        run_id = parent[run_id]
runs = runs[runs.index.isin(best) | ~runs["run_id"].isin(spoken_for)]
"""
READ_EXTREMES = """# MLflow's search returns the last value of a metric; the complete history has the others.
client = mlflow.MlflowClient()
for name, way in EXTREMES.items():
    for row, run_id in runs["run_id"].items():
        history = [point.value for point in client.get_metric_history(run_id, name.removeprefix("metrics."))]
        if history := [value for value in history if value == value]:
            runs.loc[row, name] = max(history) if way == "max" else min(history)
"""
STOP_WHEN_EMPTY = """if runs.empty:
    raise SystemExit("No run left after filtering.")
"""

_DRAW = '''alt.data_transformers.disable_max_rows()


def kind(values):
    """Return Altair's type for these values."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return "temporal"
    return "quantitative" if pd.api.types.is_numeric_dtype(values) else "nominal"


def scale(name, values):
    """Return a logarithmic scale if requested and all values are positive, else a linear one."""
    if kind(values) != "quantitative":
        return alt.Scale()
    return alt.Scale(type="log" if name in LOG and values.min() > 0 else "linear", zero=False)


'''
_SAVE = """chart.properties(width=900, height=400).save("chart.html")  # loads Vega from the web when opened
"""
_SCATTER = """data = pd.DataFrame({"run": runs["name"], "x": values(X), "y": values(Y), "color": values(COLOR)}).dropna(subset=["x", "y"])
chart = (
    alt.Chart(data)
    .mark_circle(size=80)
    .encode(
        x=alt.X("x", type=kind(data["x"]), title=X, scale=scale(X, data["x"])),
        y=alt.Y("y", type=kind(data["y"]), title=Y, scale=scale(Y, data["y"])),
        color=alt.Color("color", type=kind(data["color"]), title=COLOR),
        tooltip=["run:N", "x:N", "y:N", "color:N"],
    )
)
"""
_PARALLEL = '''def place(found):
    """Scale values to 0 at the lower end of the axis and 1 at the upper; texts in their order."""
    if not pd.api.types.is_numeric_dtype(found):
        found = found.astype("category").cat.codes.where(found.notna())
    span = found.max() - found.min()
    return (found - found.min()) / span if span else found * 0 + 0.5


told = pd.DataFrame({"run_id": runs["run_id"], "run": runs["name"], "color": values(COLOR)})
rows = pd.concat(
    [told.assign(axis=name, place=place(values(name)), value=column(name).astype("str")) for name in AXES], ignore_index=True
)
chart = (
    alt.Chart(rows)
    .mark_line(opacity=0.6)
    .encode(
        x=alt.X("axis:N", sort=AXES, title=None),
        y=alt.Y("place:Q", axis=None),
        detail="run_id:N",
        color=alt.Color("color", type=kind(rows["color"]), title=COLOR),
        tooltip=["run:N", "axis:N", "value:N"],
    )
)
'''
_BOX = """data = pd.DataFrame({"run": runs["name"], "y": values(Y), "group": column(BY[0]).astype("object").fillna("not set").astype("str")})
base = alt.Chart(data.dropna(subset=["y"])).encode(
    x=alt.X("group:N", title=BY[0]), y=alt.Y("y:Q", title=Y, scale=alt.Scale(zero=False))
)
chart = base.mark_boxplot(extent=1.5) + base.mark_circle(size=24, color="black").encode(tooltip=["run:N", "y:Q"])
"""
_CONTOUR = """# The page interpolates between the runs; this plots the runs themselves, coloured by the interpolated metric.
data = pd.DataFrame({"run": runs["name"], "x": values(X), "y": values(Y), "z": values(Z)}).dropna()
chart = (
    alt.Chart(data)
    .mark_circle(size=160)
    .encode(
        x=alt.X("x", type=kind(data["x"]), title=X, scale=scale(X, data["x"])),
        y=alt.Y("y", type=kind(data["y"]), title=Y, scale=scale(Y, data["y"])),
        color=alt.Color("z", type=kind(data["z"]), title=Z),
        tooltip=["run:N", "x:N", "y:N", "z:N"],
    )
)
"""
_CURVES = """shown = runs[runs["run_id"].isin(PICKED)] if PICKED else runs.head(50)
client = mlflow.MlflowClient()
points = [
    (run_id, name, point.step, pd.Timestamp(point.timestamp, unit="ms", tz="UTC"), point.value)
    for run_id, name in zip(shown["run_id"], shown["name"])
    for point in client.get_metric_history(run_id, Y.removeprefix("metrics."))
]
data = pd.DataFrame(points, columns=["run_id", "run", "step", "time", "value"])
data = data[data["value"].abs() < 1e308].sort_values(["run_id", "step", "time"], kind="stable")
if data.empty:
    raise SystemExit("No run has a history of this metric.")
data["relative"] = (data["time"] - data.groupby("run_id")["time"].transform("min")).dt.total_seconds()
smoothed = data.groupby("run_id")["value"].transform(lambda found: found.ewm(alpha=1 - SMOOTH).mean())
data["shown"] = smoothed if SMOOTH else data["value"]
chart = (
    alt.Chart(data)
    .mark_line()
    .encode(
        x=alt.X(ALONG, type=kind(data[ALONG]), title=ALONG),
        y=alt.Y("shown:Q", title=Y, scale=scale(Y, data["shown"])),
        detail="run_id:N",
        color="run:N",
        tooltip=["run:N", "step:Q", "value:Q"],
    )
)
"""
_GROUPS = """names = pd.DataFrame({name: column(name).astype("object").fillna("not set").astype("str") for name in BY}, index=runs.index)
found = values(Y).groupby(names.agg(" / ".join, axis=1)).agg(["count", "mean", "std"]).query("count > 0")
half = found["std"] / found["count"] ** 0.5 * t.ppf(0.975, found["count"] - 1)  # 95 % interval of the mean; none for a single run
data = found.assign(low=found["mean"] - half, high=found["mean"] + half).rename_axis("group").reset_index()
print(data.to_string(index=False))
base = alt.Chart(data).encode(y=alt.Y("group:N", sort=alt.SortField("mean", "descending"), title=None))
bars = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", title=Y, scale=alt.Scale(zero=False)), x2="high:Q")
chart = bars + base.mark_circle(size=90).encode(x="mean:Q", tooltip=["group:N", "count:Q", "mean:Q", "std:Q"])
"""
_IMPORTANCE = """known = runs[values(Y).notna()].index
features = {}
for name in [name for name in runs if name.startswith("params.") and runs[name].nunique() > 1]:
    found = values(name)
    is_number = pd.api.types.is_numeric_dtype(found)
    features[name] = (found if is_number else found.astype("category").cat.codes.where(found.notna())).loc[known].astype("float64")
if not features or len(known) < 8:
    raise SystemExit("Importance needs at least eight runs with the metric and a parameter that varies.")
table, target = pd.DataFrame(features), values(Y).loc[known].astype("float64")
forest = RandomForestRegressor(n_estimators=200, random_state=0).fit(table, target)
found = permutation_importance(forest, table, target, n_repeats=20, random_state=0)
data = pd.DataFrame({"parameter": table.columns, "importance": found.importances_mean, "spread": found.importances_std})
data = data.assign(low=data["importance"] - data["spread"], high=data["importance"] + data["spread"])
base = alt.Chart(data).encode(y=alt.Y("parameter:N", sort="-x", title=None))
chart = base.mark_bar().encode(x=alt.X("importance:Q", title=Y)) + base.mark_rule().encode(x="low:Q", x2="high:Q")
"""
_DIFFERENCES = """shown = runs[runs["run_id"].isin(PICKED)] if PICKED else runs.head(2)
table = shown.set_index("run_id").drop(columns=["artifact_uri"]).T
table = table[table.astype("str").nunique(axis=1) > 1]
if BASE in table:
    table = table[[BASE, *(run_id for run_id in table if run_id != BASE)]]
print(table.to_string())
table.to_csv("differences.csv")
"""
_TABLE = """print(runs.to_string(max_rows=20))
runs.to_csv("runs.csv", index=False)
"""


@dataclass(frozen=True)
class ScriptPart:
    """One plot: the constants its code reads, its import lines, and the code."""

    constants: tuple[str, ...]
    imports: tuple[str, ...]
    code: str


def _chart_part(code: str, *constants: str, imports: tuple[str, ...] = ()) -> ScriptPart:
    return ScriptPart((*constants, "LOG"), (*ALTAIR_IMPORTS, *imports), _DRAW + code + _SAVE)


_SKLEARN = ("from sklearn.ensemble import RandomForestRegressor", "from sklearn.inspection import permutation_importance")
TABLE_PART = ScriptPart((), (), _TABLE)
PLOT_PARTS = {
    "parallel": _chart_part(_PARALLEL, "AXES", "COLOR"),
    "scatter": _chart_part(_SCATTER, "X", "Y", "COLOR"),
    "box": _chart_part(_BOX, "Y", "BY"),
    "contour": _chart_part(_CONTOUR, "X", "Y", "Z"),
    "curves": _chart_part(_CURVES, "Y", "PICKED", "ALONG", "SMOOTH"),
    "groups": _chart_part(_GROUPS, "Y", "BY", imports=("from scipy.stats import t",)),
    "importance": _chart_part(_IMPORTANCE, "Y", imports=_SKLEARN),
    "differences": ScriptPart(("PICKED", "BASE"), (), _DIFFERENCES),
}
"""The plots of Compare by their lowercase names."""
