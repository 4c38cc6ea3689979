"""Where everything stands: layout programs turn a document's blocks into rows, and rows are placed on a canvas.

A program decides the order of blocks and how fields and tables are set; geometry (type, margins, spacing, rules) is
drawn beside it. `PROGRAMS` names them with their side: a held-out program sets nothing the way a training program does.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache

import numpy as np
from PIL import ImageFont

from reader import strings

from . import fonts
from .content import Block, Content, Field, Fields, Heading, Table, Text

SMALLEST_TYPE, LARGEST_TYPE = 16, 28
TIGHTEST, LOOSEST = 1.1, 1.6


class Face:
    """A face at a size: its advances in pixels."""

    def __init__(self, path: str, size: int) -> None:
        self.path, self.size = path, size
        self.font = ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)
        self.advance = {c: self.font.getlength(c) for c in strings.ALPHABET}

    def width(self, text: str) -> float:
        return sum(self.advance[c] for c in text)


@cache
def face(path: str, size: int) -> Face:
    return Face(path, size)


@dataclass(frozen=True)
class Piece:
    """A run of text in one row, set in the part [left, right] of the content's width, from `start` on the value of
    `key`."""

    text: str
    key: str | None = None
    start: int = 0
    align: str = "L"
    left: float = 0.0
    right: float = 1.0
    bold: bool = False


@dataclass(frozen=True)
class Row:
    """Pieces on one baseline. `height` in rows of plain text; `rule`: a line across instead of text; `frame`:
    neighbouring rows of one frame stand in one box; `bars`: parts of the width where vertical lines cross the row."""

    pieces: tuple[Piece, ...] = ()
    height: float = 1.0
    scale: float = 1.0
    rule: str | None = None
    leader: bool = False
    band: bool = False
    shade: bool = False
    frame: int | None = None
    bars: tuple[float, ...] = ()


@dataclass(frozen=True)
class Style:
    """The geometry that one document keeps to; sizes in pixels."""

    body: str
    heading: str
    size: int
    pitch: float
    margin: float
    colon: str
    leader: bool
    rule: str
    rules: float
    gap: float

    def ems(self, text: str) -> float:
        return face(self.body, 50).width(text) / 50


@dataclass(frozen=True)
class Run:
    """A placed piece: the left end of its pen, its baseline, its face, and the place of every character."""

    text: str
    key: str | None
    start: int
    x: float
    baseline: float
    path: str
    size: int
    band: bool = False

    def edges(self) -> np.ndarray:
        """[characters + 1]: where each character starts, and where the last one ends."""
        advance = face(self.path, self.size).advance
        return self.x + np.cumsum([0.0, *(advance[c] for c in self.text)])


@dataclass(frozen=True)
class Word:
    """A printed word with its box (left, top, right, bottom) in pixels and the key of the field that it belongs to."""

    text: str
    box: tuple[float, float, float, float]
    key: str | None


@dataclass(frozen=True)
class Shape:
    """A line, an outline or an area: `kind`, its corners (left, top, right, bottom) or other points, and its tone."""

    kind: str
    points: tuple[float, ...]
    tone: str = "ink"


@dataclass(frozen=True)
class Page:
    """A placed document of `width` x `height` pixels; `lines` are its rows of text, top to bottom, left to right."""

    content: Content
    width: int
    height: int
    runs: tuple[Run, ...]
    shapes: tuple[Shape, ...]
    lines: tuple[str, ...]
    program: str = ""
    style: Style | None = field(default=None, repr=False, compare=False)

    def words(self) -> list[Word]:
        """All words before any turning, in the order of `lines`."""
        out = []
        for run in self.runs:
            edges, at = run.edges(), 0
            for text in run.text.split(" "):
                if text:
                    box = (edges[at], run.baseline - 0.75 * run.size, edges[at + len(text)],
                           run.baseline + 0.22 * run.size)
                    out.append(Word(text, tuple(map(float, box)), run.key if at >= run.start else None))
                at += len(text) + 1
        return out

    def characters(self) -> tuple[str, np.ndarray]:
        """All characters and their centres [characters, 2] as (x, y), before any turning."""
        centres = []
        for run in self.runs:
            edges = run.edges()
            centres.append(np.stack([(edges[:-1] + edges[1:]) / 2,
                                     np.full(len(run.text), run.baseline - 0.33 * run.size)], 1))
        return "".join(run.text for run in self.runs), np.concatenate(centres) if centres else np.zeros((0, 2))


def draw_style(rng: random.Random, held_out_fonts: bool, smallest: int = SMALLEST_TYPE,
               largest: int = LARGEST_TYPE) -> Style:
    faces = fonts.faces(held_out_fonts)
    body = rng.choice(faces)
    return Style(
        body=body, heading=rng.choice(faces) if rng.random() < 0.3 else body, size=rng.randint(smallest, largest),
        pitch=rng.uniform(1.15, LOOSEST), margin=rng.uniform(7, 20), colon=rng.choice((":", ":", "", " :")),
        leader=rng.random() < 0.2, rule=rng.choice(("solid", "solid", "dashed", "dotted", "double", "stars")),
        rules=rng.choice((0.0, 0.3, 0.7)), gap=rng.choice((0.0, 0.3, 0.6)))


# How fields are set.

FieldSetter = Callable[[random.Random, Fields, Style], list[Row]]


def _joined(f: Field, style: Style, **options) -> Piece:
    lead = f.label + (style.colon.strip() or "") + " "
    return Piece(lead + f.value, f.key, len(lead), **options)


def _scale(rng: random.Random, fields: Fields, key: str) -> float:
    return rng.choice((1.0, 1.15, 1.3)) if key == fields.strong else 1.0


def split(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Labels at the left edge, values at the right."""
    return [Row((Piece(f.label + style.colon), Piece(f.value, f.key, align="R", bold=f.key == fields.strong)),
                leader=style.leader, scale=_scale(rng, fields, f.key)) for f in fields.fields]


