"""Theme colours by role and the font folder, for all charts and images. Plain values, no Streamlit.

The same colours are in .streamlit/config.toml, which styles the pages. `lib.ui.components.badges` determines the browser's mode.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

ChartColors = Mapping[str, str]
"""Colours by role: ink, soft, hair, page, past, brush, ramp1 (worst) to ramp5 (best), kind1 to kind6 for categories, and others."""

FONT_FOLDER = Path(__file__).resolve().parent / "ui" / "app" / "static" / "fonts"
"""Folder with the Inter font as TTF. It is also served to browsers, so it is among the static files."""
LIGHT: ChartColors = MappingProxyType(
    {
        "ink": "#17202C",
        "soft": "#5B6776",
        "hair": "#DDE3EA",
        "page": "#FFFFFF",
        "brush": "#B45F06",
        "now": "#1F5FBF",
        "past": "#C3CCD7",
        "staging": "#E9E0F6",
        "unknown": "#F4F6F9",
        "on_now": "#FFFFFF",
        "on_past": "#3A4654",
        "on_staging": "#5B2FA0",
        "on_unknown": "#5B6776",
        "green": "#0A7D55",
        "red": "#C2362B",
        "orange": "#B45F06",
        "ramp1": "#C6D3E4",
        "ramp2": "#9DBAE0",
        "ramp3": "#6E9AD6",
        "ramp4": "#3F78C8",
        "ramp5": "#1F5FBF",
        "kind1": "#1F5FBF",
        "kind2": "#D55E00",
        "kind3": "#4698C1",
        "kind4": "#831F72",
        "kind5": "#D27988",
        "kind6": "#3F3F1E",
    }
)
DARK: ChartColors = MappingProxyType(
    {
        "ink": "#E6EBF2",
        "soft": "#94A1B2",
        "hair": "#2B3746",
        "page": "#0F151D",
        "brush": "#F2A65A",
        "now": "#2F6FD0",
        "past": "#3A4858",
        "staging": "#33284A",
        "unknown": "#18212C",
        "on_now": "#FFFFFF",
        "on_past": "#C7D2E0",
        "on_staging": "#D3C2F7",
        "on_unknown": "#94A1B2",
        "green": "#3DBE8B",
        "red": "#F0786C",
        "orange": "#F2A65A",
        "ramp1": "#34475C",
        "ramp2": "#46698F",
        "ramp3": "#5F8EC2",
        "ramp4": "#86B4EA",
        "ramp5": "#B5D6FF",
        "kind1": "#56B4E9",
        "kind2": "#F28C4B",
        "kind3": "#7474E8",
        "kind4": "#C5879B",
        "kind5": "#DCDC2B",
        "kind6": "#D1F0C1",
    }
)
