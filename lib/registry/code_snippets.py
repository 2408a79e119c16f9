"""The plain MLflow calls that do the same as an action of Podium, to copy and to learn from. Pure."""

from collections.abc import Sequence

from lib.backends.client_snippet import client_snippet
from lib.backends.reserved_names import STAGE_TAG
from lib.registry.move_plan import Move


def load_model_snippet(uri: str, model_uri: str) -> str:
    """How to load a model: `model_uri` is models:/name@alias or models:/name/version."""
    return f"import mlflow\n\nmlflow.set_tracking_uri({uri!r})\nmodel = mlflow.pyfunc.load_model({model_uri!r})\n"


def moves_snippet(uri: str, model: str, moves: Sequence[Move]) -> str:
    """The registry writes of a move. They leave no record of who and why: that is what Podium adds."""
    return client_snippet(uri, [_move_call(model, move) for move in moves])


def register_snippet(uri: str, model: str, source: str, run_id: str, model_id: str = "") -> str:
    """The registry writes that create a version."""
    model_id_argument = f", model_id={model_id!r}" if model_id else ""
    call = f"client.create_model_version({model!r}, {source!r}, run_id={run_id!r}{model_id_argument})"
    return client_snippet(uri, [f"client.create_registered_model({model!r})  # unless it is there", call])


def delete_run_snippet(run_id: str, uri: str) -> str:
    """The call that deletes a run softly."""
    return client_snippet(uri, [f"client.delete_run({run_id!r})"])


def _move_call(model: str, move: Move) -> str:
    if move.verb == "alias":
        return f"client.set_registered_model_alias({model!r}, {move.target!r}, {move.version!r})"
    if move.verb == "unalias":
        return f"client.delete_registered_model_alias({model!r}, {move.target!r})"
    if move.is_stage_tag:
        return f"client.set_model_version_tag({model!r}, {move.version!r}, {STAGE_TAG!r}, {move.target!r})"
    return f"client.transition_model_version_stage({model!r}, {move.version!r}, {move.target!r})"
