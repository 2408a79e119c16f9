"""What tests of the Compare page read from it, and how they open its popovers."""

import json

EVIL = "![x](http://evil/x) <img src=x onerror=alert(1)> :green-badge[All pass]"


def page_text(page) -> str:
    """Everything that is written on the page."""
    kinds = (page.title, page.subheader, page.caption, page.markdown, page.info, page.error)
    return " ".join(str(element.value) for kind in kinds for element in kind).replace("\u2060", "")


def plain_text(page) -> str:
    """The same with plain spaces instead of no-break spaces."""
    return page_text(page).replace("\u00a0", " ")


def run_names(page) -> list[str]:
    """The names in the table of runs, from top to bottom."""
    return page.dataframe[0].value["name"].str.strip("\u00a0└ ").tolist()


def query_values(page, name: str) -> list[str]:
    """All values of a query parameter; AppTest gives a single one as text."""
    value = page.query_params.get(name, [])
    return [value] if isinstance(value, str) else list(value)


def open_popover(page, name: str):
    """The page with one of its popovers open: refine, more, columns, axes, ranges, scales, by."""
    page.session_state[f"compare.drawer.{name}"] = True
    return page.run()


def chart_spec(page) -> dict:
    """The first chart of the page, as Vega-Lite."""
    return json.loads(page.get("vega_lite_chart")[0].proto.spec)


def chart_alt(page) -> str:
    """The alternative text of the first chart."""
    return page.get("vega_lite_chart")[0].proto.alt
