"""Metric directions: from an unambiguous name, overridden by tags, overridden by a user's choice."""

import json

import pytest

from lib.backends.mlflow_client import client
from lib.errors import ActionRefused, BadInput, NotFound
from lib.runs.analysis.comparison import compare_runs
from lib.runs.analysis.direction_tags import (
    DIRECTIONS_TAG,
    GREATER_IS_BETTER_TAG,
    PRIMARY_METRIC_TAG,
    experiment_statements,
    optuna_statements,
)
from lib.runs.analysis.metric_direction import DirectionStatement, MetricDirections, direction_by_name
from lib.runs.analysis.run_tree import best_children
from lib.runs.edit.metric_directions import set_direction
from lib.runs.export.script import ScriptSpec, build_script
from lib.runs.reading.run_reader import read_experiments, read_runs
from lib.runs.table.run_table import find_best_run, metric_columns, with_directions
from lib.runs.table.types import Search
from lib.runs.table.view import ViewState
from tests.support.run_factories import log_run, make_experiment, make_run, make_run_table

LESS = """loss|val_loss|valloss|trainloss|logLoss|RMSE|test_mae|fit time|latency_ms|train/error|FPR|val_nll|neg_log_likelihood|ece
false_positive_rate|seconds_per_step|cost_per_hour|merror|validation-mlogloss|valid_0-l2|fp|val_cross_entropy|kl_divergence
errors_per_hour|epoch_loss|gamma_deviance|cox-nloglik|hausdorff_distance""".replace("\n", "|").split("|")
MORE = """accuracy|f1|test_r2|AUC|neg_log_loss|neg_mean_squared_error|images_per_sec|mb_per_s|steps_per_second|accuracy_per_epoch
training_score|best_cv_score|val_f1_score|top_5_accuracy|roc_auc_score|precision_macro|recall@5|valacc|log_likelihood|aucpr
explained_variance""".replace("\n", "|").split("|")
UNKNOWN = """value|objective|m|品質|glossary_score|risk_score|score_gap|entropy|policy_entropy|loss_weight|loss_scale|error_reduction
time_to_failure|1-accuracy|one_minus_auc|val_loss_best_epoch|accuracy_std|accuracy_drop|learning_rate|lr|epoch|num_params|n_rows|distance
timestamp|gloss|weightloss|free_memory_mb|system/cpu_utilization|best""".replace("\n", "|").split("|")


@pytest.mark.parametrize(
    ("name", "direction"),
    [*((name, "less") for name in LESS), *((name, "more") for name in MORE), *((name, "neither") for name in UNKNOWN)],
)
def test_a_name_has_a_direction_only_where_it_leaves_no_doubt(name, direction):
    assert direction_by_name(name) == direction


@pytest.mark.parametrize("metric", ["val_loss", "valloss", "value", "merror"])
def test_the_best_trial_of_a_search_that_minimises_is_the_one_with_the_least_value(fresh_store, metric):
    experiment = make_experiment(fresh_store, "search")
    study = log_run(fresh_store, experiment, "study")
    for number, loss in enumerate((0.9, 0.2, 0.5)):
        log_run(fresh_store, experiment, f"trial {number}", metrics={metric: loss}, parent=study, tags={"direction": "MINIMIZE"})
    table = read_runs(fresh_store, Search((experiment,)))
    assert [table.identity.name[run_id] for run_id in best_children(table, f"metrics.{metric}")] == ["trial 1"]


def test_optunas_tag_speaks_of_the_objective_only():
    assert optuna_statements([("MAXIMIZE", ("value", "seconds"))]) == (DirectionStatement("value", "more", "Optuna"),)
    assert optuna_statements([("MINIMIZE", ("gap", "system/cpu"))]) == (DirectionStatement("gap", "less", "Optuna"),)
    assert optuna_statements([("['MINIMIZE', 'MAXIMIZE']", ("value_0", "value_1", "other"))]) == (
        DirectionStatement("value_0", "less", "Optuna"),
        DirectionStatement("value_1", "more", "Optuna"),
    )
    silent = [
        "north",
        "",
        "[",
        "['MINIMIZE', 'north']",
        "[" * 3000,
        "__import__('os')",
        "[[1]]",
        "['MINIMIZE']" * 9,
        "[" + "1," * 9_999,
    ]
    assert optuna_statements((tag, ("value",)) for tag in silent) == ()
    assert optuna_statements([("MINIMIZE", ("a", "b")), ("['MINIMIZE', 'MAXIMIZE']", ("a_0", "b_1"))]) == ()


