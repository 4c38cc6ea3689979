"""What documents are filled with: goods, names, amounts, dates, numbers, each from the wanted side of the split."""

import random
import zlib
from collections.abc import Callable
from datetime import date, timedelta

from reader import strings

HELD_OUT_IN = 10  # one value in ten is held out
SHORTEST_SPLIT = 3

_GOODS = """Apples Apricots Bagel Baguette Bananas Basil Batteries Beans Beer Belt Biscuits Blanket Bolts Bookmark
Brownie Brush Bulb Burger Burrito Butter Cable Candle Cappuccino Carrots Ceramic Charger Cheddar Cherries Chips
Chocolate Cider Cleaner Coaster Cocoa Cola Comb Cookies Corn Cream Croissant Cucumber Cushion Detergent Donut Drill
Dumplings Eggs Envelope Eraser Espresso Falafel Feta Figs Filter Flour Foil Fork Fuse Garlic Ginger Glue Granola Grapes
Gravy Hammer Hinge Honey Hummus Jam Juice Kale Kettle Ketchup Kiwi Lamp Latte Lemons Lentils Lettuce Magazine Mango Map
Marker Matches Melon Milk Mint Mocha Muesli Muffin Mug Mushrooms Mustard Nachos Nails Napkins Noodles Notebook Nuts Oats
Olives Omelette Onions Oranges Paint Pan Pancakes Paprika Pasta Peaches Pears Peas Pen Pencil Pepper Pickles Pie Pizza
Plant Plums Popcorn Porridge Poster Potatoes Pretzel Radish Raisins Ravioli Razor Ribbon Rice Roll Rope Ruler Sage Salad
Salami Salmon Salt Sandwich Scarf Scone Screws Seeds Shampoo Shrimp Smoothie Soap Socks Soda Soup Spinach Sponge Spoon
Stamps Stapler Steak Sticker Sugar Sushi Taco Tape Tea Thread Thyme Tissues Toast Tofu Tomatoes Towel Tuna Twine
Umbrella Vanilla Vinegar Waffle Walnuts Watch Water Wax Whisk Wine Wrap Yeast Yogurt Zipper""".split()
_QUALITIES = """aged baked big black blue brown classic cold crispy dark double dried extra fresh fried green grilled
hot iced large light local mild mini mixed new old organic pickled plain purple raw red roasted salted single small
smoked soft sour spicy steamed sweet thick thin toasted vegan warm white whole wild yellow""".split()
_SERVICES = """Audit Assembly Backup Binding Cabling Cleaning Coaching Consulting Copying Courier Design Delivery
Editing Engraving Fitting Framing Gardening Haircut Hosting Inspection Installation Insurance Labour Laundry Lesson
Licence Massage Mounting Painting Parking Polishing Printing Rental Repair Research Review Scanning Service Setup
Shipping Storage Support Survey Testing Towing Training Translation Transport Tuning Upgrade Valet Welding
Workshop""".split()
_TRADES = """Bakery Bar Bazaar Bistro Books Cafe Cellar Cinema Clinic Co Corner Deli Diner Express Farm Foods Garage
Garden Grill Grocery Group Hall House Inn Kitchen Ltd Market Mart Motors Outlet Pharmacy Place Press Shop Station Store
Studio Supplies Tavern Theatre Tools Traders Wares Works""".split()
_STREETS = "Street St Road Rd Lane Avenue Ave Way Square Court Drive Hill Row Place Terrace Walk".split()
_TOWNS = """Ashford Bergen Bristol Calais Cardiff Cologne Cork Delft Dover Dresden Dublin Exeter Florence Geneva Ghent
Glasgow Graz Hull Kiel Leeds Leiden Lille Lisbon Lucerne Lyon Madrid Malmo Milan Munich Nantes Naples Newport Norwich
Oslo Oxford Parma Perth Porto Prague Reading Riga Seville Siena Split Turin Uppsala Utrecht Valencia Verona Vienna
Warsaw York Zurich""".split()
_SHOWS = """Aurora Ballad Blizzard Carmen Comet Concert Derby Echoes Festival Final Gala Hamlet Harvest Horizon Illusion
Jazz Jubilee Lanterns Legends Macbeth Marathon Match Midnight Mirage Musical Nocturne Odyssey Opera Orbit Parade Quartet
Recital Requiem Rhapsody Serenade Sonata Storm Swan Symphony Tempest Tosca Voyage Waltz Winter""".split()
_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
_LONG_MONTHS = """January February March April May June July August September October November December""".split()
_DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()
_LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
_FIRST_DAY, _DAYS_SPANNED = date(2001, 1, 1), 365 * 39

