"""The packets, the backends.toml and the job folder, written with the code of 533b392. Used by make.py alone."""

import shutil
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from lib.ledger.when import read_when
from lib.registry.past import Question
from lib.registry.reading import recorded
from make_store import STORE
from tests.ledger_stores import writer

from lib.backends import named
from lib.launch import job
from lib.ledger.packet import dumps, sealed
from lib.registry.packet_builder import of_answer, of_decision
from lib.registry.packet_page import page

HOME = "/podium"
"""What stands in place of the folder that was worked in."""


def packets(folder, at):
    """The packet of a decision as JSON and as HTML, and those of two answers; one of them draws on three volumes."""
    found = recorded(STORE, "card-fraud").reading.entries
    place = next(str(one.place) for one in reversed(found) if one.body.type == "DECIDED")
    made = {"decision": of_decision(writer(STORE), "card-fraud", place)}
    for name, model, asked, zone in (("answer", "card-fraud", "2023-03-14", "Europe/Berlin"), ("volumes", "churn", at, "UTC")):
        question = Question("production", read_when(asked, datetime.now(UTC), zone), datetime.now(UTC))
        made[name] = of_answer(writer(STORE), model, question)
    folder.mkdir()
    for name, one in made.items():
        (folder / f"{name}.json").write_text(dumps(sealed(one)))
    (folder / "decision.html").write_text(page(made["decision"]))


def backends(file):
    """Two of each kind in backends.toml, and what is read of them."""
    for name, address in {
        "project": f"sqlite:///{HOME}/mlflow.db",
        "course": f"sqlite:///{HOME}/course/mlflow.db",
        "old-files": f"file://{HOME}/mlruns",
        "older-files": f"file://{HOME}/2019/mlruns",
        "team": "https://mlflow.example.org",
        "lab": "http://lab.example.org:5000/mlflow",
        "books": "postgresql://podium:${BOOKS_PASSWORD}@db.example.org/mlflow",
        "ledgers": "mysql+pymysql://podium@db.example.org:3306/mlflow",
    }.items():
        named.add(file, named.entry(name, address, folder=file.parent))
    for name, repository in {"fraud": "bank/fraud", "churn": "shop/churn"}.items():
        named.add(file, named.entry(name, repository=repository, folder=file.parent))
    return [asdict(one) | {"kind": one.kind} for one in named.read(file).entries]


def job_of(done, runs, folder):
    """The folder of a job without the name of the folder that was worked in, and what is read of it."""
    shutil.copytree(done.folder, folder)
    ordered = folder / "spec.json"
    ordered.write_text(ordered.read_text().replace(str(Path.cwd()), HOME))
    told = job.read(folder)
    parts = ("id", "demo", "title", "arguments", "state", "created", "started", "ended", "code", "stopping", "runs_open")
    made = [{name: getattr(run, name) for name in ("run_id", "name", "status", "metrics", "params")} for run in runs]
    about = {"uri": told.backend.uri, "kind": told.backend.kind, "progress": asdict(job.progress(told)), "log": job.tail(told)}
    return {name: getattr(told, name) for name in parts} | about | {"runs": made}
