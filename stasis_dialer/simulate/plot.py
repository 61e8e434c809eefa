"""Utilisation against abandonment as a picture: SVG written here, PNG when matplotlib is installed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from stasis_dialer.errors import Refused

WIDTH, HEIGHT = 760, 460
LEFT, RIGHT, TOP, BOTTOM = 64, 190, 36, 56
COLOURS = ("#1b6ca8", "#d1495b", "#3c8d2f", "#b07d00", "#6c4ab6", "#00838f", "#8d6e63", "#c2185b", "#455a64")
STEPS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


@dataclass(frozen=True)
class Point:
    """One policy in one world; shares in per cent."""

    series: str
    label: str
    abandonment: float
    utilisation: float


def draw(points: Sequence[Point], cap: float, path: Path) -> None:
    """Write the picture; the file's name ends in .svg or .png.

    Raises: Refused for another ending, or a PNG without matplotlib.
    """
    if path.suffix == ".svg":
        path.write_text(as_svg(points, cap), encoding="utf-8")
    elif path.suffix == ".png":
        _draw_png(points, cap, path)
    else:
        raise Refused(f"a plot is an .svg or a .png: file={path.name}")


def as_svg(points: Sequence[Point], cap: float) -> str:
    """The picture as SVG; the shaded part is over the cap."""
    most = max([2.0 * cap, *(point.abandonment for point in points)]) * 1.08
    least = 10.0 * int(min([90.0, *(point.utilisation for point in points)]) / 10.0)

    def x(share: float) -> float:
        return LEFT + share / most * (WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return HEIGHT - BOTTOM - (share - least) / (100.0 - least) * (HEIGHT - TOP - BOTTOM)

    right, bottom = x(most), y(least)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        f'<rect x="{x(cap):.1f}" y="{TOP}" width="{right - x(cap):.1f}" height="{bottom - TOP:.1f}" fill="#fbe9e7"/>',
    ]
    for level in range(int(least), 101, 10):
        parts.append(f'<line x1="{LEFT}" x2="{right:.1f}" y1="{y(level):.1f}" y2="{y(level):.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{LEFT - 8}" y="{y(level) + 4:.1f}" text-anchor="end">{level}</text>')
    step = next((step for step in STEPS if most / step <= 9), 50.0)
    for i in range(int(most / step) + 1):
        at = x(i * step)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{bottom:.1f}" y2="{bottom + 4:.1f}" stroke="#777"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{i * step:g}</text>')
    parts.append(
        f'<line x1="{x(cap):.1f}" x2="{x(cap):.1f}" y1="{TOP}" y2="{bottom:.1f}" stroke="#d1495b" '
        'stroke-dasharray="4 3"/>'
    )
    parts.append(f'<text x="{x(cap) + 4:.1f}" y="{TOP - 6}" fill="#d1495b">cap {cap:g} %</text>')
    middle = (LEFT + right) / 2
    parts.append(
        f'<text x="{middle:.0f}" y="{HEIGHT - 14}" text-anchor="middle">abandoned, % of answers by people</text>'
    )
    parts.append(
        f'<text transform="translate(18 {(TOP + bottom) / 2:.0f}) rotate(-90)" text-anchor="middle">'
        "utilisation, %</text>"
    )
    series = list(dict.fromkeys(point.series for point in points))
    for point in points:
        colour = COLOURS[series.index(point.series) % len(COLOURS)]
        parts.append(
            f'<circle cx="{x(point.abandonment):.1f}" cy="{y(point.utilisation):.1f}" r="5" fill="{colour}" '
            f'fill-opacity="0.75"><title>{escape(point.series)} {escape(point.label)}: {point.utilisation:.1f} % busy, '
            f"{point.abandonment:.2f} % abandoned</title></circle>"
        )
    for i, name in enumerate(series):
        top = TOP + 8 + 20 * i
        parts.append(f'<circle cx="{right + 18:.1f}" cy="{top}" r="5" fill="{COLOURS[i % len(COLOURS)]}"/>')
        parts.append(f'<text x="{right + 30:.1f}" y="{top + 4}">{escape(name)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _draw_png(points: Sequence[Point], cap: float, path: Path) -> None:
    try:
        import matplotlib
    except ImportError:
        raise Refused("a PNG needs matplotlib; give a file name that ends in .svg") from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 5))
    for i, name in enumerate(dict.fromkeys(point.series for point in points)):
        own = [point for point in points if point.series == name]
        axes.scatter(
            [point.abandonment for point in own],
            [point.utilisation for point in own],
            label=name,
            color=COLOURS[i % len(COLOURS)],
        )
    axes.axvline(cap, linestyle="--", color="#d1495b")
    axes.set_xlabel("abandoned, % of answers by people")
    axes.set_ylabel("utilisation, %")
    axes.legend()
    figure.savefig(path, dpi=120)
    pyplot.close(figure)
