"""Panels and dashboards as values, and the JSON that Grafana reads."""

from typing import Any, Final

import msgspec

COLUMNS: Final = 24  # of Grafana's grid
# Colours: nought is good, or it is bad.
RED_ABOVE_NOUGHT: Final = (("green", None), ("red", 1.0))
RED_AT_NOUGHT: Final = (("red", None), ("green", 1.0))
CHOSEN: Final = 'provider=~"$provider"'  # the providers a reader has chosen
SCHEMA: Final = 39  # of Grafana 10 and later
_SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


class Panel(msgspec.Struct, frozen=True, kw_only=True):
    """One panel: what it is called, what it tells and means, in which unit, and from which expressions."""

    title: str
    description: str
    unit: str  # Grafana's own word: s, short, reqps, percentunit, bytes, none …
    exprs: tuple[tuple[str, str], ...]  # expression and legend
    kind: str = "timeseries"  # or "stat", "table", "bargauge"
    width: int = 8
    steps: tuple[tuple[str, float | None], ...] = (("green", None),)  # colours from a value on
    decimals: int | None = None


class Row(msgspec.Struct, frozen=True):
    """A heading and the panels under it."""

    title: str
    panels: tuple[Panel, ...]


class Board(msgspec.Struct, frozen=True, kw_only=True):
    """A dashboard."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    by_provider: bool = False  # whether a reader may choose providers


def quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    """The median and the slowest hundredth of a histogram."""
    grouped = f"le, {by}" if by else "le"
    legend = f" {{{{{by}}}}}" if by else ""
    rates = f"sum by ({grouped}) (rate({metric}_bucket[5m]))"
    return tuple((f"histogram_quantile({q}, {rates})", f"{name}{legend}") for q, name in ((0.5, "p50"), (0.99, "p99")))


def written(board: Board) -> dict[str, Any]:
    """A dashboard as Grafana imports it."""
    panels: list[dict[str, Any]] = []
    top = 0
    for row in board.rows:
        panels.append(_heading(row.title, len(panels) + 1, top))
        top += 1
        left, height = 0, 0
        for panel in row.panels:
            tall = 4 if panel.kind == "stat" else 8
            if left + panel.width > COLUMNS:
                left, top, height = 0, top + height, 0
            panels.append(_panel(panel, len(panels) + 1, {"h": tall, "w": panel.width, "x": left, "y": top}))
            left, height = left + panel.width, max(height, tall)
        top += height
    return {
        "uid": board.uid,
        "title": board.title,
        "description": board.description,
        "tags": ["panel-gateway"],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "",
        "annotations": {"list": []},
        "links": [
            {
                "type": "dashboards",
                "title": "Gateway",
                "tags": ["panel-gateway"],
                "asDropdown": True,
                "includeVars": True,
                "keepTime": True,
            }
        ],
        "templating": {"list": _choices(board)},
        "panels": panels,
    }


def _choices(board: Board) -> list[dict[str, Any]]:
    """What a reader may choose: where the numbers come from, and which providers."""
    chosen: list[dict[str, Any]] = [
        {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "hide": 0}
    ]
    if board.by_provider:
        query = "label_values(gateway_breaker, provider)"
        chosen.append(
            {
                "name": "provider",
                "label": "Provider",
                "type": "query",
                "datasource": _SOURCE,
                "definition": query,
                "query": {"query": query, "refId": "providers"},
                "includeAll": True,
                "allValue": ".*",
                "multi": True,
                "refresh": 2,
                "sort": 1,
                "hide": 0,
            }
        )
    return chosen


def _heading(title: str, number: int, top: int) -> dict[str, Any]:
    place = {"h": 1, "w": COLUMNS, "x": 0, "y": top}
    return {"id": number, "type": "row", "title": title, "collapsed": False, "gridPos": place, "panels": []}


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    steps = [{"color": color, "value": value} for color, value in panel.steps]
    defaults: dict[str, Any] = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.decimals is not None:
        defaults["decimals"] = panel.decimals
    if panel.kind == "timeseries":
        defaults |= {"custom": {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}, "min": 0}
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel.kind),
        "targets": [
            {
                "refId": chr(ord("A") + n),
                "datasource": _SOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": panel.kind != "timeseries",
                "range": panel.kind == "timeseries",
            }
            for n, (expression, legend) in enumerate(panel.exprs)
        ],
    }


def _options(kind: str) -> dict[str, Any]:
    if kind == "timeseries":
        return {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background",
        "graphMode": "area",
        "orientation": "auto",
        "textMode": "auto",
    }
