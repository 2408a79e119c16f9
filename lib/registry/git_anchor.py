"""Anchors of books as tags in a git repository chosen by the user, created with the git program.

Nothing is pushed, and no foreign text becomes an argument: the model name is sanitized for the tag name, and the message is passed on
standard input.
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
    """podium-head-<model>-<position>; a sanitized name gets a piece of the original's sha256."""
    safe_name = re.sub(r"[^A-Za-z0-9_-]+", "-", model).strip("-")[:_MAX_MODEL_LENGTH]
    if safe_name != model:
        safe_name = f"{safe_name or 'model'}-{hashlib.sha256(model.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"podium-head-{safe_name}-{position}"


def create_anchor_tag(folder: Path, model: str, anchor: Anchor) -> str:
    """Tag the current commit of a repository with a head. Returns the tag name. Tagging the same head again reuses the tag.

    Raises BadInput outside a repository, ActionRefused if git cannot tag or the tag holds another head (book or tag was changed).
    """
    tag, head = tag_name(model, anchor.position), f"{anchor.position} {anchor.chain}"
    _require_repository(folder)
    existing_head = _git(folder, "for-each-ref", "--format=%(contents:subject)", f"refs/tags/{tag}").stdout.strip()
    if existing_head == head:
        return tag
    if existing_head:
        raise ActionRefused(
            f"Tag {tag} already exists with another head.",
            means="Either the record was rewritten since then, or this tag was created by hand.",
            next=f"Run verify {clean_text(model)} --anchor with the head stored in the tag.",
        )
    result = _git(
        folder, "tag", "--annotate", "--no-sign", "--file=-", tag, stdin=f"{head}\n\nHead of the record of {clean_text(model)}\n"
    )
    if result.returncode:
        raise ActionRefused("git could not create the tag.", next=" ".join(clean_text(result.stderr).split())[:300])
    return tag


def _require_repository(folder: Path) -> None:
    if not folder.is_dir() or _git(folder, "rev-parse", "--git-dir").returncode:
        raise BadInput(
            f"{clean_text(str(folder))[:200]} is not a git repository.", next="Choose a repository, or create one with git init."
        )
    if _git(folder, "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        raise BadInput("This git repository has no commit yet.", next="Make a commit first: a tag needs one.")


def _git(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - git with our own arguments
            ["git", "-C", str(folder.resolve()), *arguments],  # noqa: S607 - the user's own git
            input=stdin,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ActionRefused("git did not respond.", next="Check that git is installed and the folder is accessible.") from error
