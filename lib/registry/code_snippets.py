"""The plain MLflow calls equivalent to an action of Podium, to copy and learn from. Pure."""

from collections.abc import Mapping, Sequence

from lib.backends.client_snippet import client_snippet, file_store_lines
from lib.backends.reserved_names import STAGE_TAG
from lib.registry.moves import Move


def load_model_snippet(uri: str, model_uri: str) -> str:
    """Code that loads a model. `model_uri` is models:/name@alias or models:/name/version."""
    calls = [f"mlflow.set_tracking_uri({uri!r})", f"model = mlflow.pyfunc.load_model({model_uri!r})"]
    return "\n".join([*file_store_lines(uri), "import mlflow", "", *calls]) + "\n"


def moves_snippet(uri: str, model: str, moves: Sequence[Move]) -> str:
    """The registry writes of a move. They do not record who and why; Podium adds that."""
    return client_snippet(uri, [_move_call(model, move) for move in moves])


def register_snippet(uri: str, model: str, source: str, origin: Mapping[str, str], *, is_new_model: bool) -> str:
    """The registry writes that create a version. `origin` maps the arguments run_id and model_id to their values."""
    arguments = ", ".join([f"{model!r}, {source!r}", *(f"{name}={value!r}" for name, value in origin.items() if value)])
    creation = [f"client.create_registered_model({model!r})"] if is_new_model else []
    return client_snippet(uri, [*creation, f"client.create_model_version({arguments})"])


def delete_run_snippet(run_id: str, uri: str) -> str:
    """The call that soft-deletes a run."""
    return client_snippet(uri, [f"client.delete_run({run_id!r})"])


def _move_call(model: str, move: Move) -> str:
    if move.verb == "alias":
        return f"client.set_registered_model_alias({model!r}, {move.target!r}, {move.version!r})"
    if move.verb == "unalias":
        return f"client.delete_registered_model_alias({model!r}, {move.target!r})"
    if move.is_stage_tag:
        return f"client.set_model_version_tag({model!r}, {move.version!r}, {STAGE_TAG!r}, {move.target!r})"
    return f"client.transition_model_version_stage({model!r}, {move.version!r}, {move.target!r})"
