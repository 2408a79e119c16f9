"""Whether higher or lower is better for a metric: as stated by people, MLflow or Optuna, else by its name if unambiguous. Pure.

A metric without a statement and with an ambiguous name has no direction: no arrow, no best run and no verdict. Storing statements is
left to `direction_tags`.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Direction = Literal["more", "less", "neither"]
"""`neither`: neither is better, or it is unknown which."""
DirectionSource = Literal["session", "team", "MLflow", "Optuna", "name", ""]
"""Strongest first: this browser session, Podium's tag, MLflow's tag, Optuna's tag, the metric's name; unknown."""
MetricVerdict = Literal["better", "worse", "same", ""]
ARROWS: Mapping[Direction, str] = {"more": "↑", "less": "↓", "neither": ""}
HEADLINE_METRICS = ("accuracy", "auc")
SYSTEM_PREFIX = "system/"
"""Prefix of the system metrics that MLflow logs."""

_WORD = re.compile(r"(?i:[flr][12])(?![A-Za-z0-9])|[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")


def _word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_QUALIFIERS = _word_set(
    "train training val valid validation test testing eval evaluation dev holdout heldout oof cv mean avg average median best"
    " final last overall macro micro weighted samples epoch batch binary sparse categorical multi multiclass ovr ovo at top k score"
)
"""Words that say on which rows or how something was measured, but nothing about its direction."""
_MORE_WORDS = _word_set(
    "accuracy acc precision recall f1 fbeta auc aucpr auroc auprc roc pr ap map ndcg mrr r2 mcc kappa jaccard iou miou dice"
    " sensitivity specificity tpr tnr ppv npv bleu rouge meteor ssim psnr gini silhouette throughput reward elbo"
)
_MORE_PHRASES = frozenset(
    map(
        _word_set,
        (
            "explained variance", "matthews corrcoef", "cohen kappa", "true positive rate", "true negative rate", "hit rate",
            "win rate", "success rate", "exact match", "log likelihood", "loglikelihood", "r squared", "dice coefficient",
            "concordance index", "c index", "episode reward",
        ),
    )
)  # fmt: skip
_ERROR_WORDS = _word_set(
    "loss logloss error errors err merror mae mse rmse rmsle msle mape smape wape wmape mdape mase medae rmspe nrmse sse rss brier"
    " deviance mphe hinge pinball logcosh nloglik perplexity crossentropy divergence kullback wer cer fid fvd fpr fnr fdr eer aic"
    " bic nll ppl ece regret lpips crps false hausdorff wasserstein levenshtein chamfer mpjpe epe nme"
)
_COST_WORDS = _word_set("time seconds secs sec ms millis minutes duration latency cost memory bytes mb")
_LESS_PHRASES = frozenset(map(_word_set, ("l1", "l2", "fp", "fn", "cross entropy", "edit distance", "euclidean distance")))
_ROWS = "train|training|val|valid|validation|test|eval|dev|cv"
_COMPOUND_ERROR = re.compile(
    rf"(?:{_ROWS}|m|n|log|hinge|focal|huber|bce|ce|nll|triplet|kl|mse|reg|aux)+(?:loss|error|rmse|mse|mae)"
)
_COMPOUND_SCORE = re.compile(rf"(?:{_ROWS})+(?:acc|accuracy|auc|score)")
_NEGATIONS = _word_set("neg negative inverse inv")
_DOUBTS = _word_set(
    "minus saved saving savings reduction reduced improvement improved gain to until between remaining survival free available scale weight"
    " coef coefficient std sd var stderr lr learning ratio"
)
"""Words that may reverse the meaning of the others, or make it a setting or a spread."""
_COUNT_WORDS = _word_set("epoch epochs step steps iteration iterations count rows samples n num number lr timestamp")
_TIME_UNITS = _word_set("s sec secs second seconds ms minute min hour h")


def direction_by_name(metric: str) -> Direction:
    """Return the direction of an unambiguous name: `less` for losses, errors and costs, `more` for accuracies and the like, else `neither`.

    `neg_log_loss` is reversed, as in scikit-learn. For rates per second higher is better. Words after any other "per" are ignored.
    """
    words = [word.lower() for word in _WORD.findall(metric)]
    unit_words = words[words.index("per") + 1 :] if "per" in words else []
    words = words[: words.index("per")] if "per" in words else words
    if metric.startswith(SYSTEM_PREFIX) or not words or words[0] == "1" or _DOUBTS.intersection(words):
        return "neither"
    if unit_words and words[-1] in _COUNT_WORDS and _TIME_UNITS.intersection(unit_words[:1]):
        return "more"
    if words[-1] in ("epoch", "epochs", "step", "steps", "iteration", "iterations"):
        return "neither"
    return _direction_of_words(words, is_rate=bool(_TIME_UNITS.intersection(unit_words[:1])))


def _direction_of_words(words: list[str], *, is_rate: bool) -> Direction:
    is_negated = bool(_NEGATIONS.intersection(words))
    main_words = frozenset(word for word in words if not word.isdecimal()) - _NEGATIONS
    telling_words = main_words - _QUALIFIERS
    is_error = any(
        word in _ERROR_WORDS or _COMPOUND_ERROR.fullmatch(word) for word in main_words
    ) or not _LESS_PHRASES.isdisjoint((telling_words, main_words))
    if is_rate and not is_error and "cost" not in main_words:
        return "more"
    if is_error or _COST_WORDS & main_words:
        return "more" if is_negated else "less"
    is_score = telling_words and all(word in _MORE_WORDS or _COMPOUND_SCORE.fullmatch(word) for word in telling_words)
    if is_score or telling_words in _MORE_PHRASES or (not telling_words and "score" in main_words):
        return "less" if is_negated else "more"
    return "neither"


def is_side_metric(metric: str) -> bool:
    """Whether it is a system metric, a cost such as time, or a count such as an epoch. Runs are judged by it only on request."""
    words = {word.lower() for word in _WORD.findall(metric)}
    is_error = any(word in _ERROR_WORDS or _COMPOUND_ERROR.fullmatch(word) for word in words)
    return metric.startswith(SYSTEM_PREFIX) or (not is_error and not words.isdisjoint(_COST_WORDS | _COUNT_WORDS))


def title_with_arrow(metric: str, direction: Direction) -> str:
    """Return the name with the arrow of its direction, if it has one."""
    return f"{metric} {ARROWS[direction]}".rstrip()


def order_metric_names(metrics: Iterable[str]) -> list[str]:
    """Sort metric names for a short list: accuracy and AUC first, costs and counts late, system metrics last, otherwise by name."""
    return sorted(
        metrics, key=lambda name: (name.startswith(SYSTEM_PREFIX), is_side_metric(name), name not in HEADLINE_METRICS, name)
    )


@dataclass(frozen=True)
class DirectionStatement:
    """A statement on which direction of a metric is better."""

    metric: str
    direction: Direction
    source: DirectionSource


@dataclass(frozen=True)
class MetricDirections:
    """All statements about the metrics of some runs, in any order. Of two statements the one with the stronger source counts.

    If two statements of one source conflict, as those of two experiments may, the metric has no direction.
    """

    statements: tuple[DirectionStatement, ...] = ()

    def of(self, metric: str) -> Direction:
        """Return the direction of the metric."""
        return self._strongest[metric].direction if metric in self._strongest else direction_by_name(metric)

    def source_of(self, metric: str) -> DirectionSource:
        """Return the source of the direction; empty if there is none."""
        return self._strongest[metric].source if metric in self._strongest else "name" if self.of(metric) != "neither" else ""

    def title(self, metric: str) -> str:
        """Return the name with its arrow: "accuracy ↑", "log loss ↓"; without one if the direction is unknown."""
        return title_with_arrow(metric, self.of(metric))

    def extended(self, statements: tuple[DirectionStatement, ...]) -> "MetricDirections":
        """Return these directions with more statements."""
        return MetricDirections(tuple(dict.fromkeys((*self.statements, *statements)))) if statements else self

    @cached_property
    def _strongest(self) -> Mapping[str, DirectionStatement]:
        ranks: dict[DirectionSource, int] = {"session": 0, "team": 1, "MLflow": 2, "Optuna": 3}
        strongest: dict[str, DirectionStatement] = {}
        for statement in sorted(self.statements, key=lambda statement: ranks[statement.source]):
            current = strongest.setdefault(statement.metric, statement)
            if current.source == statement.source and current.direction != statement.direction:
                strongest[statement.metric] = DirectionStatement(statement.metric, "neither", statement.source)
        return strongest


NO_STATEMENTS = MetricDirections()
"""No statements: directions come from names only."""


def verdict_of_change(change: float, direction: Direction) -> MetricVerdict:
    """Return the verdict on a metric's change; empty if the metric has no direction or the change is not a number."""
    if change != change or direction == "neither":  # noqa: PLR0124 - NaN is the one value that differs from itself
        return ""
    if change == 0:
        return "same"
    return "better" if (change > 0) == (direction == "more") else "worse"
