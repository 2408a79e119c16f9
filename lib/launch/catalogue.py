"""The demos on offer: what each teaches, its parameters with their limits, what it costs. Pure.

Values come from widgets or as text from a command line; both are checked here and become the arguments of the script. Where the
scripts are and how they run is left to `demo_jobs`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from lib.backends.reserved_names import LEDGER_EXPERIMENT
from lib.errors import BadInput

ParameterKind = Literal["text", "id", "number", "numbers", "depths"]
ParameterInput = str | int | Sequence[int | None] | Sequence[int]
"""A value as it is given: by a widget, or as text by a command line."""
ParameterValue = str | int | tuple[int | None, ...]
"""A value after the check, as the script gets it."""
_MAX_NUMBERS = 8


@dataclass(frozen=True)
class DemoParameter:
    """One parameter of a demo.

    `kind` is text, id (of an experiment), number, numbers (several), or depths (several, None for no limit). Numbers lie between
    `minimum` and `maximum`; `choices` are those that a page offers at a click. `default` has the type that `parse` returns.
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
        """The value as the script gets it. Text is read as numbers where numbers are meant ("1, 5, 15", "none, 10").

        Raises BadInput, in words that name the parameter.
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
            raise BadInput(f"{self.label} is empty.", next=f"Type a name, for example {self.default}.")
        if len(text) > 200 or not text.isprintable():
            raise BadInput(f"{self.label} is longer than 200 characters or holds characters that cannot be shown.")
        if self.name == "experiment" and text.lower().startswith(LEDGER_EXPERIMENT):
            raise BadInput(
                f"Experiments whose name begins with {LEDGER_EXPERIMENT} are kept for Podium's own records.",
                next="Choose another name.",
            )
        return text

    def _parse_id(self, value: ParameterInput) -> str:
        text = str(value).strip()
        if not text.isdecimal() or len(text) > 20:
            raise BadInput(
                f"{self.label} must be a whole number such as 0, not {_quote(value)}.",
                next="Compare shows the id of an experiment.",
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
            raise BadInput(f"{self.label} needs one to {_MAX_NUMBERS} numbers, not {len(numbers)}.", next="Pick at least one.")
        return numbers

    def _parse_item(self, part: object) -> int | None:
        is_unlimited = self.kind == "depths" and (part is None or str(part).strip().lower() in ("none", "no limit"))
        return None if is_unlimited else self._parse_number(part)


@dataclass(frozen=True)
class Demo:
    """One demo. `key` names it in addresses and on the command line, `number` is that of the guide and of its script.

    `needs_remote`: its lesson is a backend on another machine, so it cannot be learnt on local files.
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
        """Why it cannot be started on a backend, as a sentence; empty where it can."""
        if is_server or not self.needs_remote:
            return ""
        return "This demo logs to another machine: it needs a DagsHub repository or an MLflow server, chosen on Settings."


def _experiment_parameter(name: str) -> DemoParameter:
    return DemoParameter("experiment", "Experiment", "text", name, help="Made when it is missing")


_TREES = DemoParameter("n_estimators", "Trees", "number", 15, help="Trees in the forest")
_DEPTH = DemoParameter("max_depth", "Max depth", "number", 10, maximum=100, help="How deep a tree may grow")
_AUTHOR = DemoParameter("author", "Author", "text", "Podium demo", help="Becomes the tag Author of every run")
_FOREST = (_TREES, _DEPTH, _AUTHOR)
_SEVERAL_TREES = DemoParameter(
    "n_estimators", "Trees", "numbers", (5,), choices=(1, 5, 10, 15, 50), help="One run for each number"
)

_DEPTH_CHOICES = (None, 5, 10, 20, 30)
_DEPTHS = DemoParameter(
    "max_depth", "Max depth", "depths", (None, 10, 20, 30), maximum=100, choices=_DEPTH_CHOICES, help="All are tried"
)

