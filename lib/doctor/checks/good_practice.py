"""Good practice that many forget (guide §10): names that say something, experiments apart, models in Production that are described.

What single runs do not tell is asked in `completeness`.
"""

import re
from typing import TYPE_CHECKING

from lib.backends.backend import Backend
from lib.doctor.run_cache import gathered, run_name, shown
from lib.doctor.types import Check, Clock, Finding, Told
from lib.registry.reader import every_model
from lib.runs.edit.experiment_changes import DEFAULT

if TYPE_CHECKING:
    from lib.registry.snapshot import Seen

_VAGUE = re.compile(
    r"(my|new|the|first|another|untitled|default)?[\W_]*"
    r"(experiment|exp|tests?|testing|trial|run|model|temp|tmp|demo|foo|bar|baz|untitled|stuff|asdf|xxx|abc|try|new)[\W_]*"
    r"(\d+|v\d+|[a-z]|new|final|old|copy)?",
    re.IGNORECASE,
)
_LIVE_WORDS = {"production", "prod", "live"}
_LIVE_TAGS = ("environment", "env", "stage", "deployment", "deployed")


def names(backend: Backend, clock: Clock, _: Told) -> tuple[Finding, ...]:
    """Which experiments have a name that says nothing, such as Experiment1 or test."""
    found = gathered(backend, clock)
    named = [one for one in found.experiments if one.experiment_id != DEFAULT]
    vague = [one for one in named if is_vague(one.name)]
    if not vague:
        return NAMES.fine(f"{len(named)} clear")
    return (
        Finding(
            NAMES.id,
            "notice",
            _vague_title(len(vague)),
            f"{len(vague)} of {len(named)} vague",
            ("Experiment", "Id"),
            shown([(one.name, one.experiment_id) for one in vague]),
            "In half a year nobody knows what was tried there, and the next person starts again.",
            "Rename it in Compare after the data and the kind of model, such as Wine-Classification-RandomForest. Its runs stay.",
        ),
    )


def is_vague(name: str) -> bool:
    """Is this a name like Experiment1, test, my_model or exp-2?"""
    return bool(_VAGUE.fullmatch(name.strip())) or len(name.strip()) < 3


def in_default(backend: Backend, clock: Clock, _: Told) -> tuple[Finding, ...]:
    """Does nearly everything lie in the experiment that takes what names none?"""
    found = gathered(backend, clock)
    total, there = len(found.table), int((found.table.identity["experiment"] == DEFAULT).sum())
    if there < 2 or there * 2 <= total:
        return IN_DEFAULT.fine(f"{there:,} of {total:,} runs there")
    return (
        Finding(
            IN_DEFAULT.id,
            "notice",
            f"{'All' if there == total else 'Most'} runs lie in the Default experiment",
            f"{there:,} of {total:,} runs",
            means="Runs that have nothing to do with each other stand in one list, so no comparison of all of them means anything.",
            next="Name an experiment before the run starts, one for each kind of model: mlflow.set_experiment(…).",
        ),
    )


def described(backend: Backend, _: Clock, __: Told) -> tuple[Finding, ...]:
    """Which models in Production say nothing about themselves."""
    live = [seen for seen in every_model(backend) if seen.now["production"].holders]
    bare = [seen for seen in live if not _says_something(seen)]
    if not bare:
        return DESCRIBED.fine(f"{len(live)} of {len(live)}" if live else "none in Production")
    return (
        Finding(
            DESCRIBED.id,
            "notice",
            "A model in Production has no description"
            if len(bare) == 1
            else f"{len(bare)} models in Production have no description",
            f"{len(live) - len(bare)} of {len(live)}",
            ("Model", "In Production"),
            shown([(seen.model, ", ".join(f"v{number}" for number in seen.now["production"].holders)) for seen in bare]),
            "Whoever finds the model in a year does not learn what it decides, from which data, and whom to ask.",
            "Describe the model or its version: client.update_registered_model(name, description) or client.update_model_version(…).",
        ),
    )


def registered(backend: Backend, clock: Clock, _: Told) -> tuple[Finding, ...]:
    """Which runs say that they serve Production, and no version of any model was made from them."""
    table = gathered(backend, clock).table
    tags = [one for one in table.tags.columns if one.lower() in _LIVE_TAGS]
    live = {run: name for name in tags for run in table.tags.index[table.tags[name].str.lower().isin(_LIVE_WORDS)]}
    loose = [run for run in live if not table.identity.at[run, "versions"]]
    if not loose:
        return REGISTERED.fine(f"{len(live)} of {len(live)}" if live else "no run says so")
    return (
        Finding(
            REGISTERED.id,
            "notice",
            "A run is tagged as production, and its model is not registered",
            f"{len(live) - len(loose)} of {len(live)}",
            ("Run", "Tag", "Logged a model"),
            shown([(run_name(table, run), live[run], "yes" if table.identity.at[run, "has_model"] else "no") for run in loose]),
            "A model that is used without a version cannot be promoted, rolled back or found in the record.",
            "Register it on the Models page, then promote it with a reason; or correct the tag.",
        ),
    )


def _says_something(seen: "Seen") -> bool:
    """Does the model speak of itself, or each version that stands in Production?"""
    versions = [seen.versions[one] for one in seen.now["production"].holders if one in seen.versions]
    return bool(seen.description.strip()) or (bool(versions) and all(one.description.strip() for one in versions))


def _vague_title(number: int) -> str:
    return "An experiment has a name that says nothing" if number == 1 else f"{number} experiments have names that say nothing"


NAMES = Check("names", "Experiment names", "Do the names of the experiments say what was tried?", names)
IN_DEFAULT = Check("in_default", "Experiments kept apart", "Does everything lie in the Default experiment?", in_default)
DESCRIBED = Check("described", "Models described", "Do the models in Production say what they are?", described, quick=True)
REGISTERED = Check("registered", "Production is registered", "Is every model that is used also registered?", registered)
CHECKS = (NAMES, IN_DEFAULT, DESCRIBED, REGISTERED)