DATE_FORMATS: tuple[Callable[[date], str], ...] = (
    lambda d: f"{d.day:02}/{d.month:02}/{d.year}",
    lambda d: f"{d.month:02}/{d.day:02}/{d.year % 100:02}",
    lambda d: d.isoformat(),
    lambda d: f"{d.day:02}.{d.month:02}.{d.year}",
    lambda d: f"{d.day}.{d.month}.{d.year % 100:02}",
    lambda d: f"{d.day} {_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{_MONTHS[d.month - 1]} {d.day}, {d.year}",
    lambda d: f"{d.day} {_LONG_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{_DAYS[d.weekday()]} {d.day} {_MONTHS[d.month - 1]} {d.year}",
    lambda d: f"{d.day:02}-{_MONTHS[d.month - 1].upper()}-{d.year % 100:02}",
)


def _grouped(cents: int) -> str:
    return f"{cents / 100:,.2f}"


MONEY_FORMATS: tuple[Callable[[int], str], ...] = (
    lambda c: f"{c // 100}.{c % 100:02}",
    lambda c: f"${_grouped(c)}",
    lambda c: f"£{_grouped(c)}",
    lambda c: f"€{_grouped(c)}",
    lambda c: f"{c // 100},{c % 100:02}",
    lambda c: f"{c // 100},{c % 100:02} €",
    lambda c: f"{c // 100}.{c % 100:02} EUR",
    lambda c: f"USD {_grouped(c)}",
    lambda c: f"CHF {c // 100}.{c % 100:02}",
)


def is_held_out(text: str) -> bool:
    """Whether a value belongs to the held-out side: a tenth of all, by hash. Too short a value belongs to both."""
    return len(text) >= SHORTEST_SPLIT and zlib.crc32(text.casefold().encode()) % HELD_OUT_IN == 0


def on_side(text: str, held_out: bool) -> bool:
    return len(text) < SHORTEST_SPLIT or is_held_out(text) == held_out


