"""The links of links.json: how the code of 533b392 writes them, and what it understands of them. Used by make.py alone.

Whatever a link says is told by the names that stand in addresses, never by names of the code.
"""

from dataclasses import asdict
from html import unescape
from urllib.parse import parse_qs

from lib.backends.connect import client
from lib.doctor.index import SYMPTOMS
from lib.registry.reading import recorded
from lib.runs.grammar import parse
from lib.runs.plots.ranges import Range, read, written
from streamlit.testing.v1 import AppTest

from lib.runs import facets
from lib.runs.plots.axes import axis
from lib.ui import routes

KINDS = {facets.Range: "range", facets.AnyOf: "any of", facets.Holds: "holds"}
ACCURACY, TREES, BOOTSTRAP, FOREST = "metrics.accuracy", "params.n_estimators", "params.bootstrap", "RandomForestClassifier"


def in_streamlit():
    """What the code of Compare makes of a view: the address that it writes, and what it reads out of that address."""
    import streamlit as st
    from lib.ui.compare import reading, view

    view.keep(**st.session_state["given"])
    st.session_state["address"] = view.link("")
    st.session_state["asked"] = view.asked()
    st.session_state["found"] = reading.find(st.session_state["here"], view.asked())


def compared(here, **given):
    """A link to Compare. What is understood of it is told by the names of the address, never by names of the code."""
    page = AppTest.from_function(in_streamlit)
    page.session_state["given"], page.session_state["here"] = given, here
    page.run()
    assert not page.exception, page.exception
    found, asked = page.session_state["found"], page.session_state["asked"]
    drawn = [axis(found.whole, one.partition(":")[0]) for one in asked.range]
    conditions = [facets.read(one) for one in asked.facet]
    understood = {
        "view": {name: value for name, value in asdict(asked).items() if value},
        "filter": [list(asdict(one).values()) for one in parse(asked.filter)],
        "facet": [[KINDS[type(one)], *asdict(one).values()] for one in conditions],
        "range": [list(asdict(one).values()) for one in read(asked.range, drawn)],
        "runs": list(found.left.ids),
    }
    return {"page": "compare", "query": parse_qs(page.session_state["address"].partition("?")[2]), "understood": understood}


def opened(link):
    """The link, the address that its page leaves, and what the page then shows."""
    page = AppTest.from_file(str(routes.SHELL), default_timeout=60)
    for name, value in link["query"].items():
        page.query_params[name] = value
    page.switch_page(str(routes.path(link["page"])))
    page.run()
    assert not page.exception, page.exception
    kinds = (page.selectbox, page.multiselect, page.text_input, page.date_input, page.time_input)
    boxes = {box.key: plain(box.value) for kind in kinds for box in kind if box.key in link["query"]}
    first = {"register": page.text_area, "demo": page.selectbox}
    boxes |= {name: box[0].value for name, box in first.items() if name in link["query"]}
    titles = [unescape(one.value) for kind in (page.title, page.header) for one in kind]
    after = {name: [value] if isinstance(value, str) else list(value) for name, value in page.query_params.items()}
    rows = [len(one.value) for one in page.dataframe]
    return link | {"after": after, "shown": {"titles": titles, "boxes": boxes, "rows": rows}}


def plain(value):
    """A value of a widget as JSON has it."""
    return [plain(one) for one in value] if isinstance(value, list | tuple) else str(value)


def links(store, here, done, runs):
    """Links as pages and people make them; each names the backend too."""
    ids = [run.run_id for run in runs]
    fraud = client(store).get_experiment_by_name("fraud").experiment_id
    decided = next(e.id for e in recorded(store, "card-fraud").reading.entries if getattr(e.body, "of", "") == "DECIDED")
    every = [compared(here, **one) for one in views(runs[0].experiment_id, fraud, ids)]
    for page, query in questions(ids[1], decided, done.id):
        every.append({"page": page, "query": {name: [said] if isinstance(said, str) else said for name, said in query.items()}})
    return [opened(one | {"query": one["query"] | {"backend": ["bank"]}}) for one in every]


def views(wine, fraud, ids):
    """Views of Compare that use every name of its address, in one or the other."""
    one, five, many = ids
    few, best = written(Range(TREES, 1.0, 5.0)), written(Range(ACCURACY, 0.9, None))
    conditions = (facets.Range(ACCURACY, 0.9), facets.AnyOf("tags.model_type", (FOREST, None)), facets.Holds("name", "TREES"))
    scatter = {"experiment": (wine,), "plot": "Scatter", "x": TREES, "y": ACCURACY, "mark": ("pareto", "trend")}
    scatter |= {"filter": "metrics.accuracy > 0.5 and params.max_depth = '10'", "facet": tuple(map(facets.text, conditions))}
    scatter |= {"range": (few, best), "pick": (five, one), "base": one, "sort": TREES, "order": "rising", "pin": (ACCURACY,)}
    parallel = {"experiment": (wine, fraud), "plot": "Parallel", "axes": (TREES, BOOTSTRAP, ACCURACY), "mark": ("experiment",)}
    parallel |= {"log": (TREES, f"-{ACCURACY}"), "range": (few, f"{BOOTSTRAP}:True..True"), "columns": (TREES, "tags.Author")}
    parallel |= {"since": "2020-02-29", "until": "2999-12-31", "state": "all", "children": "best", "stat": "max", "limit": "500"}
    curves = {"experiment": (wine,), "plot": "Curves", "y": ACCURACY, "pick": (many, five), "only": "picked", "along": "time"}
    box = {"experiment": (wine,), "plot": "Box", "by": (BOOTSTRAP, "median"), "color": "metrics.f1"}
    return (
        scatter,
        parallel,
        curves | {"smooth": "0.6", "mark": ("band",)},
        box | {"filter": "params.n_estimators != '15' AND tags.Author LIKE 'A%' and status = 'FINISHED'"},
        {"experiment": (wine,), "plot": "Contour", "x": TREES, "y": "metrics.f1", "z": ACCURACY},
        {"experiment": (wine,), "plot": "Artifacts", "path": "requirements.txt", "pick": (one, five), "parent": many},
    )


def questions(run_id, entry, job):
    """Links to the other pages: the page, and what its address says."""
    asked = {"audit.of": "card-fraud", "audit.stage": "Production", "audit.on": "2023-03-14", "audit.zone": "Europe/Berlin"}
    kept = {"audit.model": "card-fraud", "audit.kind": ["Approved", "Imported"], "audit.by": "marta.k", "audit.text": "auc"}
    kept |= {"audit.stages": "Production", "audit.version": ["1", "2"], "audit.days": ["2022-01-01", "2030-12-31"]}
    return (
        ("run", {"run": run_id}),
        ("models", {"model": "card-fraud", "version": "2"}),
        ("models", {"model": "wine-forest", "version": "1", "register": run_id}),
        ("audit", {**asked, **kept, "entry": entry}),
        ("audit", {**asked, "audit.at": "09:30", "audit.stage": "Staging", "audit.model": "card-fraud", "entry": entry}),
        ("audit", {**asked, "audit.of": "churn", "audit.view": "Versions"}),
        ("doctor", {"doctor.wrong": SYMPTOMS[1].title}),
        ("settings", {}),
        ("launch", {"demo": "autolog", "job": job}),
    )
