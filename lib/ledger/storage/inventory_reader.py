"""The search for everything of Podium in a store, wherever it is: in renamed, deleted and other experiments, and on models.

It is used by `verify` and the Doctor, which fetch every book, and before a new index or book begins; never for a model that has its book.
Explanations are read after what they explain (tags, experiments, runs, then the index). A writer who is just starting a record writes in
the opposite order, so nothing of theirs is seen without its explanation.
"""

import re
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from mlflow.entities import Experiment, Run, ViewType
from mlflow.exceptions import MlflowException

from lib.backends.backend import Backend
from lib.backends.mlflow_client import client, relaxed_gc
from lib.backends.mlflow_errors import PERMISSION_ERROR_CODES, translate_errors
from lib.backends.pagination import read_pages
from lib.backends.reserved_names import (
    BOOK_MODEL_TAG,
    BOOK_TAG,
    HEAD_TAG,
    INDEX_EXPERIMENT,
    INDEX_TAG,
    KIND_TAG,
    LEDGER_EXPERIMENT,
)
from lib.errors import LedgerBroken, NotFound, NotWritable
from lib.ledger.chain.hash_chain import DecodedBook
from lib.ledger.chain.signatures import NO_KEYS
from lib.ledger.entry.timestamps import timestamp_from_millis
from lib.ledger.state.book_lookup import book_ids
from lib.ledger.state.inventory_findings import InventoryFinding, judge_inventory
from lib.ledger.state.ledger_inventory import (
    FIRST_PLACE,
    SEAL_PARAM,
    LedgerExperiment,
    LedgerInventory,
    LedgerRun,
    LedgerTag,
    RunLookup,
)
from lib.ledger.state.settlements import mark_settled_elsewhere
from lib.ledger.storage.book import read_book
from lib.ledger.storage.index_run import find_index_id, read_index_run
from lib.ledger.storage.key_trust import read_process_keys

_EXPERIMENTS_PER_SEARCH, _RUNS_PER_PAGE, _MODELS_PER_PAGE, _VERSIONS_PER_PAGE = 1000, 1000, 1000, 10_000
_MAX_LOOKUPS = 20
"""Limit for runs named only by tags, because anyone who may change a model can write any number of tags."""
_MAX_SETTLING_BOOKS = 1000
"""Limit for books read for settlements, because anyone with write access can add names to the index."""
_MAX_EXCLUDED = 1000
"""Limit for runs excluded from a search by id, because MLflow does not accept longer filters."""
_SECOND_LOOK_SECONDS = 0.2
_RUN_ID = re.compile(r"[0-9a-f]{32}")
_SEALS = f"params.{SEAL_PARAM} LIKE '{'_' * 32}'"
_FIRST_PLACES = f"params.`{FIRST_PLACE}` != ''"
_KINDS = f"tags.`{KIND_TAG}` != ''"
_MISSING, _BAD_FILTER_CODES = "RESOURCE_DOES_NOT_EXIST", ("INVALID_PARAMETER_VALUE", "BAD_REQUEST")


def read_inventory(backend: Backend, tags: Sequence[LedgerTag]) -> LedgerInventory:
    """Everything of Podium that this account may read. `tags` are those of all models, read beforehand. Writes nothing."""
    return _read_inventory(backend, tags, partial(_search_all_runs, backend))


def read_ledger_tags(backend: Backend) -> tuple[LedgerTag, ...]:
    """The tags of all models and versions that lead to a book."""
    mlflow = client(backend)
    with translate_errors("The registered models"), relaxed_gc():
        models = read_pages(lambda token: mlflow.search_registered_models(max_results=_MODELS_PER_PAGE, page_token=token))
        versions = read_pages(lambda token: mlflow.search_model_versions("", max_results=_VERSIONS_PER_PAGE, page_token=token))
    model_tags = (LedgerTag(model.name, BOOK_TAG, (model.tags or {}).get(BOOK_TAG, "")) for model in models)
    version_tags = (LedgerTag(v.name, HEAD_TAG, (v.tags or {}).get(HEAD_TAG, ""), str(v.version)) for v in versions)
    return tuple(tag for tag in (*model_tags, *version_tags) if tag.value)


