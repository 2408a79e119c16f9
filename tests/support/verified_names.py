"""A decision under a name that a server vouches for, as Podium writes it; and the same as anybody who may write to the ledger can plant it."""

import json

from lib.backends.mlflow_client import client
from lib.ledger.entry.vocabulary import Actor
from lib.ledger.storage.book import Writer
from lib.registry.reader import read_book_state, read_snapshot
from tests.support.entry_signing import make_param, make_signer
from tests.support.ledger_stores import book_id_of, make_writer


def make_verified_writer(backend, folder):
    """Ana, for whom a server vouches, on a Podium with a folder of its own."""
    return Writer(backend, Actor(name="ana", how="server"), make_writer(backend).clock, make_signer(folder))


def plant_decision(backend, private_key=None, verdict="reject"):
    """What a ledger writer can log: a decision about version 3 by "ana, whom the server knows"; signed with a key of his own, if any."""
    book, version = read_book_state(backend, "wine").book, read_snapshot(backend, "wine").versions["3"]
    last = json.loads(client(backend).get_run(book_id_of(backend)).data.params[f"{book.head:06d}"].split(" ", 3)[3])
    fields = {name: last[name] for name in ("schema", "model", "recorded_at", "backend")}
    fields |= {"type": "DECIDED", "by": {"name": "ana", "how": "server"}, "verdict": verdict, "kind": "promote", "version": "3"}
    fields |= {
        "from": "None",
        "to": "Production",
        "identity": {"created": version.created_at, "run_id": version.run_id},
        "slots": ["production"],
    }
    fields |= {"reason": {"category": "compliance", "text": "Signed off by the model risk committee."}}
    client(backend).log_param(book_id_of(backend), *make_param(book, fields, private_key))
