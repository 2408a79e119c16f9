"""What belongs to this process and this browser session: the backend in use and the clock."""

import os
from datetime import UTC, datetime

import streamlit as st

from lib.backends.uri import Backend, chosen
from lib.ui.routes import PROJECT


@st.cache_resource(show_spinner=False)
def backend() -> Backend:
    """The backend of this process: `MLFLOW_TRACKING_URI`, else the SQLite file in the project's folder."""
    return chosen(os.environ, PROJECT)


def now() -> datetime:
    """The clock of the pages, in UTC."""
    return datetime.now(UTC)  # noqa: TID251 - the pages' one clock
