"""The download menu of Compare: the table as CSV and JSON, the chart as PNG and SVG.

Each file is built on click, in a separate thread without access to the page, so its inputs are captured while the page is drawn.
Only the chart is looked up on click, because the menu is drawn before it.
"""

from collections.abc import Callable

import altair as alt
import streamlit as st

from lib.runs.export.table_files import as_csv, as_json, safe_file_name
from lib.runs.table.view import ViewState
from lib.theme import FONT_FOLDER, ChartColors
from lib.ui.components.badges import chart_colors
from lib.ui.components.formatting import format_count
from lib.ui.pages.compare import drawn_charts
from lib.ui.pages.compare.drawn_charts import DrawnCharts
from lib.ui.pages.compare.queries import SearchResult
from lib.ui.pages.compare.table import sorted_rows
from lib.ui.queries.runs import ExperimentList

NO_CHART = "This view has no chart."


def show_download_menu(view: ViewState, experiment_list: ExperimentList, result: SearchResult) -> None:
    """Show the header button. Also resets the record of the charts that this run of the page draws."""
    charts, colours, table = drawn_charts.reset_drawn_charts(), chart_colors(), result.runs
    ids = [row.run_id for row in sorted_rows(view, table)] if len(table) else []
    file_stem = "-".join(experiment.name for experiment in experiment_list.select(view.experiment)[:3])
    with st.popover("Download", icon=":material/download:"):
        st.caption(f"Table: {format_count(len(ids), 'run')} in this order, with all columns. Times are in UTC.")
        with st.container(horizontal=True, gap="small"):
            _download_button("CSV", lambda: as_csv(table, ids), safe_file_name(file_stem, "csv"), "text/csv")
            _download_button("JSON", lambda: as_json(table, ids), safe_file_name(file_stem, "json"), "application/json")
        st.caption("Chart in the colours of this page, without brushes.")
        chart_file_stem = f"{file_stem}-{view.plot}"
        with st.container(horizontal=True, gap="small"):
            _download_button("PNG", lambda: as_png(charts, colours), safe_file_name(chart_file_stem, "png"), "image/png")
            _download_button("SVG", lambda: as_svg(charts, colours), safe_file_name(chart_file_stem, "svg"), "image/svg+xml")


def as_png(charts: DrawnCharts, colours: ChartColors) -> bytes:
    """Return the main chart as PNG; a placeholder image if the view has none."""
    from lib.runs.export.chart_image import render_png

    return render_png(charts.main_chart or _placeholder_chart(colours), colours, FONT_FOLDER)


def as_svg(charts: DrawnCharts, colours: ChartColors) -> str:
    """Return the main chart as SVG; a placeholder image if the view has none."""
    from lib.runs.export.chart_image import render_svg

    return render_svg(charts.main_chart or _placeholder_chart(colours), colours, FONT_FOLDER)


def _download_button(kind: str, build_file: Callable[[], bytes | str], name: str, mime: str) -> None:
    st.download_button(
        kind, build_file, name, mime, key=f"compare.download.{kind.lower()}", on_click="ignore", icon=":material/download:"
    )


def _placeholder_chart(colours: ChartColors) -> alt.Chart:
    text = alt.Chart(alt.InlineData(values=[{"said": NO_CHART}])).mark_text(fontSize=15, color=colours["soft"])
    return text.encode(text="said:N").properties(height=200).configure_view(stroke=None)
