"""Charts on a canvas: bars, lines and pies with their labels and values, on two sides like the layout programs."""

import math
import random

from .content import Chart, Content, Heading
from .layout import Page, Run, Shape, Style, face

TRAINING = ("bars", "bars", "bars across", "line", "pie", "pie with a key")
HELD_OUT = ("dots across", "ring")
COLOURS = 6


class _Sheet:
    """Collects runs and shapes; notes when something does not fit."""

    def __init__(self, style: Style, size: int, width: int, height: int) -> None:
        self.style, self.size, self.width, self.height = style, size, width, height
        self.runs: list[Run] = []
        self.shapes: list[Shape] = []
        self.boxes: list[tuple[float, float, float, float]] = []
        self.fits = True

    def wide(self, text: str, size: int | None = None) -> float:
        return face(self.style.body, size or self.size).width(text)

    def write(self, text: str, x: float, y: float, align: str = "C", key: str | None = None,
              size: int | None = None) -> None:
        """Text whose middle is at the height y, from, about or up to x."""
        size = size or self.size
        wide = self.wide(text, size)
        left = x - {"L": 0.0, "C": wide / 2, "R": wide}[align]
        box = (left, y - 0.5 * size, left + wide, y + 0.5 * size)
        if box[0] < 2 or box[1] < 2 or box[2] > self.width - 2 or box[3] > self.height - 2:
            self.fits = False
        if any(box[0] < b[2] + 2 and b[0] < box[2] + 2 and box[1] < b[3] and b[1] < box[3] for b in self.boxes):
            self.fits = False
        self.boxes.append(box)
        self.runs.append(Run(text, key, 0, left, y + 0.33 * size, self.style.body, size))

    def draw(self, kind: str, *points: float, tone: str = "ink") -> None:
        self.shapes.append(Shape(kind, points, tone))


def place(rng: random.Random, content: Content, style: Style, width: int, height: int, smallest: int, held_out: bool
          ) -> Page | None:
    """A chart on a canvas; None where its labels do not fit."""
    kind = rng.choice(HELD_OUT if held_out else TRAINING)
    for size in range(min(style.size, 24), smallest - 1, -1):
        sheet = _Sheet(style, size, width, height)
        top = style.margin
        series = next(b for b in content.blocks if isinstance(b, Chart))
        for block in content.blocks:
            if isinstance(block, Heading):
                for text, key in block.lines:
                    sheet.write(text, width / 2, top + size * 0.6, key=key, size=round(size * 1.1))
                    top += 1.5 * size
        {"bars": _bars, "bars across": _across, "dots across": _across, "line": _line, "pie": _pie,
         "pie with a key": _pie,
         "ring": _pie}[kind](rng, sheet, series, top, kind)
        if sheet.fits:
            return Page(content, width, height, tuple(sheet.runs), tuple(sheet.shapes), _lines(sheet.runs), kind, style)
    return None


def _lines(runs: list[Run]) -> tuple[str, ...]:
    """Rows of runs at about the same height, top to bottom, left to right."""
    rows: list[list[Run]] = []
    for run in sorted(runs, key=lambda r: r.baseline):
        if rows and run.baseline - rows[-1][0].baseline < 0.6 * run.size:
            rows[-1].append(run)
        else:
            rows.append([run])
    return tuple(" ".join(r.text for r in sorted(row, key=lambda r: r.x)) for row in rows)


def _bars(rng: random.Random, sheet: _Sheet, chart: Chart, top: float, kind: str) -> None:
    size, count = sheet.size, len(chart.labels)
    left, right = sheet.style.margin, sheet.width - sheet.style.margin
    floor = sheet.height - sheet.style.margin - 1.5 * size
    step, tall = (right - left) / count, floor - top - 1.4 * size
    if tall < 2 * size:
        sheet.fits = False
        return
    many = rng.random() < 0.4
    thick = rng.uniform(0.45, 0.8) * step
    sheet.draw("solid", left, floor, right, floor)
    for i, (label, value, printed) in enumerate(zip(chart.labels, chart.values, chart.printed)):
        x = left + (i + 0.5) * step
        bar = max(2.0, tall * value / max(chart.values))
        sheet.draw("area", x - thick / 2, floor - bar, x + thick / 2, floor, tone=f"colour {i if many else 0}")
        sheet.write(label, x, floor + 0.8 * size, key="label")
        sheet.write(printed, x, floor - bar - 0.65 * size, key="value")


