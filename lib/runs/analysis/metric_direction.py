"""Which way a metric is better, judged by the words in its name. Pure.

A guess that people can check: it is shown as an arrow beside the name wherever it is used.
"""

import re
from typing import Literal

Direction = Literal["more", "less", "neither"]
MetricVerdict = Literal["better", "worse", "same", ""]
ARROWS = {"more": "↑", "less": "↓", "neither": ""}

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_TURNED = frozenset({"neg", "negative", "inverse", "inv"})
_ERRORS = {
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
_SPENDING = {"time", "seconds", "secs", "sec", "ms", "millis", "minutes", "duration", "latency", "cost", "memory", "bytes", "mb"}
_OTHERS = {
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
_LESS = frozenset(_ERRORS | _SPENDING | _OTHERS)
_COUNTS = {"epoch", "epochs", "step", "steps", "iteration", "iterations", "count", "rows", "samples", "n", "num", "number"}
_NEITHER = frozenset(_COUNTS | {"std", "sd", "var", "lr", "timestamp"})
_TIMES = frozenset({"s", "sec", "secs", "second", "seconds", "ms", "minute", "min", "hour", "h"})
_SYSTEM = "system/"
"""In front of what MLflow logs of the machine itself."""


def metric_direction(metric: str) -> Direction:
    """`less` for losses, errors and times, `neither` for counts and the machine's own, else `more`.

    `neg_log_loss` is turned round, as scikit-learn does; what is done per second is better more, and of "per" only what stands before counts.
    """
    said = [word.lower() for word in _WORD.findall(metric)]
    before, after = (said[: said.index("per")], said[said.index("per") + 1 :]) if "per" in said else (said, [])
    words = set(before)
    if metric.startswith(_SYSTEM) or {"learning", "rate"} <= words:
        return "neither"
    if _TIMES & set(after[:1]):
        return "less" if words & (_ERRORS | _OTHERS | {"cost"}) else "more"
    if "likelihood" in words and words & _TURNED:
        return "less"
    if words & _LESS:
        return "more" if words & _TURNED else "less"
    return "neither" if words & _NEITHER else "more"


def metric_title(metric: str) -> str:
    """The name with its arrow: "accuracy ↑", "log loss ↓"."""
    return f"{metric} {ARROWS[metric_direction(metric)]}".rstrip()


def metric_verdict(metric: str, change: float) -> MetricVerdict:
    """What a change of a metric means, in one word; an empty text where neither way is better or the change is no number."""
    towards = metric_direction(metric)
    if change != change or towards == "neither":  # noqa: PLR0124 - NaN is the one value that differs from itself
        return ""
    if change == 0:
        return "same"
    return "better" if (change > 0) == (towards == "more") else "worse"
