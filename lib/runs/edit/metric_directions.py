"""Store metric directions for the team in one JSON tag of the experiment. Reading it is left to `direction_tags`."""

from lib.backends.backend import Backend
from lib.backends.length_limits import MAX_EXPERIMENT_TAG_LENGTH
from lib.backends.mlflow_client import client
from lib.backends.mlflow_errors import translate_errors
from lib.errors import ActionRefused, BadInput
from lib.runs.analysis.direction_tags import DIRECTIONS_TAG, team_directions, team_directions_text
from lib.runs.analysis.metric_direction import Direction


def set_direction(backend: Backend, experiment_id: str, metric: str, direction: Direction | None) -> None:
    """Set the direction of an experiment's metric; None clears the team's choice. Other metrics keep their direction.

    The tag is read just before it is written: of two simultaneous writes the last one wins. Raises ActionRefused if the tag has a shape
    that this Podium does not write, and BadInput if it would become too long.
    """
    with translate_errors(f"Experiment {experiment_id}"):
        tags = client(backend).get_experiment(experiment_id).tags or {}
    directions = team_directions({str(key): str(value) for key, value in tags.items()})
    if directions is None:
        raise ActionRefused(
            f"The tag {DIRECTIONS_TAG} of this experiment has a format that this Podium does not know.",
            next="A newer Podium may have written it. Otherwise delete the tag in MLflow.",
        )
    text = team_directions_text(
        {name: value for name, value in directions.items() if name != metric} | ({metric: direction} if direction else {})
    )
    if len(text) > MAX_EXPERIMENT_TAG_LENGTH:
        raise BadInput(
            f"The directions of this experiment take {len(text):,} characters; the limit of a tag is {MAX_EXPERIMENT_TAG_LENGTH:,}.",
            next="Clear the direction of a metric that is no longer compared.",
        )
    with translate_errors(f"Experiment {experiment_id}"):
        client(backend).set_experiment_tag(experiment_id, DIRECTIONS_TAG, text)
