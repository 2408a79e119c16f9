"""Available demos: what each teaches, its parameters with limits, and its cost. Pure.

Values come from widgets or as text from a command line; both are validated here and converted to script arguments. `demo_jobs`
locates and runs the scripts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lib.backends.reserved_names import LEDGER_EXPERIMENT
from lib.errors import BadInput

ParameterKind = Literal["text", "id", "number", "numbers", "depths"]
ParameterInput = str | int | Sequence[int | None] | Sequence[int]
"""Unvalidated value from a widget, or text from a command line."""
ParameterValue = str | int | tuple[int | None, ...]
"""Validated value as passed to the script."""
_MAX_NUMBERS = 8


@dataclass(frozen=True)
class DemoParameter:
    """One parameter of a demo.

    `kind` is text, id (of an experiment), number, numbers (several), or depths (several, None for no limit). Numbers are between
    `minimum` and `maximum`; `choices` are the options offered on a page. `default` has the type returned by `parse`.
    """

    name: str
    label: str
    kind: ParameterKind
    default: ParameterValue
    minimum: int = 1
    maximum: int = 500
    choices: tuple[int | None, ...] = ()
    help: str = ""

    def parse(self, value: ParameterInput) -> ParameterValue:
        """Return the value as passed to the script. Text is parsed as numbers if required ("1, 5, 15", "none, 10").

        Raises BadInput with a message that names the parameter.
        """
        match self.kind:
            case "text":
                return self._parse_text(value)
            case "id":
                return self._parse_id(value)
            case "number":
                return self._parse_number(value)
            case "numbers" | "depths":
                return self._parse_numbers(value)

    def _parse_text(self, value: ParameterInput) -> str:
        text = str(value).strip()
        if not text:
            raise BadInput(f"{self.label} is empty.", next=f"Enter a name, for example {self.default}.")
        if len(text) > 200 or not text.isprintable():
            raise BadInput(f"{self.label} is longer than 200 characters or contains characters that cannot be displayed.")
        if self.name == "experiment" and text.lower().startswith(LEDGER_EXPERIMENT):
            raise BadInput(
                f"Experiment names that begin with {LEDGER_EXPERIMENT} are reserved for Podium's own records.",
                next="Choose another name.",
            )
        return text

    def _parse_id(self, value: ParameterInput) -> str:
        text = str(value).strip()
        if not text.isdecimal() or len(text) > 20:
            raise BadInput(
                f"{self.label} must be a whole number such as 0, not {_quote(value)}.",
                next="Look up the experiment id on the Compare page.",
            )
        return text

    def _parse_number(self, value: object) -> int:
        text = str(value).strip()
        number = int(text) if text.isdecimal() and len(text) < 10 else None
        if number is None or not self.minimum <= number <= self.maximum:
            raise BadInput(f"{self.label} must be a whole number from {self.minimum} to {self.maximum}, not {_quote(value)}.")
        return number

    def _parse_numbers(self, value: ParameterInput) -> tuple[int | None, ...]:
        values = value.replace(",", " ").split() if isinstance(value, str) else value
        parts = [values] if isinstance(values, int) else values
        numbers = tuple(dict.fromkeys(self._parse_item(part) for part in parts))
        if not 1 <= len(numbers) <= _MAX_NUMBERS:
            raise BadInput(f"{self.label} needs one to {_MAX_NUMBERS} numbers, not {len(numbers)}.", next="Choose at least one.")
        return numbers

    def _parse_item(self, part: object) -> int | None:
        is_unlimited = self.kind == "depths" and (part is None or str(part).strip().lower() in ("none", "no limit"))
        return None if is_unlimited else self._parse_number(part)


@dataclass(frozen=True)
class Demo:
    """One demo. `key` identifies it in URLs and on the command line; `number` is its number in the guide and script name.

    `needs_remote`: it demonstrates a backend on another machine, so it cannot run on local files.
    """

    key: str
    number: int
    title: str
    lesson: str
    script: str
    parameters: tuple[DemoParameter, ...]
    base_seconds: int
    needs_remote: bool = False

    def unavailable_reason(self, *, is_server: bool) -> str:
        """Return why it cannot be started on a backend, as a sentence; empty if it can."""
        if is_server or not self.needs_remote:
            return ""
        return "This demo logs to another machine. It needs a DagsHub repository or an MLflow server, selected on Settings."


def _experiment_parameter(name: str) -> DemoParameter:
    return DemoParameter("experiment", "Experiment", "text", name, help="Created if it does not exist")


_TREES = DemoParameter("n_estimators", "Trees", "number", 15, help="Trees in the forest")
_DEPTH = DemoParameter("max_depth", "Max depth", "number", 10, maximum=100, help="How deep a tree may grow")
_AUTHOR = DemoParameter("author", "Author", "text", "Podium demo", help="Saved as the Author tag of every run")
_FOREST = (_TREES, _DEPTH, _AUTHOR)
_SEVERAL_TREES = DemoParameter("n_estimators", "Trees", "numbers", (5,), choices=(1, 5, 10, 15, 50), help="One run per value")

_DEPTH_CHOICES = (None, 5, 10, 20, 30)
_DEPTHS = DemoParameter(
    "max_depth", "Max depth", "depths", (None, 10, 20, 30), maximum=100, choices=_DEPTH_CHOICES, help="All values are tried"
)

_DEMOS = (
    Demo(
        "first-run",
        1,
        "Wine, first run",
        "Set the tracking URI first, then log everything needed to assess a model in one run.",
        "01_first_run.py",
        (_experiment_parameter("Wine-Classification-RandomForest"), _SEVERAL_TREES, _DEPTH, _AUTHOR),
        8,
    ),
    Demo(
        "by-id",
        2,
        "Wine, experiment by id",
        "A name can change; an id never does.",
        "02_experiment_by_id.py",
        (
            DemoParameter("experiment_id", "Experiment id", "id", "0", help="0 is Default, which exists in every backend"),
            *_FOREST,
        ),
        8,
    ),
    Demo(
        "by-name",
        3,
        "Wine, experiment by name",
        "The first run creates the experiment; later runs find it by name.",
        "03_experiment_by_name.py",
        (_experiment_parameter("YT-MLOPS-Exp-2"), *_FOREST),
        8,
    ),
    Demo(
        "remote",
        4,
        "Wine, remote backend",
        "With a tracking URI on another machine, the team sees every run and nothing is stored locally.",
        "04_remote_dagshub.py",
        (_experiment_parameter("YT-MLOPS-Dagshub-Exp-1"), *_FOREST),
        10,
        needs_remote=True,
    ),
    Demo(
        "autolog",
        5,
        "Wine, autolog",
        "One line logs parameters, training metrics, data, plots and the model; everything else is logged by hand.",
        "05_autolog.py",
        (_experiment_parameter("YT-MLOPS-Autolog-Exp-1"), *_FOREST),
        12,
    ),
    Demo(
        "search",
        6,
        "Breast cancer, grid search",
        "One parent run for the search and one child run per trial; the parent records the best trial.",
        "06_hyperparameter_search.py",
        (
            _experiment_parameter("Breast-Cancer-Rf-HP-Tuning"),
            DemoParameter(
                "n_estimators", "Trees", "numbers", (10, 50, 100), choices=(10, 50, 100, 200), help="All values are tried"
            ),
            _DEPTHS,
            DemoParameter("folds", "Folds", "number", 5, minimum=2, maximum=10, help="Number of cross-validation folds"),
            _AUTHOR,
        ),
        9,
    ),
)


def list_demos() -> tuple[Demo, ...]:
    """Return all demos in the order of the guide."""
    return _DEMOS


def find_demo(key: str) -> Demo:
    """Return the demo with this key. Raises BadInput listing the valid keys."""
    for demo in _DEMOS:
        if demo.key == key:
            return demo
    raise BadInput(f"There is no demo called {_quote(key)}.", next=f"Available demos: {', '.join(demo.key for demo in _DEMOS)}.")


def parse_values(demo: Demo, values: Mapping[str, ParameterInput]) -> dict[str, ParameterValue]:
    """Return all parameters with their values or defaults. Raises BadInput for an unknown parameter or invalid value."""
    parameters = {parameter.name: parameter for parameter in demo.parameters}
    for name in values:
        if name not in parameters:
            raise BadInput(
                f"{demo.title} has no parameter {_quote(name)}.", next=f"Available parameters: {', '.join(parameters)}."
            )
    return {name: parameter.parse(values.get(name, parameter.default)) for name, parameter in parameters.items()}


def script_arguments(demo: Demo, values: Mapping[str, ParameterInput]) -> tuple[str, ...]:
    """Return the validated script arguments. Text is joined to its option with =, so a name beginning with - stays a name."""
    arguments: list[str] = []
    for name, value in parse_values(demo, values).items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, tuple):
            arguments += [option, *("none" if number is None else str(number) for number in value)]
        else:
            arguments.append(f"{option}={value}")
    return tuple(arguments)


def describe_cost(demo: Demo, values: Mapping[str, ParameterInput]) -> str:
    """Return the cost and output of a demo as one or two sentences. Durations are estimates for a two-core laptop."""
    parsed_values = parse_values(demo, values)
    trees, depths, folds = parsed_values["n_estimators"], parsed_values["max_depth"], parsed_values.get("folds")
    if isinstance(trees, tuple) and isinstance(depths, tuple) and isinstance(folds, int):
        trials, fits = len(trees) * len(depths), len(trees) * len(depths) * folds
        extra_seconds = folds * len(depths) * sum(number or 0 for number in trees) / 800
        return f"{trials} trials, {fits} fits, about {_round_seconds(demo.base_seconds + extra_seconds)} s. Writes {trials + 1} runs, one model."
    runs = len(trees) if isinstance(trees, tuple) else 1
    writes = "one run with its model" if runs == 1 else f"{runs} runs, each with its model"
    return f"About {_round_seconds(demo.base_seconds + runs - 1)} s. Writes {writes}."


def _round_seconds(estimate: float) -> int:
    """Round up to a multiple of five seconds, since it is only an estimate."""
    return max(5, -int(-estimate // 5) * 5)


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:59] + "…")
