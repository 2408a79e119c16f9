"""Badges with one icon and colour per status word, and chart colours.

Green, red and orange express a judgement; blue, violet and gray a state or kind.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from lib.theme import DARK, LIGHT, ChartColors

Badge = tuple[str, str, str]
"""Colour, Material icon, displayed label."""

STAGE_BADGES: Mapping[str, Badge] = {
    "Production": ("blue", "trophy", "Production"),
    "Staging": ("violet", "stairs", "Staging"),
    "Archived": ("gray", "inventory_2", "Archived"),
    "None": ("gray", "circle", "None"),
}
RUN_STATUS_BADGES: Mapping[str, Badge] = {
    "RUNNING": ("blue", "progress_activity", "Running"),
    "SCHEDULED": ("blue", "hourglass_top", "Waiting"),
    "FINISHED": ("gray", "check", "Finished"),
    "FAILED": ("red", "error", "Failed"),
    "KILLED": ("gray", "stop_circle", "Stopped"),
}
HEALTH_BADGES: Mapping[str, Badge] = {
    "ok": ("green", "check_circle", "Healthy"),
    "warning": ("orange", "warning", "Warning"),
    "broken": ("red", "error", "Broken"),
    "skipped": ("gray", "remove", "Skipped"),
}
HEALTH_BY_LEVEL = {"problem": "broken", "notice": "warning", "fine": "ok", "skipped": "skipped"}
"""Key in HEALTH_BADGES for each level of a finding."""
ENTRY_BADGES: Mapping[str, Badge] = {
    "OPENED": ("gray", "flag", "Record begins"),
    "IMPORTED": ("gray", "download", "Imported"),
    "REGISTERED": ("gray", "add_box", "Registered"),
    "REQUESTED": ("gray", "inbox", "Requested"),
    "WITHDRAWN": ("gray", "block", "Withdrawn"),
    "approve": ("green", "gavel", "Approved"),
    "roll_back": ("green", "undo", "Approved"),
    "reject": ("red", "gavel", "Rejected"),
    "changes": ("orange", "gavel", "Changes requested"),
    "APPLIED": ("blue", "trophy", "Moved"),
    "DISPLACED": ("gray", "move_down", "Replaced"),
    "OVERTAKEN": ("gray", "low_priority", "Overtaken"),
    "FAILED": ("red", "error", "Move failed"),
    "OBSERVED": ("orange", "visibility", "Changed outside"),
    "FROZEN": ("gray", "ac_unit", "Frozen"),
    "CORRECTED": ("gray", "edit", "Corrected"),
    "FOLLOWED_UP": ("green", "event_available", "Was right"),
    "wrong": ("red", "event_busy", "Was wrong"),
    "VOLUME": ("gray", "menu_book", "Next volume"),
    "SETTLED": ("gray", "task_alt", "Settled"),
    "POLICY": ("gray", "rule", "Policy"),
}


def show_badge(badges: Mapping[str, Badge], key: str, text: str = "") -> None:
    """Draw the badge of a key; `text` replaces its label and must already be safe Markdown."""
    color, icon, label = badges.get(key, ("gray", "circle", key))
    st.badge(text or label, icon=f":material/{icon}:", color=color)


def badge_markdown(badges: Mapping[str, Badge], key: str, text: str = "") -> str:
    """Return the badge as Markdown for table cells and running text; `text` must already be safe Markdown."""
    color, icon, label = badges.get(key, ("gray", "circle", "Other"))
    return f":{color}-badge[:material/{icon}: {text or label}]"


def icon_markdown(badges: Mapping[str, Badge], key: str) -> str:
    """Return only the coloured icon of a badge as Markdown. Its label must be next to it."""
    color, name, _ = badges[key]
    return f":{color}[:material/{name}:]"


def badge_column_options(badges: Mapping[str, Badge]) -> dict[str, Any]:
    """Return options and colours for `st.column_config.MultiselectColumn`, so that a cell looks like the badge."""
    color_by_label = {badge[2]: badge[0] for badge in badges.values()}
    return {"options": list(color_by_label), "color": list(color_by_label.values())}


def chart_colors() -> ChartColors:
    """Return the chart colours for the browser's light or dark mode."""
    return DARK if st.context.theme.type == "dark" else LIGHT
