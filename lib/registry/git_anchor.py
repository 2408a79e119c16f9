"""A head noted as a tag in a git repository that a person names, on another host than the record perhaps. git runs as a program.

Nothing is pushed, and no foreign text becomes an argument: the model's name is made safe for the tag's name, the message goes in by
the standard input.
"""

import hashlib
import re
import subprocess
from pathlib import Path

from lib.errors import ActionRefused, BadInput
from lib.ledger.chain.hash_chain import Anchor
from lib.ledger.entry.vocabulary import clean_text

TIMEOUT_SECONDS = 30
MAX_MODEL_LENGTH = 80


def tag_name(model: str, position: int) -> str:
    """podium-head-<model>-<place>; a name that git cannot take whole carries a piece of its sha256."""
    safe = re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-")[:MAX_MODEL_LENGTH]
    if safe != model:
        safe = f"{safe or 'model'}-{hashlib.sha256(model.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"podium-head-{safe}-{position}"


def create_anchor_tag(folder: Path, model: str, anchor: Anchor) -> str:
    """Tag the present commit of a repository with a head; gives the tag's name. The same head twice is one tag.

    Raises BadInput outside a repository, Refused where git cannot tag or the tag names another head: then this book or the tag changed.
    """
    name, head = tag_name(model, anchor.position), f"{anchor.position} {anchor.chain}"
    _must_be_a_repository(folder)
    there = _git(folder, "for-each-ref", "--format=%(contents:subject)", f"refs/tags/{name}").stdout.strip()
    if there == head:
        return name
    if there:
        raise ActionRefused(
            f"Tag {name} is there already, with another head.",
            means="Either the record was rewritten since, or somebody made this tag by hand.",
            next=f"Run verify {clean_text(model)} --anchor with the head that the tag carries.",
        )
    done = _git(
        folder, "tag", "--annotate", "--no-sign", "--file=-", name, said=f"{head}\n\nHead of the record of {clean_text(model)}\n"
    )
    if done.returncode:
        raise ActionRefused("git could not make the tag.", next=" ".join(clean_text(done.stderr).split())[:300])
    return name


def _must_be_a_repository(folder: Path) -> None:
    if not folder.is_dir() or _git(folder, "rev-parse", "--git-dir").returncode:
        raise BadInput(
            f"{clean_text(str(folder))[:200]} is no git repository.", next="Name the folder of one, or make it with git init."
        )
    if _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        raise BadInput("This git repository has no commit yet.", next="Commit something first: a tag stands on a commit.")


def _git(folder: Path, *words: str, said: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - git with words of our own
            ["git", "-C", str(folder.resolve()), *words],  # noqa: S607 - the person's own git
            input=said,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionRefused("git did not answer.", next="Is git installed, and is the folder within reach?") from error