class Values:
    """Draws values of one side, in the formats of one document."""

    def __init__(self, rng: random.Random, held_out: bool) -> None:
        self.rng, self.held_out = rng, held_out
        self.written_date = rng.choice(DATE_FORMATS)
        self.money = rng.choices(MONEY_FORMATS, weights=(5, 5, 3, 3, 2, 2, 1, 1, 1))[0]
        self.shouted = rng.random() < 0.12

    def _drawn(self, draw: Callable[[], str], longest: int = 99) -> str:
        while True:
            text = draw()
            if len(text) <= longest and self.suits(text):
                return text

    def suits(self, text: str) -> bool:
        return on_side(text, self.held_out)

    def fits(self, *amounts: int) -> bool:
        """Whether amounts, as they are printed, all belong to this side."""
        return all(self.suits(self.money(a)) for a in amounts)

    def invented(self, syllables: int | None = None) -> str:
        return self._drawn(lambda: strings.invented(self.rng, syllables).capitalize(), 10)

    def _cased(self, text: str) -> str:
        return text.upper() if self.shouted else text

    def goods(self, longest: int = 16) -> str:
        """Something for sale; a third of the names are invented, so that reading cannot become guessing."""
        def draw() -> str:
            rng, kind = self.rng, self.rng.random()
            if kind < 0.3:
                return rng.choice(_GOODS)
            if kind < 0.6:
                return f"{rng.choice(_QUALITIES).capitalize()} {rng.choice(_GOODS).lower()}"
            if kind < 0.72:
                return f"{rng.choice(_GOODS)} {rng.choice(('', 'no. '))}{rng.randint(1, 99)}"
            if kind < 0.88:
                return strings.invented(rng).capitalize()
            return f"{strings.invented(rng, 2).capitalize()} {rng.choice(_GOODS).lower()}"
        return self._cased(self._drawn(draw, longest))

    def service(self, longest: int = 16) -> str:
        def draw() -> str:
            rng, kind = self.rng, self.rng.random()
            if kind < 0.4:
                return rng.choice(_SERVICES)
            if kind < 0.7:
                return f"{rng.choice(_SERVICES)} {rng.choice(_LETTERS)}{rng.randint(1, 9)}"
            return f"{strings.invented(rng, 2).capitalize()} {rng.choice(_SERVICES).lower()}"
        return self._drawn(draw, longest)

    def person(self, longest: int = 18) -> str:
        def draw() -> str:
            rng = self.rng
            first = rng.choice(strings.FIRST_NAMES) if rng.random() < 0.6 else strings.invented(rng, 2).capitalize()
            last = rng.choice(strings.LAST_NAMES) if rng.random() < 0.6 else strings.invented(rng).capitalize()
            return rng.choice((f"{first} {last}", f"{first} {last}", f"{first[0]}. {last}", f"{first} {last[0]}."))
        return self._drawn(draw, longest)

    def first_name(self) -> str:
        rng = self.rng
        return self._drawn(lambda: rng.choice(strings.FIRST_NAMES) if rng.random() < 0.5
                           else strings.invented(rng, 2).capitalize(), 9)

    def company(self, longest: int = 18) -> str:
        def draw() -> str:
            rng, kind = self.rng, self.rng.random()
            word = rng.choice(strings.WORDS).capitalize() if rng.random() < 0.5 else strings.invented(rng).capitalize()
            if kind < 0.55:
                return f"{word} {rng.choice(_TRADES)}"
            if kind < 0.7:
                return f"{word} & {rng.choice(strings.LAST_NAMES)}"
            if kind < 0.85:
                return f"{rng.choice(strings.FIRST_NAMES)}'s {rng.choice(_TRADES)}"
            return word
        text = self._drawn(draw, longest)
        return text.upper() if self.rng.random() < 0.3 else text

    def address(self) -> str:
        def draw() -> str:
            rng = self.rng
            name = rng.choice(strings.WORDS).capitalize() if rng.random() < 0.6 else strings.invented(rng,
                                                                                                      2).capitalize()
            number, street = rng.randint(1, 299), rng.choice(_STREETS)
            return rng.choice((f"{number} {name} {street}", f"{number} {name} {street}", f"{name} {street} {number}"))
        return self._drawn(draw, 20)

    def town(self) -> str:
        rng = self.rng
        return self._drawn(lambda: rng.choice(_TOWNS) if rng.random() < 0.6
                           else strings.invented(rng, 2).capitalize(), 10)

    def show(self, longest: int = 18) -> str:
        def draw() -> str:
            rng, kind = self.rng, self.rng.random()
            word = rng.choice(_SHOWS)
            other = strings.invented(rng,
                                     2).capitalize() if rng.random() < 0.6 else rng.choice(strings.WORDS).capitalize()
            if kind < 0.3:
                return f"{other} {word}"
            if kind < 0.5:
                return f"The {other}"
            if kind < 0.7:
                return f"{word} {rng.randint(1, 99)}"
            return f"{word} of {other}"
        text = self._drawn(draw, longest)
        return text.upper() if self.rng.random() < 0.3 else text

    def date(self) -> str:
        return self._drawn(lambda: self.written_date(_FIRST_DAY + timedelta(days=self.rng.randrange(_DAYS_SPANNED))))

    def time(self) -> str:
        rng = self.rng
        style = rng.random()

        def draw() -> str:
            hour, minute = rng.randint(0, 23), rng.randint(0, 59)
            if style < 0.7:
                return f"{hour:02}:{minute:02}"
            if style < 0.85:
                return f"{(hour + 11) % 12 + 1}:{minute:02} {'am' if hour < 12 else 'pm'}"
            return f"{hour:02}.{minute:02}"
        return self._drawn(draw)

    def number(self) -> str:
        def draw() -> str:
            rng = self.rng
            n = rng.randrange(10**8)
            letter, other = rng.choice(_LETTERS), rng.choice(_LETTERS)
            return rng.choice((
                f"{n % 10**4:04}", f"{n % 10**5:05}", f"{n % 10**6:06}", f"{n:08}", f"#{n % 10**4:04}", f"#{n % 10**3}",
                f"{letter}-{n % 10**4:04}", f"{letter}{n % 10**5:05}", f"{letter}{other}{n % 10**3:03}",
                f"{n % 10**4:04}-{n % 89 + 10}", f"{n % 10**4:04}/{n % 89 + 10}", f"{letter}{other}-{n % 10**5}"))
        return self._drawn(draw)

    def phone(self) -> str:
        def draw() -> str:
            a, b, c = self.rng.randint(10, 999), self.rng.randint(100, 999), self.rng.randint(1000, 9999)
            return self.rng.choice((f"{a:03}-{c}", f"0{a:02} {c}", f"({a:03}) {b}-{c}", f"+{a % 90 + 10} {b} {c}",
                                    f"555-{c}", f"0{a:03} {b}{c % 100:02}"))
        return self._drawn(draw)

    def email(self) -> str:
        rng = self.rng
        return self._drawn(lambda: f"{rng.choice(strings.FIRST_NAMES).lower()}@{strings.invented(rng, 2)}."
                           f"{rng.choice(('com', 'net', 'org', 'eu'))}", 20)

    def card(self) -> str:
        return self._drawn(lambda: f"{self.rng.choice(('****', 'xxxx ', '...'))}{self.rng.randint(0, 9999):04}")

    def count(self, low: int, high: int) -> str:
        return self._drawn(lambda: str(self.rng.randint(low, high)))

    def plate(self) -> str:
        rng = self.rng
        return self._drawn(lambda: f"{rng.choice(_LETTERS)}{rng.choice(_LETTERS)} {rng.randint(10, 9999)}")

    def code(self) -> str:
        """A place in a hall or a train: a letter, a number, or both."""
        rng = self.rng
        return self._drawn(lambda: rng.choice((f"{rng.randint(1, 60)}", f"{rng.choice(_LETTERS)}{rng.randint(1, 40)}",
                                               f"{rng.randint(1, 40)}{rng.choice(_LETTERS)}", rng.choice(_LETTERS))))

    def chosen(self, *options: str) -> str:
        """One of a few words that both sides share, such as a method of payment, or an invented one."""
        if self.held_out or self.rng.random() < 0.25:
            return self._drawn(lambda: strings.invented(self.rng).capitalize(), 10)
        return self._drawn(lambda: self.rng.choice(options))

    def cents(self, low: int = 20, high: int = 9999) -> int:
        """An amount whose printed form belongs to this side; small ones are more frequent."""
        while True:
            top = self.rng.choice((high, max(low + 80, high // 5), max(low + 80, high // 10)))
            amount = self.rng.randint(low, min(top, high))
            if self.rng.random() < 0.3:
                amount = amount // 100 * 100 + self.rng.choice((0, 50, 95, 99))
            if amount >= low and self.fits(amount):
                return amount