def find_unexplained(backend: Backend) -> tuple[InventoryFinding, ...]:
    """Unexplained and unsettled findings, without fetching the indexed books. Writes nothing."""
    inventory = _read_inventory(backend, read_ledger_tags(backend), partial(_search_unnamed_runs, backend))
    findings, keys = judge_inventory(inventory), read_process_keys()
    if not findings or keys == NO_KEYS:
        return findings
    books = _read_readable_books(backend, inventory.book_ids)
    return tuple(finding for finding in mark_settled_elsewhere(findings, books, keys) if not finding.settled_by)


def _read_readable_books(backend: Backend, book_ids: Iterable[str]) -> Iterator[DecodedBook]:
    """The books that are intact and readable with this account."""
    for book_id in sorted(book_ids)[:_MAX_SETTLING_BOOKS]:
        with suppress(LedgerBroken, NotFound, NotWritable):
            yield read_book(backend, book_id).book


def require_explained_inventory(backend: Backend) -> None:
    """Raise LedgerBroken if a record is unexplained: then no new index or book may begin, and none is reported as missing.

    Findings are checked a second time before they count, because a store may be a moment late.
    """
    if findings := find_unexplained(backend):
        time.sleep(_SECOND_LOOK_SECONDS)
        findings = find_unexplained(backend)
    if findings:
        count_text = f" (and {len(findings) - 1:,} more)" if findings[1:] else ""
        raise LedgerBroken(
            f"This store holds an unexplained record{count_text}: {findings[0].what}. {findings[0].means}",
            means="No new record begins before this is settled, so that the record does not split in two.",
            next="Run verify to list everything. Settle what is not part of the record with a reason (settle, or Audit).",
        )


def _read_inventory(backend: Backend, tags: Sequence[LedgerTag], search: Callable[[Sequence[str]], list[Run]]) -> LedgerInventory:
    with translate_errors("The search for the ledger"), relaxed_gc():
        found_experiments = read_pages(lambda token: client(backend).search_experiments(ViewType.ALL, page_token=token))
        experiments = {experiment.experiment_id: _ledger_experiment(experiment) for experiment in found_experiments}
        runs = {
            run.info.run_id: ledger_run
            for run in search(list(experiments))
            if _is_of_ledger(ledger_run := _ledger_run(run, experiments), run.data.tags)
        }
    index_id, index_params, index_problem = "", dict[str, str](), ""
    try:
        index_id = find_index_id(backend) or ""
        if index_id and (run := read_index_run(backend, index_id)):
            index_params, runs[index_id] = dict(run.data.params), _ledger_run(run, experiments)
    except LedgerBroken as error:
        index_problem = str(error)
    reserved_names = (LEDGER_EXPERIMENT, INDEX_EXPERIMENT)
    inventory = LedgerInventory(
        runs=runs,
        experiments=tuple(e for e in experiments.values() if e.index_tag or e.name in reserved_names),
        tags=tuple(tags),
        index_id=index_id,
        index_params=index_params,
        index_problem=index_problem,
    )
    with translate_errors("The search for the ledger"):
        tagged_ids = sorted({tag.book_id for tag in inventory.unexplained_tags if _RUN_ID.fullmatch(tag.book_id)} - set(runs))
        return replace(inventory, lookups=look_up_runs(backend, tagged_ids[:_MAX_LOOKUPS]))


def _search_all_runs(backend: Backend, experiment_ids: Sequence[str]) -> list[Run]:
    """Every run with a seal, with the tag of the ledger, or with a first place."""
    runs = [*_search_runs(backend, _SEALS, experiment_ids), *_search_runs(backend, _KINDS, experiment_ids)]
    return runs + _search_first_places(backend, experiment_ids, {run.info.run_id for run in runs})