def test_our_tag_goes_before_mlflows_and_that_before_optunas_and_the_name():
    tags = {PRIMARY_METRIC_TAG: "loss", GREATER_IS_BETTER_TAG: "True"}
    optuna = (DirectionStatement("loss", "less", "Optuna"), DirectionStatement("acc", "less", "Optuna"))
    directions = MetricDirections(optuna).extended(experiment_statements(tags))
    assert [(directions.of(name), directions.source_of(name)) for name in ("loss", "acc", "f1", "q")] == [
        ("more", "MLflow"),
        ("less", "Optuna"),
        ("more", "name"),
        ("neither", ""),
    ]
    tags[DIRECTIONS_TAG] = json.dumps({"schema": 1, "metrics": {"loss": "neither"}})
    directions = MetricDirections(optuna).extended(experiment_statements(tags))
    assert (directions.of("loss"), directions.source_of("loss"), directions.title("loss")) == ("neither", "team", "loss")
    assert directions.extended((DirectionStatement("loss", "less", "session"),)).title("loss") == "loss ↓"


def test_two_experiments_that_contradict_each_other_leave_it_unknown():
    statements = (DirectionStatement("q", "more", "team"), DirectionStatement("q", "less", "team"))
    assert MetricDirections(statements).of("q") == "neither"
    assert MetricDirections((*statements, DirectionStatement("q", "less", "session"))).of("q") == "less"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"schema":2}', '{"schema":1,"metrics":{"a":"up"}}', "[" * 9999, '{"schema":1}' + " " * 6000]
)
def test_a_tag_of_another_shape_says_nothing_and_is_not_overwritten(fresh_store, text):
    assert experiment_statements({DIRECTIONS_TAG: text}) == ()
    if len(text) <= 5000:
        client(fresh_store).set_experiment_tag("0", DIRECTIONS_TAG, text)
        with pytest.raises(ActionRefused, match=DIRECTIONS_TAG):
            set_direction(fresh_store, "0", "q", "less")
        assert client(fresh_store).get_experiment("0").tags[DIRECTIONS_TAG] == text


def test_a_direction_is_saved_with_the_others_and_taken_back(fresh_store):
    set_direction(fresh_store, "0", "q", "less")
    set_direction(fresh_store, "0", "naïve name\n", "more")
    assert {statement.metric: statement.direction for statement in read_experiments(fresh_store)[0].directions} == {
        "q": "less",
        "naïve name\n": "more",
    }
    set_direction(fresh_store, "0", "q", None)
    assert [statement.metric for statement in read_experiments(fresh_store)[0].directions] == ["naïve name\n"]
    with pytest.raises(BadInput, match="5,000"):
        set_direction(fresh_store, "0", "q" * 5000, "less")
    with pytest.raises(NotFound):
        set_direction(fresh_store, "999", "q", "less")


def test_best_run_verdict_order_and_script_follow_the_stated_direction():
    table = make_run_table(make_run("a", metrics={"q": 1.0}), make_run("b", metrics={"q": 2.0}))
    assert find_best_run(table, "metrics.q") is None
    assert compare_runs(table, "a")[0].verdicts == ("", "")
    less_table = with_directions(table, (DirectionStatement("q", "less", "team"),))
    assert find_best_run(less_table, "metrics.q").run_id == "a"
    row = compare_runs(less_table, "a")[0]
    assert (row.title, row.verdicts) == ("q ↓", ("", "worse"))
    spec = ScriptSpec("sqlite:///x.db", Search(("1",)), ViewState(stat="best", color="metrics.q", children="best"))
    assert "EXTREMES" not in build_script(spec)
    script = build_script(ScriptSpec(**(vars(spec) | {"directions": less_table.directions})))
    assert "EXTREMES = {'metrics.q': 'min'}" in script
    assert "LESS_IS_BETTER = True" in script


def test_costs_and_counts_come_late_and_what_the_machine_measured_comes_last():
    metrics = dict.fromkeys(("system/cpu", "train_loss", "epoch", "fit_seconds", "q", "loss", "accuracy"), 1)
    assert [name.removeprefix("metrics.") for name in metric_columns(make_run_table(make_run("a", metrics=metrics)))] == [
        "accuracy", "loss", "q", "epoch", "fit_seconds", "train_loss", "system/cpu",
    ]  # fmt: skip
