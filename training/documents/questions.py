"""What can be asked about a page, and the right answers, from what the page states."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from . import phrasings
from .content import Chart, Field, Fields, Heading, Table, Text
from .layout import Page
from .phrasings import ABSENT, BLANK, ILLEGIBLE, NOUNS, Wordings
from .values import Values

LONGEST_ANSWER = 96
TYPES = ("field", "absent", "beside", "yes or no", "price", "item", "quantity", "extreme", "count", "sum", "cell", "chart", "line",
         "top", "word", "after", "all", "json")
MEANINGLESS = 0.15  # share of varied wordings with a word that means nothing
KEYS: dict[str, tuple[str, ...]] = {
    "receipt": ("total", "subtotal", "tax", "discount", "tip", "cash", "change", "date", "time", "number", "cashier",
                "table",
                "payment", "phone", "card", "points", "shop", "address", "city"),
    "ticket": ("event", "shop", "date", "time", "venue", "row", "seat", "gate", "price", "ticket", "passenger", "doors",
               "class",
               "origin", "destination", "departure", "arrival", "platform", "coach", "entry", "exit", "plate", "zone",
               "payment",
               "phone"),
    "invoice": ("number", "date", "due", "customer", "seller", "po", "terms", "iban", "total", "subtotal", "tax",
                "discount",
                "address", "city", "phone", "email"),
    "form": ("title", "name", "birth", "address", "city", "phone", "email", "employer", "job", "member", "date",
             "signed"),
    "letter": ("sender", "recipient", "subject", "date", "shop", "total", "due", "time", "city", "phone", "email"),
    "price list": ("shop", "phone", "address"),
    "table": ("title", "date", "number"),
    "chart": ("title", "date"),
}


@dataclass(frozen=True)
class Turn:
    """A question of a `type` and its right answer. `about`: what is asked about, for rules that do not read questions:
    the key of a field, the printed piece, the number of a line; `keys` are the fields that a JSON answer has."""

    type: str
    question: str
    answer: str
    about: str = field(default="", compare=False)
    keys: tuple[str, ...] = field(default=(), compare=False)


class Asking:
    """Draws questions about one page. `state`: "legible", "blank" or "illegible"."""

    def __init__(self, rng: random.Random, page: Page, held_out_phrasings: bool = False, state: str = "legible",
                 held_out_values: bool = False, varied: bool = False, often: Mapping[str, float] | None = None) -> None:
        """`varied`: in many more wordings, some of them with a word that means nothing; `often`: how many times as often
        as usual a type of question is asked."""
        self.rng, self.page, self.state, self.varied, self.often = rng, page, state, varied, often or {}
        self.words: Wordings = phrasings.side(held_out_phrasings, varied)
        self.values = Values(rng, held_out_values)
        self.keys = KEYS.get(page.content.kind, ())
        self.fields: dict[str, Field] = {}
        self.table: Table | None = None
        self.chart: Chart | None = None
        for block in page.content.blocks:
            match block:
                case Heading(lines):
                    for text, key in lines:
                        if key in NOUNS:
                            self.fields.setdefault(key, Field(key, "", text))
                case Fields(fields):
                    for f in fields:
                        self.fields.setdefault(f.key, f)
                case Text(_, fields):
                    for f in fields:
                        self.fields.setdefault(f.key, f)
                case Table():
                    self.table = block
                case Chart():
                    self.chart = block
        self.priced = self.table is not None and {"item", "price"} <= set(self.table.columns)

    def turns(self, count: int, lookups: float = 0.0, longest: int = LONGEST_ANSWER) -> list[Turn]:
        """Questions of all types that the page allows; a share of `lookups` only reads on after a quoted piece."""
        return [self.lookup(longest) if self.rng.random() < lookups else self.turn(longest) for _ in range(count)]

    def turn(self, longest: int = LONGEST_ANSWER) -> Turn:
        """A question whose answer has at most `longest` characters."""
        weights = self._weights()
        while True:
            made = self.rng.choices(list(weights), weights=list(weights.values()))[0]()
            if made is not None and len(made.answer) <= longest:
                return self._as_seen(made)

    def lookup(self, longest: int = LONGEST_ANSWER) -> Turn:
        for _ in range(8):
            made = self._after()
            if made is not None and len(made.answer) <= longest:
                return self._as_seen(made)
        return self.turn(longest)

    def _as_seen(self, turn: Turn) -> Turn:
        """What is right when the page is blank or cannot be read."""
        if self.state == "legible":
            return turn
        if self.state == "illegible":
            return Turn("illegible", turn.question, ILLEGIBLE)
        return Turn("blank", turn.question, BLANK if turn.type in ("all", "line", "top") else ABSENT)

    def _weights(self) -> dict[Callable[[], Turn | None], float]:
        ways: dict[Callable[[], Turn | None], tuple[str, float]] = {
            self._field: ("field", 26), self._absent: ("absent", 6), self._beside: ("beside", 5), self._line: ("line", 12),
            self._edge_line: ("top", 2), self._word: ("word", 5), self._all: ("all", 2), self._count_lines: ("count", 1),
            self._is_there: ("yes or no", 3), self._is_it: ("yes or no", 4), self._json: ("json", 6),
            self._after: ("after", 4)}
        if self.priced:
            ways |= {self._price: ("price", 16), self._item: ("item", 14), self._no_item: ("absent", 4),
                     self._count_items: ("count", 2), self._extreme: ("extreme", 4), self._sum: ("sum", 1)}
            if "quantity" in self.table.columns:
                ways[self._quantity] = ("quantity", 6)
        elif self.chart is not None:
            ways |= {self._charted: ("chart", 30), self._chart_extreme: ("extreme", 8)}
        elif self.table is not None:
            ways |= {self._cell: ("cell", 30), self._count_items: ("count", 2)}
        if not self.keys:
            for way in (self._field, self._absent, self._is_there, self._is_it, self._json):
                ways.pop(way)
        return {way: weight * self.often.get(type_, 1.0) for way, (type_, weight) in ways.items()}

    def _worded(self, wordings: tuple[str, ...], *parts: str) -> str:
        words = self.rng.choice(wordings).split(" ")
        if self.varied and self.rng.random() < MEANINGLESS:
            # So that a word that was never seen is no reason to refuse an answer. Not beside what is asked about, which
            # it would seem to be a part of.
            apart = [i for i in range(len(words)) if "{" not in words[i] and (not i or "{" not in words[i - 1])]
            if apart:
                at = self.rng.choice(apart)
                words[0] = words[0] if at or words[0] == "I" else words[0].lower()
                words.insert(at, self.values.invented().lower())
        text = " ".join(words).format(*parts)
        return text[0].upper() + text[1:]

    def _noun(self, key: str) -> str:
        return self.rng.choice(NOUNS[key])

    def _field(self) -> Turn | None:
        known = [k for k in self.fields if k in self.keys]
        return self._asked(self.rng.choice(known)) if known else None

    def _absent(self) -> Turn:
        missing = [k for k in self.keys if k not in self.fields]
        return self._asked(self.rng.choice(missing)) if missing else self._no_line()

    def _asked(self, key: str) -> Turn:
        special = self.words.fields.get(key, ())
        question = self._worded(special) if special and self.rng.random() < 0.4 else self._worded(
            self.words.field, self._noun(key))
        if key in self.fields:
            return Turn("field", question, self.fields[key].value, key)
        return Turn("absent", question, ABSENT, key)

    def _beside(self) -> Turn | None:
        labelled = [f for f in self.fields.values() if f.label]
        if not labelled:
            return None
        chosen = self.rng.choice(labelled)
        return Turn("beside", self._worded(self.words.beside, chosen.label), chosen.value, chosen.label)

    def _line(self) -> Turn | None:
        lines = self.page.lines
        if not lines:
            return None
        number = self.rng.randint(1, len(lines))
        return Turn("line", self._worded(self.words.line, str(number)), lines[number - 1], str(number))

    def _no_line(self) -> Turn:
        number = len(self.page.lines) + self.rng.randint(2, 9)
        return Turn("absent", self._worded(self.words.line, str(number)), ABSENT, str(number))

    def _edge_line(self) -> Turn | None:
        lines = self.page.lines
        if not lines:
            return None
        if self.rng.random() < 0.5:
            return Turn("top", self._worded(self.words.top), lines[0], "1")
        return Turn("line", self._worded(self.words.last_line), lines[-1], str(len(lines)))

    def _word(self) -> Turn | None:
        lines = self.page.lines
        if not lines:
            return None
        number = self.rng.randint(1, len(lines))
        parts = lines[number - 1].split(" ")
        if self.rng.random() < 0.5:
            return Turn("word", self._worded(self.words.first_word, str(number)), parts[0], f"first {number}")
        return Turn("word", self._worded(self.words.last_word, str(number)), parts[-1], f"last {number}")

    def _after(self) -> Turn | None:
        """The rest of a line behind a quoted piece: a look-up by content that every page allows."""
        lines = self.page.lines
        length = self.rng.randint(3, 7)
        long_enough = [line for line in lines if len(line) >= length + 3]
        if not long_enough:
            return None
        line = self.rng.choice(long_enough)
        start = self.rng.randrange(len(line) - length - 1)
        piece, rest = line[start:start + length], line[start + length:].strip()
        text = " ".join(lines)
        if text.find(piece) != text.rfind(piece) or piece != piece.strip() or '"' in piece:
            return None
        return Turn("after", self._worded(self.words.after, piece), rest, piece)

    def _all(self) -> Turn | None:
        text = "\n".join(self.page.lines)
        return Turn("all", self._worded(self.words.all), text or BLANK)

    def _count_lines(self) -> Turn:
        return Turn("count", self._worded(self.words.count_lines), str(len(self.page.lines)), "lines")

    def _count_items(self) -> Turn:
        return Turn("count", self._worded(self.words.count_items), str(len(self.table.rows)), "items")

    def _rows(self) -> list[dict[str, str]]:
        return [dict(zip(self.table.columns, row)) for row in self.table.rows]

    def _price(self) -> Turn:
        row = self.rng.choice(self._rows())
        return Turn("price", self._worded(self.words.price, row["item"]), row["price"], row["item"])

    def _item(self) -> Turn:
        row = self.rng.choice(self._rows())
        return Turn("item", self._worded(self.words.item, row["price"]), row["item"], row["price"])

    def _no_item(self) -> Turn | None:
        """An item or a price that is not listed."""
        text = " ".join(self.page.lines).casefold()
        if self.rng.random() < 0.6:
            name = self.values.goods()
            return None if name.casefold() in text else Turn("absent", self._worded(self.words.price, name), ABSENT,
                                                             name)
        price = self.page.content.money(self.values.cents())
        return None if price.casefold() in text else Turn("absent", self._worded(self.words.item, price), ABSENT, price)

    def _quantity(self) -> Turn:
        row = self.rng.choice(self._rows())
        return Turn("quantity", self._worded(self.words.quantity, row["item"]), row["quantity"], row["item"])

    def _cell(self) -> Turn | None:
        """A cell of a table whose first column names its rows."""
        row = self.rng.randrange(len(self.table.rows))
        column = self.rng.randrange(1, len(self.table.columns))
        cells = self.table.rows[row]
        if self.rng.random() < 0.3:
            same = [r for r in self.table.rows if cells[column] in r]
            if len(same) > 1 or sum(cells[column] == c for c in cells) > 1:
                return None
            return Turn("item", self._worded(self.words.chart_label, cells[column]), cells[0], cells[column])
        return Turn("cell", self._worded(self.words.cell, self.table.heads[column], cells[0]), cells[column], cells[0])

    def _charted(self) -> Turn:
        index = self.rng.randrange(len(self.chart.labels))
        label, printed = self.chart.labels[index], self.chart.printed[index]
        if self.rng.random() < 0.35:
            return Turn("chart", self._worded(self.words.chart_label, printed), label, printed)
        return Turn("chart", self._worded(self.words.chart, label), printed, label)

    def _chart_extreme(self) -> Turn:
        values = self.chart.values
        if self.rng.random() < 0.5:
            return Turn("extreme", self._worded(self.words.chart_highest), self.chart.labels[values.index(max(values))])
        return Turn("extreme", self._worded(self.words.chart_lowest), self.chart.labels[values.index(min(values))])

    def _extreme(self) -> Turn | None:
        amounts, rows = self.table.amounts, self._rows()
        if len(amounts) < 2:
            return None
        high, low = amounts.index(max(amounts)), amounts.index(min(amounts))
        return self.rng.choice((
            Turn("extreme", self._worded(self.words.dearest), rows[high]["item"], "dearest"),
            Turn("extreme", self._worded(self.words.cheapest), rows[low]["item"], "cheapest"),
            Turn("extreme", self._worded(self.words.highest), rows[high]["price"], "highest"),
            Turn("extreme", self._worded(self.words.lowest), rows[low]["price"], "lowest")))

    def _sum(self) -> Turn | None:
        if not 2 <= len(self.table.amounts) <= 4:
            return None
        return Turn("sum", self._worded(self.words.sum), self.page.content.money(sum(self.table.amounts)))

    def _is_there(self) -> Turn:
        key = self.rng.choice(self.keys)
        if self.fields and self.rng.random() < 0.5:
            key = self.rng.choice([k for k in self.fields if k in self.keys] or [key])
        return Turn("yes or no", self._worded(self.words.is_there, self._noun(key)), "yes" if key in self.fields
                    else "no", key)

    def _is_it(self) -> Turn | None:
        known = [f for f in self.fields.values() if f.key in self.keys]
        if not known:
            return None
        chosen = self.rng.choice(known)
        right = self.rng.random() < 0.5
        value = chosen.value if right else self._altered(chosen.value)
        return Turn("yes or no", self._worded(self.words.is_it, self._noun(chosen.key), value), "yes" if right
                    else "no", value)

    def _altered(self, value: str) -> str:
        """Another value of the same form: another one on the page, or one with a digit or letter changed."""
        others = [f.value for f in self.fields.values() if f.value.casefold() != value.casefold()]
        if others and self.rng.random() < 0.3:
            return self.rng.choice(others)
        places = [i for i, c in enumerate(value) if c.isalnum()]
        changed = list(value)
        for place in self.rng.sample(places, min(len(places), self.rng.randint(1, 2))):
            old = value[place]
            letters = "ABCDEFGHIJKLMNOPRSTUVW" if old.isupper() else "abcdefghiklmnoprstuvw"
            pool = "0123456789" if old.isdigit() else letters
            changed[place] = self.rng.choice([c for c in pool if c != old])
        return "".join(changed)

    def _json(self) -> Turn | None:
        known = [k for k in self.fields if k in self.keys]
        if not known:
            return None
        keys = self.rng.sample(known, min(len(known), self.rng.randint(1, 3)))
        missing = [k for k in self.keys if k not in self.fields]
        if missing and self.rng.random() < 0.3:
            keys[self.rng.randrange(len(keys))] = self.rng.choice(missing)
        answer = json.dumps({k: self.fields[k].value if k in self.fields else None for k in keys}, ensure_ascii=False)
        return Turn("json", self._worded(self.words.json, ", ".join(keys)), answer, keys=tuple(keys))