def _search_unnamed_runs(backend: Backend, experiment_ids: Sequence[str]) -> list[Run]:
    """The indexes by their seals, and the unindexed books; transfers almost nothing for an intact ledger.

    Later volumes of a book have no first place and are left out, too.
    """
    try:
        index_id = find_index_id(backend)
        named_ids = book_ids(read_index_run(backend, index_id).data.params) if index_id else frozenset[str]()
    except LedgerBroken:
        named_ids = frozenset()
    return _search_runs(backend, _SEALS, experiment_ids) + _search_first_places(backend, experiment_ids, named_ids)


def _search_first_places(backend: Backend, experiment_ids: Sequence[str], known_ids: Collection[str]) -> list[Run]:
    """The runs that begin a book, without the known ones; with them if those are too many, or the server does not support the filter."""
    quoted_ids = [f"'{run_id}'" for run_id in sorted(known_ids) if _RUN_ID.fullmatch(run_id)]
    if 0 < len(quoted_ids) <= _MAX_EXCLUDED:
        try:
            filter_text = f"{_FIRST_PLACES} AND attributes.run_id NOT IN ({', '.join(quoted_ids)})"
            return _search_runs(backend, filter_text, experiment_ids)
        except MlflowException as error:
            if error.error_code not in _BAD_FILTER_CODES:
                raise
    return _search_runs(backend, _FIRST_PLACES, experiment_ids)


def _search_runs(backend: Backend, filter_text: str, experiment_ids: Sequence[str]) -> list[Run]:
    """The runs of these experiments that match a filter, including deleted ones."""
    runs = list[Run]()
    for start in range(0, len(experiment_ids), _EXPERIMENTS_PER_SEARCH):
        batch = list(experiment_ids[start : start + _EXPERIMENTS_PER_SEARCH])
        runs += read_pages(partial(client(backend).search_runs, batch, filter_text, ViewType.ALL, _RUNS_PER_PAGE, None))
    return runs


def look_up_runs(backend: Backend, run_ids: Iterable[str]) -> dict[str, RunLookup]:
    """What is known about runs by their ids. Invalid ids are left out."""
    lookups = dict[str, RunLookup]()
    for run_id in sorted(run_id for run_id in run_ids if _RUN_ID.fullmatch(run_id)):
        try:
            client(backend).get_run(run_id)
            lookups[run_id] = "ordinary"
        except MlflowException as error:
            if error.error_code not in (_MISSING, *PERMISSION_ERROR_CODES):
                raise
            lookups[run_id] = "missing" if error.error_code == _MISSING else "refused"
    return lookups


def _is_of_ledger(run: LedgerRun, tags: Mapping[str, str]) -> bool:
    """Does it belong to Podium at all? Other runs may have a parameter `index` of that length, or one called 000001."""
    return KIND_TAG in tags or run.is_sealed or bool(run.book_ids) or run.holds_entries


def _ledger_run(run: Run, experiments: Mapping[str, LedgerExperiment]) -> LedgerRun:
    return LedgerRun(
        run_id=run.info.run_id,
        experiment=experiments.get(run.info.experiment_id) or LedgerExperiment(run.info.experiment_id, "with an unknown name"),
        params=run.data.params,
        is_active=run.info.lifecycle_stage == "active",
        model=run.data.tags.get(BOOK_MODEL_TAG, ""),
        started_at=timestamp_from_millis(run.info.start_time) if run.info.start_time else "",
    )


def _ledger_experiment(experiment: Experiment) -> LedgerExperiment:
    is_active = experiment.lifecycle_stage == "active"
    return LedgerExperiment(experiment.experiment_id, experiment.name, is_active, (experiment.tags or {}).get(INDEX_TAG, ""))
