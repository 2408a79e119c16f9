"""The downloads of Compare in one menu: the table as CSV and JSON, the chart as PNG and SVG.

Each file is made when it is clicked, on a thread of its own, so nothing of the page may be asked for there: what a file needs is
fixed while the page is drawn. The chart is looked for on the canvas at the click, because the menu is drawn before it.
"""

from collections.abc import Callable

import altair as alt
import streamlit as st

from lib.runs.export.table_files import as_csv, as_json, safe_file_name
from lib.theme import FONT_FOLDER, ChartColors
from lib.ui.components.chart_theme import chart_colors
from lib.ui.components.formatting import format_count
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.drawn_charts import DrawnCharts
from lib.ui.pages.compare.queries import ExperimentList, SearchResult
from lib.ui.pages.compare.table import sorted_rows
from lib.ui.pages.compare.view_state import ViewState

NO_CHART = "This view has no chart."


def show_download_menu(view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """The button in the header. Begins the sheet that this run of the page draws on."""
    sheet, colours, table = drawn_charts.reset_drawn_charts(), chart_colors(), result.runs
    ids = [line.run_id for line in sorted_rows(view, table)] if len(table) else []
    named = "-".join(one.name for one in experiment_list.select(view.experiment)[:3])
    with st.popover("Download", icon=":material/download:"):
        st.caption(f"The table: {format_count(len(ids), 'run')} in this order, with all columns. Times in UTC.")
        with st.container(horizontal=True, gap="small"):
            _button("CSV", lambda: as_csv(table, ids), safe_file_name(named, "csv"), "text/csv")
            _button("JSON", lambda: as_json(table, ids), safe_file_name(named, "json"), "application/json")
        st.caption("The chart, in the colours of this page. A brush is not part of it.")
        picture = f"{named}-{view.plot}"
        with st.container(horizontal=True, gap="small"):
            _button("PNG", lambda: as_png(sheet, colours), safe_file_name(picture, "png"), "image/png")
            _button("SVG", lambda: as_svg(sheet, colours), safe_file_name(picture, "svg"), "image/svg+xml")


def as_png(charts: DrawnCharts, colours: ChartColors) -> bytes:
    """The main chart of a sheet as PNG; a view without one says so in the picture."""
    from lib.runs.export.chart_image import render_png

    return render_png(charts.main_chart or _nothing(colours), colours, FONT_FOLDER)


def as_svg(charts: DrawnCharts, colours: ChartColors) -> str:
    """The main chart of a sheet as SVG; a view without one says so in the picture."""
    from lib.runs.export.chart_image import render_svg

    return render_svg(charts.main_chart or _nothing(colours), colours, FONT_FOLDER)


def _button(kind: str, made: Callable[[], bytes | str], name: str, mime: str) -> None:
    st.download_button(
        kind, made, name, mime, key=f"compare.download.{kind.lower()}", on_click="ignore", icon=":material/download:"
    )


def _nothing(colours: ChartColors) -> alt.Chart:
    text = alt.Chart(alt.InlineData(values=[{"said": NO_CHART}])).mark_text(fontSize=15, color=colours["soft"])
    return text.encode(text="said:N").properties(height=200).configure_view(stroke=None)