def _across(rng: random.Random, sheet: _Sheet, chart: Chart, top: float, kind: str) -> None:
    size, count = sheet.size, len(chart.labels)
    left = sheet.style.margin + max(map(sheet.wide, chart.labels)) + 0.5 * size
    right = sheet.width - sheet.style.margin - max(map(sheet.wide, chart.printed)) - 0.5 * size
    bottom = sheet.height - sheet.style.margin
    step = (bottom - top) / count
    if right - left < 3 * size or step < 1.15 * size:
        sheet.fits = False
        return
    many = rng.random() < 0.4
    thick = rng.uniform(0.45, 0.85) * min(step, 2 * size)
    sheet.draw("solid", left, top, left, bottom)
    for i, (label, value, printed) in enumerate(zip(chart.labels, chart.values, chart.printed)):
        y = top + (i + 0.5) * step
        end = left + max(2.0, (right - left) * value / max(chart.values))
        if kind == "dots across":
            sheet.draw("dotted", left, y, end, y)
            sheet.draw("disc", end - 4, y - 4, end + 4, y + 4, tone=f"colour {i if many else 0}")
        else:
            sheet.draw("area", left, y - thick / 2, end, y + thick / 2, tone=f"colour {i if many else 0}")
        sheet.write(label, left - 0.4 * size, y, align="R", key="label")
        sheet.write(printed, end + 0.4 * size, y, align="L", key="value")


def _line(rng: random.Random, sheet: _Sheet, chart: Chart, top: float, kind: str) -> None:
    size, count = sheet.size, len(chart.labels)
    left, right = sheet.style.margin, sheet.width - sheet.style.margin
    floor = sheet.height - sheet.style.margin - 1.5 * size
    step, tall = (right - left) / count, floor - top - 1.6 * size
    if tall < 2 * size:
        sheet.fits = False
        return
    sheet.draw("solid", left, floor, right, floor)
    sheet.draw("solid", left, top, left, floor)
    points = [(left + (i + 0.5) * step, floor - 6 - (tall - 6) * v / max(chart.values))
              for i, v in enumerate(chart.values)]
    sheet.draw("path", *(c for point in points for c in point), tone="colour 0")
    for (x, y), label, printed in zip(points, chart.labels, chart.printed):
        sheet.draw("disc", x - 3, y - 3, x + 3, y + 3, tone="colour 0")
        sheet.write(label, x, floor + 0.8 * size, key="label")
        sheet.write(printed, x, y - 0.85 * size, key="value")


def _pie(rng: random.Random, sheet: _Sheet, chart: Chart, top: float, kind: str) -> None:
    size, bottom = sheet.size, sheet.height - sheet.style.margin
    keyed = kind != "pie"
    rows = len(chart.labels) * 1.3 * size if keyed else 0.0
    beside = keyed and sheet.width > 1.1 * sheet.height
    room = min(sheet.width, bottom - top - (0 if beside else rows))
    radius = room * (0.46 if keyed else 0.3)
    if radius < 1.6 * size:
        sheet.fits = False
        return
    x = sheet.width * 0.3 if beside else sheet.width / 2
    y = top + (bottom - top - (0 if beside else rows)) / 2
    if beside:
        radius = min(radius, sheet.width * 0.27)
    angle = rng.uniform(0, 360)
    for i, (label, value, printed) in enumerate(zip(chart.labels, chart.values, chart.printed)):
        end = angle + 360 * value / sum(chart.values)
        sheet.draw("wedge", x - radius, y - radius, x + radius, y + radius, angle, end, tone=f"colour {i}")
        if keyed:
            row = (top + bottom - rows) / 2 if beside else bottom - rows
            row += (i + 0.5) * 1.3 * size
            left = sheet.width * 0.6 if beside else sheet.width * 0.15
            sheet.draw("area", left, row - 0.35 * size, left + 0.7 * size, row + 0.35 * size, tone=f"colour {i}")
            sheet.write(label, left + size, row, align="L", key="label")
            sheet.write(printed, sheet.width - sheet.style.margin, row, align="R", key="value")
        else:
            middle = math.radians((angle + end) / 2)
            sheet.write(f"{label} {printed}", x + 1.35 * radius * math.cos(middle), y + 1.3 * radius * math.sin(middle),
                        key="value",
                        align="C")
        angle = end
    if kind == "ring":
        sheet.draw("disc", x - radius / 2, y - radius / 2, x + radius / 2, y + radius / 2, tone="paper")