_DEMOS = (
    Demo(
        "first-run",
        1,
        "Wine, first run",
        "Set the tracking URI first, then put into one run all that someone needs to judge a model.",
        "01_first_run.py",
        (_experiment_parameter("Wine-Classification-RandomForest"), _SEVERAL_TREES, _DEPTH, _AUTHOR),
        8,
    ),
    Demo(
        "by-id",
        2,
        "Wine, experiment by id",
        "A name can be changed by anyone; an id never changes.",
        "02_experiment_by_id.py",
        (
            DemoParameter("experiment_id", "Experiment id", "id", "0", help="0 is Default, which every backend has"),
            *_FOREST,
        ),
        8,
    ),
    Demo(
        "by-name",
        3,
        "Wine, experiment by name",
        "The first run makes the experiment, every later run finds it by its name.",
        "03_experiment_by_name.py",
        (_experiment_parameter("YT-MLOPS-Exp-2"), *_FOREST),
        8,
    ),
    Demo(
        "remote",
        4,
        "Wine, remote backend",
        "With a tracking URI on another machine, a team sees every run, and nothing is left on the own disk.",
        "04_remote_dagshub.py",
        (_experiment_parameter("YT-MLOPS-Dagshub-Exp-1"), *_FOREST),
        10,
        needs_remote=True,
    ),
    Demo(
        "autolog",
        5,
        "Wine, autolog",
        "One line logs parameters, training metrics, data, plots and the model; the rest is still ours to log.",
        "05_autolog.py",
        (_experiment_parameter("YT-MLOPS-Autolog-Exp-1"), *_FOREST),
        12,
    ),
    Demo(
        "search",
        6,
        "Breast cancer, grid search",
        "One parent run for the search, one child run for each trial; the parent says what won.",
        "06_hyperparameter_search.py",
        (
            _experiment_parameter("Breast-Cancer-Rf-HP-Tuning"),
            DemoParameter("n_estimators", "Trees", "numbers", (10, 50, 100), choices=(10, 50, 100, 200), help="All are tried"),
            _DEPTHS,
            DemoParameter("folds", "Folds", "number", 5, minimum=2, maximum=10, help="Parts of the cross-validation"),
            _AUTHOR,
        ),
        9,
    ),
)


def list_demos() -> tuple[Demo, ...]:
    """All demos, in the order of the guide."""
    return _DEMOS


def find_demo(key: str) -> Demo:
    """The demo of that key. Raises BadInput with the keys that exist."""
    for demo in _DEMOS:
        if demo.key == key:
            return demo
    raise BadInput(f"There is no demo called {_quote(key)}.", next=f"There are: {', '.join(demo.key for demo in _DEMOS)}.")


def parse_values(demo: Demo, values: Mapping[str, ParameterInput]) -> dict[str, ParameterValue]:
    """Every parameter with its value, the default where none is given. Raises BadInput for an unknown or a bad one."""
    parameters = {parameter.name: parameter for parameter in demo.parameters}
    for name in values:
        if name not in parameters:
            raise BadInput(f"{demo.title} has no parameter {_quote(name)}.", next=f"It has: {', '.join(parameters)}.")
    return {name: parameter.parse(values.get(name, parameter.default)) for name, parameter in parameters.items()}


def script_arguments(demo: Demo, values: Mapping[str, ParameterInput]) -> tuple[str, ...]:
    """The arguments of the script, checked. Text is bound to its option by =, so a name that begins with - stays a name."""
    arguments: list[str] = []
    for name, value in parse_values(demo, values).items():
        option = "--" + name.replace("_", "-")
        if isinstance(value, tuple):
            arguments += [option, *("none" if number is None else str(number) for number in value)]
        else:
            arguments.append(f"{option}={value}")
    return tuple(arguments)


def describe_cost(demo: Demo, values: Mapping[str, ParameterInput]) -> str:
    """What a start will cost and write, as one or two sentences. The seconds are those of a laptop with two cores."""
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
    """Rounded up to five seconds: an estimate is no measurement."""
    return max(5, -int(-estimate // 5) * 5)


def _quote(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= 60 else text[:59] + "…")
