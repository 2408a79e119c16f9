"""An anchor of a book as a tag in a git repository that a person names, perhaps on another host. git runs as a program.

Nothing is pushed, and no foreign text becomes an argument: the model's name is made safe for the tag's name, and the message is passed
on standard input.
"""

import hashlib
import re
import subprocess
from pathlib import Path

from lib.errors import ActionRefused, BadInput
from lib.ledger.chain.hash_chain import Anchor
from lib.text import clean_text

_TIMEOUT_SECONDS = 30
_MAX_MODEL_LENGTH = 80


def tag_name(model: str, position: int) -> str:
    """podium-head-<model>-<position>; a name that git cannot take as it is carries a piece of its sha256."""
    safe_name = re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-")[:_MAX_MODEL_LENGTH]
    if safe_name != model:
        safe_name = f"{safe_name or 'model'}-{hashlib.sha256(model.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"podium-head-{safe_name}-{position}"


def create_anchor_tag(folder: Path, model: str, anchor: Anchor) -> str:
    """Tag the current commit of a repository with a head; returns the tag's name. The same head twice is one tag.

    Raises BadInput outside a repository, ActionRefused where git cannot tag or the tag names another head: then book or tag changed.
    """
    tag, head = tag_name(model, anchor.position), f"{anchor.position} {anchor.chain}"
    _require_repository(folder)
    existing_head = _git(folder, "for-each-ref", "--format=%(contents:subject)", f"refs/tags/{tag}").stdout.strip()
    if existing_head == head:
        return tag
    if existing_head:
        raise ActionRefused(
            f"Tag {tag} is there already, with another head.",
            means="Either the record was rewritten since, or somebody made this tag by hand.",
            next=f"Run verify {clean_text(model)} --anchor with the head that the tag carries.",
        )
    result = _git(
        folder, "tag", "--annotate", "--no-sign", "--file=-", tag, stdin=f"{head}\n\nHead of the record of {clean_text(model)}\n"
    )
    if result.returncode:
        raise ActionRefused("git could not make the tag.", next=" ".join(clean_text(result.stderr).split())[:300])
    return tag


def _require_repository(folder: Path) -> None:
    if not folder.is_dir() or _git(folder, "rev-parse", "--git-dir").returncode:
        raise BadInput(
            f"{clean_text(str(folder))[:200]} is no git repository.", next="Name the folder of one, or make it with git init."
        )
    if _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        raise BadInput("This git repository has no commit yet.", next="Commit something first: a tag stands on a commit.")


def _git(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - git with our own arguments
            ["git", "-C", str(folder.resolve()), *arguments],  # noqa: S607 - the person's own git
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionRefused("git did not answer.", next="Is git installed, and is the folder within reach?") from error