def inline(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Label and value together, all at one edge or in the middle."""
    align = rng.choice("LLLCR")
    return [Row((_joined(f, style, align=align),), scale=_scale(rng, fields, f.key)) for f in fields.fields]


def aligned(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Labels at the left edge, values beginning at one tab stop."""
    widest = max(style.ems(f.label + style.colon) for f in fields.fields)
    # The place of the stop in type sizes; a tab is as wide as the page allows, so it is given in ems.
    return [Row((Piece(f.label + style.colon), Piece(f.value, f.key, left=-(widest + 0.8)))) for f in fields.fields]


def above(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Every label on a row of its own above its value."""
    align = rng.choice("LLLC")
    return [row for f in fields.fields for row in (
        Row((Piece(f.label, align=align),), height=0.95, scale=0.9),
        Row((Piece(f.value, f.key, align=align, bold=True),), height=1.15))]


def pairs(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Two statements a row."""
    rows = []
    for left, right in zip(fields.fields[::2], (*fields.fields[1::2], None)):
        pieces = [_joined(left, style, right=1.0 if right is None else 0.52)]
        if right is not None:
            pieces.append(_joined(right, style, left=0.48, align="R"))
        rows.append(Row(tuple(pieces)))
    return rows


def cards(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Two or three labels side by side, their values below them."""
    rows = []
    across = rng.choice((2, 2, 3))
    for start in range(0, len(fields.fields), across):
        part = fields.fields[start:start + across]
        edges = [(i / across, (i + 1) / across - 0.02) for i in range(across)]
        rows.append(Row(tuple(Piece(f.label, left=a, right=b) for f, (a, b) in zip(part, edges)), height=0.95,
                        scale=0.85))
        rows.append(Row(tuple(Piece(f.value, f.key, left=a, right=b, bold=True) for f, (a, b) in zip(part, edges)),
                        height=1.15))
    return rows


def axis(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Labels ending and values beginning at one axis in the middle. Held out."""
    at = rng.uniform(0.4, 0.55)
    return [Row((Piece(f.label + style.colon, align="R", right=at - 0.02), Piece(f.value, f.key, left=at + 0.02)))
            for f in fields.fields]


def below(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Every value above its label, which is smaller. Held out."""
    align = rng.choice("LCR")
    return [row for f in fields.fields for row in (
        Row((Piece(f.value, f.key, align=align, bold=True),), height=1.0),
        Row((Piece(f.label, align=align),), height=1.1, scale=0.85))]


def swapped(rng: random.Random, fields: Fields, style: Style) -> list[Row]:
    """Values at the left edge, labels at the right. Held out."""
    return [Row((Piece(f.value, f.key, bold=f.key == fields.strong), Piece(f.label, align="R"))) for f in fields.fields]


# How tables are set.

TableSetter = Callable[[random.Random, Table, Style], list[Row]]


def _cells(table: Table, row: tuple[str, ...]) -> dict[str, str]:
    return dict(zip(table.columns, row))


def _counted(cells: dict[str, str], sign: str) -> str:
    return f"{cells['quantity']}{sign}{cells['item']}" if "quantity" in cells else cells["item"]


def listed(rng: random.Random, table: Table, style: Style) -> list[Row]:
    """Goods at the left edge, perhaps with a number in front, and prices at the right."""
    sign = rng.choice((" x ", "x ", " "))
    rows = []
    for row in table.rows:
        cells = _cells(table, row)
        rows.append(Row((Piece(_counted(cells, sign), "item"), Piece(cells["price"], "price", align="R")),
                        leader=style.leader))
    return rows


def priced_first(rng: random.Random, table: Table, style: Style) -> list[Row]:
    """Prices at the left edge and goods behind them."""
    sign = rng.choice((" x ", "x "))
    stop = -(max(style.ems(row[table.column("price")]) for row in table.rows) + 0.8)
    rows = []
    for row in table.rows:
        cells = _cells(table, row)
        rows.append(Row((Piece(cells["price"], "price"), Piece(_counted(cells, sign), "item", left=stop))))
    return rows


def two_lines(rng: random.Random, table: Table, style: Style) -> list[Row]:
    """The name on one row; number, unit price and price on the next."""
    rows = []
    for row in table.rows:
        cells = _cells(table, row)
        rows.append(Row((Piece(cells["item"], "item"),)))
        pieces = [Piece(cells["price"], "price", align="R")]
        if "quantity" in cells:
            text = f"{cells['quantity']} x {cells['unit']}" if "unit" in cells else f"{cells['quantity']} pcs"
            pieces.insert(0, Piece(text, None, left=-1.0))
        rows.append(Row(tuple(pieces)))
    return rows


def columns(rng: random.Random, table: Table, style: Style, ruled: bool = False) -> list[Row]:
    """Columns under their heads, numbers at their right edges; `ruled` with lines between all cells."""
    widths = [max(style.ems(text) for text in (head, *(row[i] for row in table.rows))) + 0.9
              for i, head in enumerate(table.heads)]
    edges = np.cumsum([0.0, *widths]) / sum(widths)
    margin = 0.25 / sum(widths)
    head_in_bold, shaded = rng.random() < 0.5, rng.random() < 0.25

    def row(texts: tuple[str, ...], keyed: bool, bold: bool) -> tuple[Piece, ...]:
        return tuple(Piece(text, key if keyed else None, align="L" if key == "item" or i == 0 else "R", bold=bold,
                           left=edges[i] + (margin if ruled or i else 0), right=edges[i + 1] - (margin if ruled else 0))
                     for i, (key, text) in enumerate(zip(table.columns, texts)) if text)

    bars = tuple(edges) if ruled else ()
    line = [Row(rule="solid", height=0.12)] if ruled else []
    under = line or ([Row(rule=style.rule, height=0.4)] if rng.random() < 0.5 else [])
    rows = [*line, Row(row(table.heads, False, head_in_bold), bars=bars, band=rng.random() < 0.15), *under]
    for index, texts in enumerate(table.rows):
        rows += [Row(row(texts, True, False), bars=bars, shade=shaded and index % 2 == 0), *line]
    return rows


def grid(rng: random.Random, table: Table, style: Style) -> list[Row]:
    return columns(rng, table, style, ruled=True)


def stacked(rng: random.Random, table: Table, style: Style) -> list[Row]:
    """Every price on a row of its own above its name. Held out."""
    align = rng.choice("LC")
    return [row for texts in table.rows for row in (
        Row((Piece(_cells(table, texts)["price"], "price", align=align, bold=True),)),
        Row((Piece(_counted(_cells(table, texts), " x "), "item", align=align),), height=1.1))]


def transposed(rng: random.Random, table: Table, style: Style) -> list[Row]:
    """Rows as columns and columns as rows. Held out."""
    turned = Table(tuple(f"value {i}" if i else "name" for i in range(len(table.rows) + 1)),
                   (table.heads[0], *(row[0] for row in table.rows)),
                   tuple((head, *(row[i + 1] for row in table.rows)) for i, head in enumerate(table.heads[1:])))
    return columns(rng, turned, style, ruled=rng.random() < 0.5)


# Programs.

@dataclass(frozen=True)
class Program:
    """A way to lay documents out: how fields and tables may be set, where headings stand, and what else is drawn.

    `order`: "usual", "any" (any order of blocks), "meta first", "totals first", "heading last".
    """

    name: str
    fields: tuple[FieldSetter, ...]
    tables: tuple[TableSetter, ...]  # of goods with prices; other tables are set in columns
    headings: str = "LCC"
    order: tuple[str, ...] = ("usual",)
    boxed: float = 0.0
    banded: float = 0.0
    held_out: bool = False


PROGRAMS = (
    Program("till roll", (split, split, inline), (listed,), headings="C", order=("usual", "usual", "usual", "any")),
    Program("left margin", (inline, aligned), (listed, priced_first), headings="L", order=("usual", "meta first")),
    Program("centred", (inline,), (listed, columns), headings="C", order=("usual", "any")),
    Program("labels above", (above,), (columns, listed), headings="L", order=("usual", "meta first", "any")),
    Program("two abreast", (pairs,), (columns, grid), headings="LCR", order=("usual", "meta first")),
    Program("ledger", (aligned, split), (priced_first, grid), headings="LR", order=("usual", "totals first", "any")),
    Program("long list", (split, aligned), (two_lines,), headings="LC", order=("usual", "totals first")),
    Program("boxed", (split, aligned, above), (grid, columns), headings="LC", order=("usual", "any"), boxed=0.8,
            banded=0.5),
    Program("boarding pass", (cards,), (columns, listed), headings="L", order=("usual", "any"), banded=0.4, boxed=0.3),
    Program("loose", (split, inline, above, aligned, pairs, cards), (listed, columns, grid, priced_first, two_lines),
            headings="LCR", order=("any",), boxed=0.2, banded=0.2),
    Program("axis", (axis,), (stacked, columns), headings="R", order=("heading last", "any"), held_out=True),
    Program("captions", (below,), (stacked,), headings="RC", order=("usual", "heading last"), boxed=0.3, held_out=True),
    Program("mirrored", (swapped,), (stacked, priced_first), headings="R", order=("usual", "heading last"),
            held_out=True),
)


def programs(held_out: bool) -> tuple[Program, ...]:
    return tuple(p for p in PROGRAMS if p.held_out == held_out)


def _ordered(rng: random.Random, blocks: list[Block], order: str) -> list[Block]:
    heads = [b for b in blocks if isinstance(b, Heading)]
    rest = [b for b in blocks if not isinstance(b, Heading)]
    if order == "any":
        rng.shuffle(blocks)
        return blocks
    if order == "meta first":
        meta = [b for b in rest if isinstance(b, Fields)][:1]
        return [*meta, *(b for b in blocks if b not in meta)]
    if order == "totals first":
        sums = [b for b in rest if isinstance(b, Fields) and b.strong]
        return [*heads[:1], *sums, *(b for b in rest if b not in sums), *heads[1:]]
    if order == "heading last":
        return [*rest, *heads]
    return blocks


def compose(rng: random.Random, content: Content, program: Program, style: Style) -> list[Row]:
    """The rows of a document, by a program."""
    set_fields, set_table = rng.choice(program.fields), rng.choice(program.tables)
    side = rng.choice(program.headings)
    # A letter is only a letter from its greeting to its sender.
    order = "usual" if content.kind == "letter" else rng.choice(program.order)
    blocks = _ordered(rng, list(content.blocks), order)
    rows: list[Row] = []
    for index, block in enumerate(blocks):
        if rows:
            if rng.random() < style.rules:
                rows.append(Row(rule=style.rule, height=0.45))
            elif rng.random() < style.gap:
                rows.append(Row(height=0.5))
        if isinstance(block, Heading):
            made = _heading(rng, block, side, program)
        elif isinstance(block, Fields):
            setter = rng.choice(program.fields) if rng.random() < 0.25 else set_fields
            made = setter(rng, block, style)
        elif isinstance(block, Table) and "price" in block.columns:
            made = set_table(rng, block, style)
        elif isinstance(block, Table):
            made = (transposed if program.held_out else rng.choice((columns, grid)))(rng, block, style)
        elif isinstance(block, Text):
            made = _paragraph(block, style)
        else:
            raise TypeError(f"block {type(block).__name__} has no rows; charts are placed by `charts`")
        if rng.random() < program.boxed * 0.6 and not isinstance(block, Table):
            made = [Row(height=0.15, frame=index), *(replace(r, frame=index) for r in made),
                    Row(height=0.15, frame=index)]
        rows += made
    return rows


def _heading(rng: random.Random, heading: Heading, side: str, program: Program) -> list[Row]:
    rows = []
    for number, (text, key) in enumerate(heading.lines):
        large = number == 0 and key != "thanks"
        scale = rng.choice((1.0, 1.15, 1.3, 1.5)) if large else 1.0
        rows.append(Row((Piece(text, key, align=side, bold=large),), height=1.0 if scale == 1 else 1.1, scale=scale,
                        band=large and rng.random() < program.banded))
    return rows


def _paragraph(block: Text, style: Style) -> list[Row]:
    """Unbroken; `place` breaks it into rows where the canvas ends."""
    return [Row((Piece(block.text),), height=0.0)]


# Placing.

def place(rng: random.Random, content: Content, rows: list[Row], style: Style, width: int, height: int,
          smallest: int = SMALLEST_TYPE) -> Page | None:
    """The rows on a canvas, with smaller type and spacing than wished if need be; None where they do not fit."""
    pitch, room = style.pitch, height - 2 * min(style.margin, 8)
    if sum(row.height * row.scale for row in rows) * smallest * TIGHTEST > room:
        return None  # before anything is measured: on a small canvas this is most of the tries
    for size in range(style.size, smallest - 1, -1):
        broken = _broken(rows, style, size, width - 2 * style.margin)
        placed = _across(broken, style, size, width, smallest)
        if placed is None:
            continue
        tall = sum(row.height * row.scale for row in broken) * size
        if tall * TIGHTEST > room:
            continue
        pitch = min(pitch, room / max(tall, 1))
        slack = room - tall * pitch
        top = min(style.margin, 8) + slack * rng.random() * rng.random()
        return _down(content, broken, placed, style, size, pitch, top, width, height)
    return None


def _broken(rows: list[Row], style: Style, size: int, room: float) -> list[Row]:
    """Rows with running text broken at spaces."""
    out = []
    for row in rows:
        if row.height or row.rule:
            out.append(row)
            continue
        f, line = face(style.body, size), ""
        for word in row.pieces[0].text.split(" "):
            if line and f.width(f"{line} {word}") > room:
                out.append(Row((Piece(line),)))
                line = word
            else:
                line = f"{line} {word}".strip()
        out.append(Row((Piece(line),)))
    return out


def _across(rows: list[Row], style: Style, size: int, width: int,
            smallest: int) -> list[list[tuple[float, int, str]]] | None:
    """For every piece its left end, size and face; None where a piece leaves its part or two of them collide."""
    out, room = [], width - 2 * style.margin
    for row in rows:
        scaled = max(smallest - 2, round(size * row.scale))
        ends: list[tuple[float, float]] = []
        places = []
        for piece in row.pieces:
            path = style.heading if piece.bold else style.body
            wide = face(path, scaled).width(piece.text)
            left = style.margin + (piece.left * room if piece.left >= 0 else -piece.left * size)
            right = style.margin + piece.right * room
            if wide > right - left + 1:
                return None
            x = {"L": left, "R": right - wide, "C": (left + right - wide) / 2}[piece.align]
            ends.append((x, x + wide))
            places.append((x, scaled, path))
        ends.sort()
        if any(b[0] - a[1] < 0.35 * size for a, b in zip(ends, ends[1:])):
            return None
        out.append(places)
    return out


def _down(content: Content, rows: list[Row], placed: list[list[tuple[float, int, str]]], style: Style, size: int,
          pitch: float, top: float, width: int, height: int) -> Page:
    runs: list[Run] = []
    shapes: list[Shape] = []
    lines: list[str] = []
    frames: dict[int, tuple[float, float]] = {}
    y, left, right = top, style.margin, width - style.margin
    for row, places in zip(rows, placed):
        bottom = y + row.height * row.scale * size * pitch
        if row.frame is not None:
            frames[row.frame] = (frames.get(row.frame, (y, y))[0], bottom)
        if row.rule:
            shapes.append(Shape(row.rule, (left, (y + bottom) / 2, right, (y + bottom) / 2)))
        if row.band or row.shade:
            shapes.append(Shape("area", (left - 3, y, right + 3, bottom), "ink" if row.band else "shade"))
        for bar in row.bars:
            x = left + bar * (right - left)
            shapes.append(Shape("solid", (x, y, x, bottom)))
        order = sorted(range(len(places)), key=lambda i: places[i][0])
        baseline = (y + bottom) / 2 + 0.33 * size * row.scale
        for i in order:
            x, scaled, path = places[i]
            piece = row.pieces[i]
            runs.append(Run(piece.text, piece.key, piece.start, x, baseline, path, scaled, row.band))
        if row.leader and len(order) == 2:
            start, end = runs[-2].edges()[-1] + 0.3 * size, runs[-1].x - 0.3 * size
            if end - start > size:
                shapes.append(Shape("leader", (start, baseline - 1, end, baseline - 1)))
        if order:
            lines.append(" ".join(row.pieces[i].text for i in order))
        y = bottom
    shapes += [Shape("outline", (left - 3, a, right + 3, b)) for a, b in frames.values()]
    return Page(content, width, height, tuple(runs), tuple(shapes), tuple(lines), style=style)
