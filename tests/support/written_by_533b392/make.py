"""Writes what later code must still be able to read, by running the code of commit 533b392 itself.

    python make.py FOLDER

unpacks podium.tar.gz, which lies beside this file (that commit without its pictures), works in it with its code, and writes into
FOLDER (a new one): mlflow.db.gz, packets/, links.json, backends.toml, heads.txt, job/, expected.json. It takes a minute and needs the
packages of that commit (requirements-dev.txt with constraints.txt, both in the archive). Ids and times are new each time, so these
files belong together: replace all of them or none. Where MLflow or a job wrote the folder that was worked in, it now says /podium.

This script speaks the names of that commit. It is not renamed with the project, and neither is what it has written.
"""
# ruff: noqa: E402 - what is imported below comes out of the archive

import atexit
import gzip
import json
import os
import shlex
import shutil
import sqlite3
import sys
import tarfile
import tempfile
import time
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode

HERE, OUT = Path(__file__).parent.resolve(), Path(sys.argv[1]).resolve()
TEMP = Path(tempfile.mkdtemp()).resolve()
TREE = TEMP / "podium"
atexit.register(shutil.rmtree, TEMP)
with tarfile.open(HERE / "podium.tar.gz") as archive:
    archive.extractall(TEMP, filter="data")
os.chdir(TREE)
sys.path.insert(0, str(TREE))
os.environ |= {"PODIUM_HOME": str(TREE / ".podium"), "PODIUM_BACKENDS": str(TEMP / "pages.toml"), "LOGNAME": "ana", "USER": "ana"}
os.environ |= {"MLFLOW_TRACKING_URI": f"sqlite:///{TEMP}/empty.db", "MLFLOW_DISABLE_TELEMETRY": "true"}

from click.testing import CliRunner
from lib.backends.store import backup, make_ready
from lib.backends.uri import sqlite_backend
from lib.ledger.words import as_text
from lib.registry.git_notes import tag_name
from lib.registry.reading import recorded
from make_files import HOME, backends, job_of, packets
from make_links import links
from make_store import STORE, card_fraud, demo, other_models

from lib.backends import named
from lib.cli import podium
from lib.runs import saved

MODELS = ("card-fraud", "churn", "every-kind", "latter", "new-name", "pricing", "restored", "retired", "wine", "wine-forest")
CUT = "delete from params where key = '000028' and value like '%\"model\":\"churn\"%'"
"""Takes the last entry of a book away; the head that is noted on a version then says so."""


def expected(here, at):
    """What the command line says of the store: each line, its exit code and its document."""
    middle = recorded(STORE, "churn").reading.entries[14].body.recorded_at
    lines = ["models", "runs Wine-Classification-RandomForest", "runs fraud", "verify", f"asof --at {at}", "log --limit 9"]
    lines += [f"log --since {middle} --until {at} --type DECIDED", "log --by marta.k", f"asof churn --at {middle}"]
    lines += ["asof card-fraud --at 2023-03-14 --zone Europe/Berlin", "asof card-fraud --at 2023-01-12T09:00Z --stage Staging"]
    for model in MODELS:
        lines += [f"{command} {model}" for command in ("history", "verify", "drift", "current")]
        lines += [f"asof {model} --at {at}", f"log --model {model} --limit 3"]
    return [answer(f"python -m lib {line} --json", "--backend", here.uri) for line in lines]


def answer(line, *more):
    """What a command line answers. A time that is unknown up to the moment of asking is said to be unknown until "now"."""
    told = CliRunner().invoke(podium, [*shlex.split(line)[3:], *more])
    said = json.loads(told.stdout) if told.stdout else None
    for one in said.get("answers", ()) if isinstance(said, dict) else ():
        for gap in one["unknown"]:
            gap["until"] = "now" if gap["until"] and gap["until"] > said["at"] else gap["until"]
    return {"line": line, "code": told.exit_code, "answer": said}


def cut(here):
    """What verify says of a book without its end, and the statement that cut it off."""
    with closing(sqlite3.connect(here.path)) as db, db:
        assert db.execute(CUT).rowcount == 1
    return {"sql": CUT, **answer("python -m lib verify churn --json", "--backend", here.uri)}


def keep_view(runs, link):
    """One link of Compare kept as a view with its experiment."""
    address = urlencode({name: value for name, value in link["query"].items() if name != "backend"}, doseq=True)
    one = saved.SavedView("", runs[0].experiment_id, "Five trees are enough", address, "Ana", datetime.now(UTC))
    saved.save(STORE, one)
    return [asdict(kept) for kept in saved.saved(STORE, one.experiment).views]


def copied(name):
    """A copy of the store as it is now. Wherever MLflow wrote the folder that was worked in, it says /podium; no page is free."""
    made = TEMP / name / "mlflow.db"
    made.parent.mkdir()
    backup(TREE / "mlflow.db", made)
    with closing(sqlite3.connect(made, isolation_level=None)) as db:
        for (table,) in db.execute("select name from sqlite_master where type = 'table'").fetchall():
            for _, column, *_ in db.execute(f'pragma table_info("{table}")').fetchall():
                changed = f'"{column}" = replace("{column}", ?, ?) where instr("{column}", ?)'
                db.execute(f'update "{table}" set {changed}', (str(TREE), HOME, str(TREE)))
        db.execute("vacuum")
    return sqlite_backend(made)


def write(name, content):
    (OUT / name).write_text(json.dumps(content, indent=1, ensure_ascii=False, default=str) + "\n", encoding="utf-8")


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    make_ready(STORE)
    make_ready(sqlite_backend(TEMP / "empty.db"))
    card_fraud()
    other_models()
    done, runs = demo()
    time.sleep(0.1)
    at = as_text(datetime.now(UTC))
    time.sleep(0.1)
    packets(OUT / "packets", at)
    here = copied("pages")
    named.add(TEMP / "pages.toml", named.entry("bank", here.uri, folder=TEMP))
    made = links(STORE, here, done, runs)
    write("links.json", made)
    found = {"note": "Each line was asked with --backend and the address of a copy of the store, or in this folder for packets."}
    found |= {"views": keep_view(runs, made[0]), "backends": backends(TEMP / "backends.toml")}
    found["job"] = job_of(done, runs, OUT / "job" / done.id)
    shutil.copy(TEMP / "backends.toml", OUT)
    found["commands"] = expected(copied("one"), at)
    assert found["commands"] == expected(copied("two"), at), "an answer depends on the time or the place"
    found["cut"] = cut(copied("cut"))
    found["git_tags"] = [[model, 28, tag_name(model, 28)] for model in ("churn", "it's wine", "ü" * 90)]
    heads = CliRunner().invoke(podium, ["verify", "--heads", "--backend", sqlite_backend(TEMP / "one" / "mlflow.db").uri])
    (OUT / "heads.txt").write_text(heads.stdout)
    os.chdir(OUT)
    files = sorted(map(str, Path("packets").iterdir()))
    found["packets"] = [answer(f"python -m lib packet verify {file} --json") for file in files]
    write("expected.json", found)
    with gzip.GzipFile(OUT / "mlflow.db.gz", "wb", 9, mtime=0) as packed:
        packed.write(copied("packed").path.read_bytes())


if __name__ == "__main__":
    main()
