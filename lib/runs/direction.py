"""Which way a metric is better, judged by the words in its name. Pure.

A guess that people can check: it is shown as an arrow beside the name wherever it is used.
"""

import re
from typing import Literal

Direction = Literal["more", "less", "neither"]
Verdict = Literal["better", "worse", "same", ""]
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
}
_LESS = frozenset(_ERRORS | _SPENDING | _OTHERS)
_NEITHER = frozenset(
    {"epoch", "epochs", "step", "steps", "iteration", "iterations", "count", "rows", "samples", "n", "std", "sd", "var"}
)


def direction(metric: str) -> Direction:
    """`less` for losses, errors and times, `neither` for counts, else `more`. `neg_log_loss` is turned round, as scikit-learn does."""
    words = {word.lower() for word in _WORD.findall(metric)}
    if words & _LESS:
        return "more" if words & _TURNED else "less"
    return "neither" if words & _NEITHER else "more"


def titled(metric: str) -> str:
    """The name with its arrow: "accuracy ↑", "log loss ↓"."""
    return f"{metric} {ARROWS[direction(metric)]}".rstrip()


def verdict(metric: str, change: float) -> Verdict:
    """What a change of a metric means, in one word; an empty text where neither way is better or the change is no number."""
    towards = direction(metric)
    if change != change or towards == "neither":  # noqa: PLR0124 - NaN is the one value that differs from itself
        return ""
    if change == 0:
        return "same"
    return "better" if (change > 0) == (towards == "more") else "worse"
