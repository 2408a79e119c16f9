"""Which way a metric is better, judged by the words in its name. Pure.

A guess that people can check: it is shown as an arrow beside the name wherever it is used.
"""

import re
from typing import Literal

Direction = Literal["more", "less", "neither"]
MetricVerdict = Literal["better", "worse", "same", ""]
ARROWS = {"more": "↑", "less": "↓", "neither": ""}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NEGATIONS = frozenset({"neg", "negative", "inverse", "inv"})
_ERROR_WORDS = {
    "loss",
    "logloss",
    "error",
    "errors",
    "err",
    "mae",
    "mse",
    "rmse",
    "rmsle",
    "mape",
    "smape",
    "wape",
    "mase",
    "medae",
    "brier",
    "deviance",
}
_COST_WORDS = {
    "time",
    "seconds",
    "secs",
    "sec",
    "ms",
    "millis",
    "minutes",
    "duration",
    "latency",
    "cost",
    "memory",
    "bytes",
    "mb",
}
_OTHER_LESS_WORDS = {
    "perplexity",
    "entropy",
    "crossentropy",
    "distance",
    "divergence",
    "kl",
    "wer",
    "cer",
    "fid",
    "fpr",
    "fnr",
    "eer",
    "aic",
    "bic",
    "nll",
    "ppl",
    "ece",
    "regret",
    "lpips",
    "crps",
    "false",
}
_LESS_WORDS = frozenset(_ERROR_WORDS | _COST_WORDS | _OTHER_LESS_WORDS)
_COUNT_WORDS = {"epoch", "epochs", "step", "steps", "iteration", "iterations", "count", "rows", "samples", "n", "num", "number"}
_NEITHER_WORDS = frozenset(_COUNT_WORDS | {"std", "sd", "var", "lr", "timestamp"})
_TIME_UNITS = frozenset({"s", "sec", "secs", "second", "seconds", "ms", "minute", "min", "hour", "h"})
_SYSTEM_PREFIX = "system/"
"""In front of what MLflow logs of the machine itself."""


def metric_direction(metric: str) -> Direction:
    """`less` for losses, errors and times, `neither` for counts and the machine's own, else `more`.

    `neg_log_loss` is turned round, as scikit-learn does; what is done per second is better more, and of "per" only what stands before counts.
    """
    all_words = [word.lower() for word in _WORD.findall(metric)]
    main_words, unit_words = (
        (all_words[: all_words.index("per")], all_words[all_words.index("per") + 1 :]) if "per" in all_words else (all_words, [])
    )
    words = set(main_words)
    if metric.startswith(_SYSTEM_PREFIX) or {"learning", "rate"} <= words:
        return "neither"
    if _TIME_UNITS & set(unit_words[:1]):
        return "less" if words & (_ERROR_WORDS | _OTHER_LESS_WORDS | {"cost"}) else "more"
    if "likelihood" in words and words & _NEGATIONS:
        return "less"
    if words & _LESS_WORDS:
        return "more" if words & _NEGATIONS else "less"
    return "neither" if words & _NEITHER_WORDS else "more"


def metric_title(metric: str) -> str:
    """The name with its arrow: "accuracy ↑", "log loss ↓"."""
    return f"{metric} {ARROWS[metric_direction(metric)]}".rstrip()


def metric_verdict(metric: str, change: float) -> MetricVerdict:
    """What a change of a metric means, in one word; an empty text where neither way is better or the change is no number."""
    direction = metric_direction(metric)
    if change != change or direction == "neither":  # noqa: PLR0124 - NaN is the one value that differs from itself
        return ""
    if change == 0:
        return "same"
    return "better" if (change > 0) == (direction == "more") else "worse"
