# SPDX-License-Identifier: Apache-2.0
"""Draws the ratios as an SVG, without any library: a row for each workload, a mark for each
system, on a logarithmic scale where 1 is the bare directory."""

import math
from xml.sax.saxutils import escape

from report import short

COLOURS = {
    "watch": "#e69f00",
    "bindfs": "#56b4e9",
    "mergerfs": "#009e73",
    "fuse-overlayfs": "#cc79a7",
    "loggedfs": "#8c8c8c",
    "modelguard": "#d1201f",
}
LEFT, RIGHT, TOP, ROW = 460, 110, 118, 30
WIDTH = 1260
TICKS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3)


class Picture:
    def __init__(self, lowest, highest, n_rows):
        self.low = math.log10(lowest)
        self.high = math.log10(highest)
        self.height = TOP + n_rows * ROW + 48
        self.parts = []

    def x(self, ratio):
        share = (math.log10(ratio) - self.low) / (self.high - self.low)
        return LEFT + max(0.0, min(1.0, share)) * (WIDTH - LEFT - RIGHT)

    def add(self, text):
        self.parts.append(text)

    def text(self, x, y, text, size=13, anchor="start", **attributes):
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attributes.items())
        self.add(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}"'
                 f"{extra}>{escape(text)}</text>")

    def line(self, x1, y1, x2, y2, colour, width=1, **attributes):
        extra = "".join(f' {k.replace("_", "-")}="{v}"' for k, v in attributes.items())
        self.add(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                 f'stroke="{colour}" stroke-width="{width}"{extra}/>')

    def mark(self, name, x, y):
        colour = COLOURS[name]
        if name == "modelguard":
            self.add(f'<path d="M{x:.1f} {y - 8:.1f}l8 8l-8 8l-8 -8z" fill="{colour}" '
                     'stroke="white"/>')
        else:
            self.add(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5.5" fill="{colour}" '
                     'stroke="white"/>')

    def svg(self):
        head = (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}" '
                f'viewBox="0 0 {WIDTH} {self.height}" font-family="sans-serif" fill="#222">')
        return "\n".join([head, f'<rect width="{WIDTH}" height="{self.height}" fill="white"/>',
                          *self.parts, "</svg>", ""])


def _legend(picture, names):
    x = LEFT
    for name in names:
        picture.mark(name, x, 80)
        picture.text(x + 13, 84.5, "auditd watch" if name == "watch" else name)
        x += 40 + 8 * len("auditd watch" if name == "watch" else name)


def _axis(picture, bottom):
    for tick in TICKS:
        if picture.low - 1e-9 <= math.log10(tick) <= picture.high + 1e-9:
            x = picture.x(tick)
            one = tick == 1
            picture.line(x, TOP - 8, x, bottom, "#222" if one else "#ddd", 1.5 if one else 1)
            picture.text(x, bottom + 18, "native" if one else f"{tick:g}", 12, "middle")


def _row(picture, y, title, native, ratios):
    picture.text(LEFT - 130, y + 4.5, title, 13, "end")
    picture.text(LEFT - 14, y + 4.5, native, 11, "end", fill="#777")
    for name, ratio in ratios.items():
        picture.line(picture.x(ratio["min"]), y, picture.x(ratio["max"]), y, COLOURS[name], 3,
                     stroke_opacity=0.6)
    for name, ratio in ratios.items():
        picture.mark(name, picture.x(ratio["median"]), y)
    if "modelguard" in ratios:
        picture.text(WIDTH - RIGHT + 16, y + 4.5, short(ratios["modelguard"]["median"]), 13,
                     fill=COLOURS["modelguard"], font_weight="bold")


def draw(rows, names, subtitle):
    """`rows`: (title, native's own number, {system: {"median", "min", "max"}})."""
    rows = [(title, native, {n: ratios[n] for n in COLOURS if n in ratios})
            for title, native, ratios in rows]
    seen = [r[key] for _, _, ratios in rows for r in ratios.values() for key in ("min", "max")]
    lowest = max((t for t in TICKS if t <= min(seen, default=1)), default=TICKS[0])
    picture = Picture(min(lowest, 0.1), TICKS[-1], len(rows))
    picture.text(24, 34, "modelguard against the bare directory, auditd's watch and FUSE peers",
                 20, font_weight="bold")
    picture.text(24, 56, subtitle, 12, fill="#555")
    _legend(picture, [name for name in COLOURS if name in names])
    picture.text(WIDTH - RIGHT + 16, TOP - 14, "modelguard", 11, fill=COLOURS["modelguard"])
    bottom = TOP + len(rows) * ROW
    for i in range(0, len(rows), 2):
        picture.add(f'<rect x="16" y="{TOP + i * ROW}" width="{WIDTH - 32}" height="{ROW}" '
                    'fill="#f5f5f5"/>')
    _axis(picture, bottom)
    for i, (title, native, ratios) in enumerate(rows):
        _row(picture, TOP + i * ROW + ROW / 2, title, native, ratios)
    picture.text(LEFT, bottom + 38, "Ratio to the bare directory, logarithmic: further right is "
                 "faster. A bar is the spread of the rounds.", 12, fill="#555")
    return picture.svg()
