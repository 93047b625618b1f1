"""How the charts look: drawn in place without a network, readable on a light and a dark page."""

from typing import Any

import altair as alt

# Neither too light for white nor too dark for black: 4.4 to 1 against both.
INK = "#7a7a7a"
FAINT = "#7a7a7a44"
BLUE, ORANGE, GREEN, PINK, OCHRE, VIOLET = (
    "#3a86c8",
    "#e07b39",
    "#2f9e77",
    "#c65b8a",
    "#a48a2f",
    "#8a6fd1",
)

# The levels of pressure, which lie behind a line. They differ in strength: green, ochre and orange,
# as faint as they have to be there, are one colour to every twelfth man.
LEVELS = alt.Scale(
    domain=["LOW", "MEDIUM", "HIGH"], range=[f"{INK}1a", f"{ORANGE}4d", f"{ORANGE}b3"]
)
# The states of a tab.
STATES = alt.Scale(domain=["front", "background", "discarded"], range=[ORANGE, BLUE, FAINT])


@alt.theme.register("either", enable=True)
def either() -> alt.theme.ThemeConfig:
    """No background, and ink that both themes of JupyterLab carry."""
    text = {"labelColor": INK, "titleColor": INK, "labelFontSize": 11, "titleFontSize": 12}
    lines = {"domainColor": INK, "tickColor": INK, "gridColor": FAINT}
    config: Any = {
        "background": "transparent",
        "view": {"stroke": "transparent", "continuousWidth": 620, "continuousHeight": 260},
        "title": {"color": INK, "subtitleColor": INK, "anchor": "start", "fontSize": 13},
        "axis": {**text, **lines, "titleFontWeight": "normal"},
        "legend": {**text, "titleFontWeight": "normal", "symbolOpacity": 1},
        "header": text,
        "text": {"color": INK, "fontSize": 11},
        "rule": {"color": INK},
        "range": {"category": [BLUE, ORANGE, GREEN, PINK, OCHRE, VIOLET]},
    }
    return {"config": config}


# SVG, drawn by a renderer that is installed with the rest: nothing is loaded from anywhere.
alt.renderers.enable("svg")
