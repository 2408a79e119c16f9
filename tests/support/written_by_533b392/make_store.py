"""The models, decisions and runs of mlflow.db.gz, made with the code of 533b392. Used by make.py alone."""

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from lib.backends.connect import client
from lib.backends.uri import Backend, sqlite_backend
from lib.launch.workshop import workshop
from lib.ledger.book import append
from lib.ledger.values import Correction
from lib.ledger.words import reason
from lib.registry.converge import look, recover
from lib.registry.correcting import correct
from lib.registry.importing import File, import_earlier
from lib.registry.reading import recorded
from tests.ledger_entries import one_of_each
from tests.ledger_stores import WHY, book_id, promoted_in_turn, registered, trained, writer
from tests.test_registry_protocol import leave_an_intent_open

from lib.errors import LedgerBroken
from lib.launch import catalogue, jobs
from lib.ledger import volumes
from lib.registry.promote import Wish, move, roll_back
from lib.registry.register import register

STORE = Backend("sqlite:///mlflow.db", "sqlite")
"""Named relatively, so that no entry tells the folder in which it was written."""
LONG = WHY.model_copy(update={"text": "ü€😀 " * 1800})
"""A reason that goes on in a further parameter."""


def to(model, version, stage="Production", **more):
    return move(writer(STORE), Wish(model, version, stage, WHY, **more))


def outside(model, version):
    """Move a version by plain MLflow calls, as somebody without Podium would."""
    client(STORE).transition_model_version_stage(model, version, "Production", archive_existing_versions=True)
    client(STORE).set_registered_model_alias(model, "production", version)


def card_fraud():
    """Every kind of entry that looks, moves, imports and corrections write in the life of one model."""
    registered(STORE, "card-fraud", 3, {"1": "Archived", "2": "Archived", "3": "Production"}, {"production": "3"})
    history = Path("docs/examples/fraud-history.csv")
    import_earlier(writer(STORE, "ines"), "card-fraud", File(history.name, history.read_bytes()))
    run_id = trained(STORE, "forest-50-trees", 0.9671, experiment="fraud")
    register(writer(STORE, "bo"), run_id, "card-fraud", "Gradient boosting over 21 features.")
    to("card-fraud", "4", "Staging")
    to("card-fraud", "4", expected="3")
    for version, kind in (("2", "adopt"), ("3", "revert")):
        outside("card-fraud", version)
        look(writer(STORE), "card-fraud")
        to("card-fraud", "2", kind=kind)
    roll_back(writer(STORE, "bo"), "card-fraud", reason("incident", "It answers slowly since noon."), None, "2")
    to("card-fraud", "4", "Staging")
    to("card-fraud", "4", "Archived", kind="archive")
    entries = recorded(STORE, "card-fraud").reading.entries
    rolled_back = next(one.id for one in entries if getattr(one.body, "kind", "") == "roll_back")
    told = next(one.id for one in entries if getattr(one.body, "of", "") == "FOLLOWED_UP")
    better = Correction(reason=reason("incident", "Half of all answers took longer than a second."))
    for entry, instead in ((rolled_back, better), (told, Correction(void=True))):
        correct(writer(STORE, "bo"), "card-fraud", entry, instead, WHY)


def other_models():
    """What can become of a model and its book; wine ends with a decision that nobody carried out.

    Nobody has looked yet since pricing was moved, since former became latter, and since the book of restored was there again.
    """
    volumes.PLACES, places = 12, volumes.PLACES
    promoted_in_turn(STORE, 11, "churn")
    volumes.PLACES = places
    for model in ("pricing", "old-name", "former", "retired", "restored", "every-kind", "wine"):
        registered(STORE, model, 4)
        to(model, "1")
    outside("pricing", "2")
    for before, after in (("old-name", "new-name"), ("former", "latter")):
        client(STORE).rename_registered_model(before, after)
    client(STORE).delete_registered_model("retired")
    for model in ("new-name", "retired"):
        look(writer(STORE), model)
    move(writer(STORE), Wish("every-kind", "3", "Staging", LONG))
    for body in one_of_each(writer(STORE).stamp("every-kind")):
        append(STORE, look(writer(STORE), "every-kind").book, lambda _, body=body: body)
    deleted_and_restored(book_id(STORE, "restored"))
    leave_an_intent_open(STORE, "2")
    to("wine", "3")
    recover(writer(STORE), "wine")  # OVERTAKEN
    leave_an_intent_open(STORE, "4")
    client(STORE).delete_model_version("wine", "4")
    recover(writer(STORE), "wine")  # FAILED
    leave_an_intent_open(STORE, "2")


def deleted_and_restored(book):
    """Delete a book and bring it back; that a look found it deleted is noted on the index."""
    client(STORE).delete_run(book)
    with suppress(LedgerBroken):
        look(writer(STORE), "restored")
    client(STORE).restore_run(book)


def demo():
    """A job of the page Launch in a folder of its own, with its runs; one of them is registered and promoted."""
    here, shop = sqlite_backend(Path("mlflow.db")), workshop(os.environ, Path.cwd())
    wanted = {"n_estimators": "1,5,15", "author": "Ana"}
    done = jobs.start(shop, catalogue.find("first-run"), wanted, here, datetime.now(UTC))
    done = jobs.wait(shop, done.id)
    runs = jobs.runs_of(here, done.id)
    register(writer(STORE), runs[1].run_id, "wine-forest")
    to("wine-forest", "1")
    return done, runs
