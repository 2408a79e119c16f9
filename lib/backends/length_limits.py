"""Length limits of parameters and tags by MLflow version. Pure."""

import re
from dataclasses import dataclass

MAX_EXPERIMENT_TAG_LENGTH = 5_000
"""Maximum length of an experiment tag that every MLflow store accepts."""


@dataclass(frozen=True)
class LengthLimits:
    """Maximum lengths in characters. `is_known`: the limits of a known version, else the smallest of any version."""

    param: int
    version_tag: int
    is_known: bool = True


def length_limits(version: str) -> LengthLimits:
    """Return the limits of an MLflow version such as "3.17.2"; the smallest of any version if it is unknown. Pure."""
    release = tuple(int(part) for part in re.findall(r"\d+", version)[:2])
    if not release:
        return LengthLimits(param=500, version_tag=5_000, is_known=False)
    return LengthLimits(
        param=6_000 if release >= (2, 8) else 500 if release >= (1, 28) else 250,
        version_tag=100_000 if release >= (3, 1) else 5_000,
    )
