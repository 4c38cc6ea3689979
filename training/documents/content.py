"""What a document states, before it is laid out: blocks of headings, fields, tables and text, and their wording.

`FIELDS` names every field by its key with the labels that are printed for it.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field

from reader import strings

from .values import Values

FIELDS: dict[str, tuple[str, ...]] = {
    # Receipts and invoices.
    "total": ("Total", "TOTAL", "Amount due", "Grand total", "To pay", "Total due", "TOTAL DUE", "Balance due", "Sum"),
    "subtotal": ("Subtotal", "SUBTOTAL", "Sub-total", "Net", "Net amount", "Goods", "Before tax"),
    "tax": ("Tax", "VAT", "TAX", "Sales tax", "GST", "VAT 20%", "Tax 8%", "VAT 7%"),
    "discount": ("Discount", "DISCOUNT", "Rebate", "Savings", "Coupon"),
    "tip": ("Tip", "Gratuity", "TIP", "Service"),
    "cash": ("Cash", "CASH", "Given", "Tendered", "Received"),
    "change": ("Change", "CHANGE", "Change due", "Returned"),
    "date": ("Date", "DATE", "Issued", "Dated", "Day", "Issue date", "On"),
    "time": ("Time", "TIME", "At", "Hour", "Printed at"),
    "number": ("No.", "Receipt", "Receipt no", "Receipt #", "Bill no", "Ref", "Ref.", "Order", "RECEIPT", "Trans",
               "Doc"),
    "cashier": ("Cashier", "Served by", "Clerk", "CASHIER", "Staff", "Host", "Waiter"),
    "table": ("Table", "TABLE", "Tbl", "Table no"),
    "payment": ("Payment", "Paid by", "Method", "PAYMENT", "Paid with", "Tender", "Pay type"),
    "phone": ("Tel", "Phone", "TEL", "Tel.", "Call", "Ph"),
    "card": ("Card", "Card no", "CARD", "Account"),
    "points": ("Points", "Bonus points", "POINTS", "Rewards"),
    "due": ("Due", "Due date", "Pay by", "Payable by", "DUE DATE"),
    "customer": ("Bill to", "Customer", "Client", "Sold to", "Invoice to", "CUSTOMER"),
    "seller": ("From", "Seller", "Vendor", "Supplier", "Issued by"),
    "po": ("PO", "PO number", "Your order", "P.O. no", "Purchase order"),
    "terms": ("Terms", "Payment terms", "TERMS", "Conditions"),
    "iban": ("Account no", "Bank account", "Acct", "Pay to"),
    # Tickets.
    "price": ("Price", "Fare", "PRICE", "Cost", "Fee", "Amount"),
    "seat": ("Seat", "SEAT", "Seat no", "Place"),
    "row": ("Row", "ROW"),
    "gate": ("Gate", "GATE", "Entrance", "Door"),
    "platform": ("Platform", "Track", "PLATFORM", "Plat."),
    "coach": ("Coach", "Car", "Carriage", "COACH", "Wagon"),
    "origin": ("From", "FROM", "Origin", "Departs"),
    "destination": ("To", "TO", "Destination", "Arrives"),
    "departure": ("Departure", "Dep", "Leaves", "DEP", "Departs at"),
    "arrival": ("Arrival", "Arr", "ARR", "Arrives at"),
    "passenger": ("Passenger", "Name", "NAME", "Guest", "Traveller"),
    "venue": ("Venue", "Hall", "VENUE", "Location", "Stage"),
    "doors": ("Doors", "Doors open", "Entry from", "DOORS"),
    "class": ("Class", "CLASS", "Category", "Cat."),
    "plate": ("Plate", "Vehicle", "Licence plate", "PLATE"),
    "zone": ("Zone", "ZONE", "Area", "Section"),
    "entry": ("Entry", "Entered", "IN", "Start"),
    "exit": ("Exit", "Left", "OUT", "Valid until", "End"),
    "ticket": ("Ticket", "Ticket no", "TICKET", "Ticket #", "Booking", "Code"),
    # Forms and letters.
    "name": ("Name", "Full name", "NAME", "Applicant", "Your name"),
    "birth": ("Born", "Date of birth", "Birth date", "DOB"),
    "address": ("Address", "ADDRESS", "Street", "Home address"),
    "city": ("City", "Town", "CITY", "Place of residence"),
    "email": ("E-mail", "Email", "EMAIL", "Mail"),
    "employer": ("Employer", "Company", "Works at", "EMPLOYER"),
    "job": ("Occupation", "Job", "Position", "Profession"),
    "member": ("Member no", "Member ID", "ID", "Membership", "Customer no"),
    "signed": ("Signed", "Signature", "Signed by"),
    "subject": ("Subject", "Re", "RE", "Regarding", "Concerning"),
    "recipient": ("Dear", "To", "Attn", "Attention"),
    "sender": ("Sincerely", "Regards", "Yours", "Kind regards", "Best wishes"),
    "deadline": ("Deadline",),
    # Headings, printed without a label.
    "shop": (), "title": (), "event": (), "thanks": (),
}
COLUMNS: dict[str, tuple[str, ...]] = {
    "item": ("Item", "Description", "Article", "Product", "ITEM", "Goods", "Name"),
    "quantity": ("Qty", "QTY", "Units", "No", "Pcs", "Count"),
    "unit": ("Each", "Unit price", "Rate", "Unit", "@"),
    "price": ("Price", "Amount", "PRICE", "Total", "Cost", "Sum"),
}
THANKS = ("Thank you!", "Thanks!", "See you soon", "Come again", "Goodbye", "Have a nice day", "THANK YOU",
          "Welcome back", "Enjoy!", "Visit us again", "Please keep this", "Many thanks", "No refunds")
TITLES = ("Application", "Registration", "Membership", "Order form", "Sign-up", "Enrolment", "Booking", "Feedback",
          "Request",
          "Survey", "Claim", "Report", "Visitor", "Subscription", "Entry form", "Permit")
PERIODS = (("Q1", "Q2", "Q3", "Q4"), ("Jan", "Feb", "Mar", "Apr", "May", "Jun"), ("Mon", "Tue", "Wed", "Thu", "Fri"),
           ("2021", "2022", "2023", "2024", "2025"), ("North", "East", "South", "West"), ("A", "B", "C", "D", "E"),
           ("Spring", "Summer", "Autumn", "Winter"))
MEASURES = ("Visits", "Sales", "Points", "Units", "Hours", "Votes", "Goals", "Rain", "Users", "Orders", "Score",
            "Stock",
            "Weight", "Height", "Calls", "Trips", "Costs", "Staff")
PAYMENTS = ("Cash", "Card", "Visa", "Mastercard", "Amex", "Debit", "Voucher", "Credit", "Cheque", "Transfer", "Giro")


@dataclass(frozen=True)
class Field:
    """One statement: `key` names it in questions, `label` is printed with it (none when empty)."""

    key: str
    label: str
    value: str


@dataclass(frozen=True)
class Heading:
    """Short texts, one a line, largest first, each with the key of the field that it is, if any."""

    lines: tuple[tuple[str, str | None], ...]


@dataclass(frozen=True)
class Fields:
    """Statements that belong together. `strong` is the key of the one that may be set larger."""

    fields: tuple[Field, ...]
    strong: str | None = None


@dataclass(frozen=True)
class Table:
    """Columns by key with their printed heads, and rows of cells. `amounts` holds the price of each row in cents."""

    columns: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    amounts: tuple[int, ...] = ()

    def column(self, key: str) -> int:
        return self.columns.index(key)


@dataclass(frozen=True)
class Text:
    """Running text, as sentences, and the statements that are made in it."""

    text: str
    fields: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Chart:
    """A series of labelled values, `printed` as they are written."""

    labels: tuple[str, ...]
    values: tuple[int, ...]
    printed: tuple[str, ...]


Block = Heading | Fields | Table | Text | Chart


@dataclass(frozen=True)
class Content:
    """A document of a `kind`: its blocks in their usual order, and how it writes amounts."""

    kind: str
    blocks: tuple[Block, ...]
    money: Callable[[int], str] = field(repr=False, compare=False, default=str)


def _field(values: Values, key: str, value: str) -> Field:
    return Field(key, values.rng.choice(FIELDS[key]), value)


def _distinct(values: Values, fields: list[Field]) -> list[Field]:
    """Without fields whose label or value another one already has: a question must have one answer."""
    out: list[Field] = []
    for f in fields:
        if not any(f.label.casefold() == o.label.casefold() or f.value.casefold() == o.value.casefold() for o in out):
            out.append(f)
    return out


def _some(rng: random.Random, *fields: tuple[float, Callable[[], Field]]) -> list[Field]:
    """Fields, each with its own probability, in random order."""
    drawn = [draw() for chance, draw in fields if rng.random() < chance]
    rng.shuffle(drawn)
    return drawn


def _priced(values: Values, count: int, draw: Callable[[], str], high: int) -> tuple[list[str], list[int]]:
    """`count` different names and different amounts."""
    names: list[str] = []
    while len(names) < count:
        name = draw()
        if name.casefold() not in (n.casefold() for n in names):
            names.append(name)
    amounts: list[int] = []
    while len(amounts) < count:
        amount = values.cents(20, high)
        if amount not in amounts:
            amounts.append(amount)
    return names, amounts


@dataclass
class _Bill:
    """Names, quantities, unit prices and line totals of goods with the sums that follow, all on one side of the
    split."""

    names: list[str]
    quantities: list[int]
    units: list[int]
    amounts: list[int]
    sums: dict[str, int]


def _bill(values: Values, count: int, draw: Callable[[], str], high: int, quantities: bool, wanted: set[str]) -> _Bill:
    rng = values.rng
    names, units = _priced(values, count, draw, high)
    rate = rng.choice((5, 7, 8, 10, 19, 20))
    counts = [1] * count

    def redraw(row: int) -> None:
        while True:
            units[row] = values.cents(20, high)
            counts[row] = rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 8, 10)) if quantities else 1
            others = {u * q for i, (u, q) in enumerate(zip(units, counts)) if i != row}
            if values.fits(amount := units[row] * counts[row]) and amount not in others:
                return

    for row in range(count):
        redraw(row)
    for attempt in range(10_000):
        if attempt:
            redraw(rng.randrange(count))
        amounts = [u * q for u, q in zip(units, counts)]
        subtotal = sum(amounts)
        sums = {"subtotal": subtotal}
        total = subtotal
        if "tax" in wanted:
            sums["tax"] = subtotal * rate // 100
            total += sums["tax"]
        if "discount" in wanted:
            sums["discount"] = max(5, subtotal * rng.choice((5, 10, 15, 20)) // 100)
            total -= sums["discount"]
        if "tip" in wanted:
            sums["tip"] = max(10, subtotal * rng.choice((10, 15, 20)) // 100)
            total += sums["tip"]
        sums["total"] = total
        if "cash" in wanted:
            note = rng.choice((500, 1000, 2000, 5000))
            sums["cash"] = (total // note + 1) * note
            sums["change"] = sums["cash"] - total
        reductions = [sums[k] for k in ("tax", "discount", "tip") if k in sums]
        if len(set(reductions)) == len(reductions) and values.fits(*(v for k, v in sums.items() if k in wanted)):
            return _Bill(names, counts, units, amounts, {k: v for k, v in sums.items() if k in wanted})
        if values.held_out and attempt % 200 == 199:
            # Few sums of many amounts are held out at once: ask for fewer.
            optional = sorted(wanted - {"total"})
            wanted = wanted - {rng.choice(optional), "cash", "change"} if optional else wanted
    raise RuntimeError(f"no {count} amounts on side {values.held_out} whose {sorted(wanted)} are on it too, "
                       f"written like {values.money(1234)}")


def receipt(values: Values, rows: int) -> Content:
    """A shop's or restaurant's receipt of about `rows` printed rows."""
    rng = values.rng
    count = max(1, min(rng.randint(1, 7), rows - 2))
    room = rows - count
    wanted = {"total"} if room > 1 and rng.random() < 0.92 else set()
    if room > 4:
        wanted |= {key for key, chance in (("subtotal", 0.4), ("tax", 0.4), ("discount", 0.08), ("tip", 0.08))
                   if rng.random() < chance}
        if rng.random() < 0.15 and "total" in wanted:
            wanted |= {"cash", "change"}
    quantities = rng.random() < 0.3
    bill = _bill(values, count, values.goods, rng.choice((1000, 3000, 10_000)), quantities, wanted)
    money = values.money

    head: list[tuple[str, str | None]] = []
    if rng.random() < 0.9:
        head.append((values.company(), "shop"))
    if room > 6 and rng.random() < 0.35:
        head.append((values.address(), "address"))
    if room > 6 and rng.random() < 0.2:
        head.append((values.town(), "city"))
    meta = _some(
        rng, (0.8, lambda: _field(values, "date", values.date())),
        (0.45, lambda: _field(values, "time", values.time())),
        (0.6, lambda: _field(values, "number", values.number())),
        (0.3, lambda: _field(values, "cashier", values.first_name())),
        (0.12, lambda: _field(values, "table", str(rng.randint(1, 60)))),
        (0.25, lambda: _field(values, "phone", values.phone())))
    meta = _distinct(values, meta)[:max(0, room - len(head) - len(wanted))]
    sums = [_field(values, key, ("-" if key == "discount" and rng.random() < 0.5 else "") + money(bill.sums[key]))
            for key in ("subtotal", "discount", "tax", "tip", "total", "cash", "change") if key in bill.sums]
    foot = []
    if "cash" not in bill.sums and rng.random() < 0.5:
        foot.append(_field(values, "payment", values.chosen(*PAYMENTS)))
    if rng.random() < 0.12:
        foot.append(_field(values, "card", values.card()))
    if rng.random() < 0.1:
        foot.append(_field(values, "points", values.count(1, 400)))
    foot = _distinct(values, [*meta, *sums, *foot])[len(meta) + len(sums):] if foot else []
    blocks: list[Block] = []
    if head:
        blocks.append(Heading(tuple(head)))
    if meta:
        blocks.append(Fields(tuple(meta)))
    blocks.append(_goods_table(values, bill, quantities))
    if sums:
        blocks.append(Fields(tuple(sums), "total"))
    if foot:
        blocks.append(Fields(tuple(foot)))
    if rng.random() < 0.4:
        blocks.append(Heading(((rng.choice(THANKS), "thanks"),)))
    return Content("receipt", tuple(blocks), money)


def _goods_table(values: Values, bill: _Bill, quantities: bool) -> Table:
    rng, money = values.rng, values.money
    columns = ["item", "price"]
    cells = {"item": bill.names, "price": [money(a) for a in bill.amounts],
             "quantity": [str(q) for q in bill.quantities],
             "unit": [money(u) for u in bill.units]}
    if quantities:
        columns = rng.choice((["quantity", "item", "price"], ["item", "quantity", "price"]))
        if rng.random() < 0.25:
            columns.insert(columns.index("price"), "unit")
    heads = tuple(rng.choice(COLUMNS[c]) for c in columns)
    if len({h.casefold() for h in heads}) < len(heads):
        heads = tuple(COLUMNS[c][0] for c in columns)
    return Table(tuple(columns), heads, tuple(zip(*(cells[c] for c in columns))), tuple(bill.amounts))


def ticket(values: Values, rows: int) -> Content:
    """A ticket to a show, for a train, or for parking, of about `rows` printed rows."""
    return values.rng.choice((_show_ticket, _train_ticket, _parking_ticket))(values, rows)


def _show_ticket(values: Values, rows: int) -> Content:
    rng = values.rng
    head: list[tuple[str, str | None]] = [(values.show(), "event")]
    if rows > 5 and rng.random() < 0.5:
        head.append((values.company(), "shop"))
    fields = _some(
        rng, (0.9, lambda: _field(values, "date", values.date())), (0.6, lambda: _field(values, "time", values.time())),
        (0.35, lambda: _field(values, "venue", values.company(14))),
        (0.5, lambda: _field(values, "row", values.code())),
        (0.6, lambda: _field(values, "seat", values.code())), (0.35, lambda: _field(values, "gate", values.code())),
        (0.6, lambda: _field(values, "price", values.money(values.cents(300, 20_000)))),
        (0.5, lambda: _field(values, "ticket", values.number())),
        (0.3, lambda: _field(values, "passenger", values.person(14))),
        (0.2, lambda: _field(values, "doors", values.time())), (0.2, lambda: _field(values, "class", values.code())))
    return _ticket(values, rows, head, fields)


def _train_ticket(values: Values, rows: int) -> Content:
    rng = values.rng
    head: list[tuple[str, str | None]] = [(values.company(), "shop")] if rng.random() < 0.7 else []
    fields = _some(
        rng, (1.0, lambda: _field(values, "origin", values.town())),
        (1.0, lambda: _field(values, "destination", values.town())),
        (0.8, lambda: _field(values, "date", values.date())), (0.7, lambda: _field(values, "departure", values.time())),
        (0.4, lambda: _field(values, "arrival", values.time())),
        (0.4, lambda: _field(values, "platform", values.code())),
        (0.5, lambda: _field(values, "coach", values.code())), (0.5, lambda: _field(values, "seat", values.code())),
        (0.6, lambda: _field(values, "price", values.money(values.cents(200, 30_000)))),
        (0.3, lambda: _field(values, "passenger", values.person(14))),
        (0.4, lambda: _field(values, "ticket", values.number())),
        (0.2, lambda: _field(values, "class", values.code())))
    if rng.random() < 0.7:
        # Where from and where to usually come first, in this order.
        fields.sort(key=lambda f: {"origin": 0, "destination": 1}.get(f.key, 2))
    return _ticket(values, rows, head, fields)


def _parking_ticket(values: Values, rows: int) -> Content:
    rng = values.rng
    head: list[tuple[str, str | None]] = [(values.company(), "shop")]
    fields = _some(
        rng, (0.8, lambda: _field(values, "date", values.date())),
        (0.8, lambda: _field(values, "entry", values.time())),
        (0.7, lambda: _field(values, "exit", values.time())), (0.7, lambda: _field(values, "plate", values.plate())),
        (0.5, lambda: _field(values, "zone", values.code())),
        (0.8, lambda: _field(values, "price", values.money(values.cents(50, 6000)))),
        (0.5, lambda: _field(values, "ticket", values.number())),
        (0.3, lambda: _field(values, "payment", values.chosen(*PAYMENTS))),
        (0.2, lambda: _field(values, "phone", values.phone())))
    return _ticket(values, rows, head, fields)


def _ticket(values: Values, rows: int, head: list[tuple[str, str | None]], fields: list[Field]) -> Content:
    rng = values.rng
    fields = _distinct(values, fields)[:max(1, rows - len(head))]
    blocks: list[Block] = [Heading(tuple(head))] if head else []
    cut = rng.randint(1, len(fields)) if len(fields) > 3 and rng.random() < 0.6 else len(fields)
    blocks += [Fields(tuple(part)) for part in (fields[:cut], fields[cut:]) if part]
    if rows > 5 and rng.random() < 0.25:
        blocks.append(Heading(((rng.choice(THANKS), "thanks"),)))
    return Content("ticket", tuple(blocks), values.money)


def invoice(values: Values, rows: int) -> Content:
    """A bill for goods or services, of about `rows` printed rows."""
    rng, money = values.rng, values.money
    count = max(1, min(rng.randint(1, 5), rows - 4))
    room = rows - count
    wanted = {"total"} | {key for key, chance in (("subtotal", 0.5), ("tax", 0.5), ("discount", 0.1))
                          if room > 6 and rng.random() < chance}
    quantities = rng.random() < 0.5
    bill = _bill(values, count, values.service, 30_000, quantities, wanted)
    head: list[tuple[str, str | None]] = [(values.company(), "shop")] if rng.random() < 0.8 else []
    if rng.random() < 0.6 or not head:
        word = rng.choice(("INVOICE", "Invoice", "Bill", "TAX INVOICE", "Statement"))
        head.insert(rng.randint(0, len(head)), (word, None))
    meta = _some(
        rng, (0.9, lambda: _field(values, "number", values.number())),
        (0.9, lambda: _field(values, "date", values.date())),
        (0.5, lambda: _field(values, "due", values.date())),
        (0.6, lambda: _field(values, "customer", rng.choice((values.person, values.company))(16))),
        (0.2, lambda: _field(values, "seller", values.company(16))),
        (0.25, lambda: _field(values, "po", values.number())))
    meta = _distinct(values, meta)[:max(1, room - len(head) - len(wanted) - 1)]
    sums = [_field(values, key, money(bill.sums[key])) for key in ("subtotal", "discount", "tax", "total")
            if key in bill.sums]
    foot = _some(rng, (0.3, lambda: _field(values, "iban", values.number())),
                 (0.2, lambda: _field(values, "phone", values.phone())),
                 (0.2, lambda: _field(values, "terms", f"{rng.choice((7, 10, 14, 30, 60))} days")))
    foot = _distinct(values, [*meta, *sums, *foot])[len(meta) + len(sums):] if room > 8 else []
    blocks: list[Block] = [Heading(tuple(head)), *((Fields(tuple(meta)),) if meta else ()),
                           _goods_table(values, bill, quantities), Fields(tuple(sums), "total")]
    if foot:
        blocks.append(Fields(tuple(foot)))
    return Content("invoice", tuple(blocks), money)


def form(values: Values, rows: int) -> Content:
    """A form that is filled in, of about `rows` printed rows."""
    rng = values.rng
    title = values.chosen(*TITLES)
    fields = _some(
        rng, (1.0, lambda: _field(values, "name", values.person())),
        (0.5, lambda: _field(values, "birth", values.date())),
        (0.5, lambda: _field(values, "address", values.address())),
        (0.5, lambda: _field(values, "city", values.town())),
        (0.5, lambda: _field(values, "phone", values.phone())), (0.4, lambda: _field(values, "email", values.email())),
        (0.4, lambda: _field(values, "employer", values.company(16))),
        (0.4, lambda: _field(values, "job", values.chosen(
            "Teacher", "Nurse", "Baker", "Driver", "Engineer", "Cook", "Clerk", "Painter", "Farmer", "Pilot", "Lawyer",
            "Tailor"))),
        (0.5, lambda: _field(values, "member", values.number())), (0.4, lambda: _field(values, "date", values.date())),
        (0.3, lambda: _field(values, "signed", values.person(14))))
    fields = _distinct(values, fields)[:max(1, rows - 1)]
    title = title.upper() if rng.random() < 0.3 else title
    blocks: list[Block] = [Heading(((title, "title"),))] if rng.random() < 0.85 else []
    cut = rng.randint(1, len(fields)) if rng.random() < 0.5 else len(fields)
    return Content("form", tuple([*blocks, *(Fields(tuple(part)) for part in (fields[:cut], fields[cut:]) if part)]),
                   values.money)


def letter(values: Values, rows: int) -> Content:
    """A short letter with a statement or two in its text, of about `rows` printed rows."""
    rng, money = values.rng, values.money
    said: list[tuple[str, tuple[Field, ...]]] = []
    amount, when, day, town, phone, person, thing = (money(values.cents(500, 50_000)), values.time(), values.date(),
                                                     values.town(),
                                                     values.phone(), values.person(14), values.goods().lower())
    sentences = [
        (f"Please pay {amount} by {day}.", (Field("total", "", amount), Field("due", "", day))),
        (f"We meet at {when} in {town}.", (Field("time", "", when), Field("city", "", town))),
        (f"Please call {phone}.", (Field("phone", "", phone),)),
        (f"Your order of {thing} has left {town}.", (Field("city", "", town),)),
        (f"The bill of {amount} is paid.", (Field("total", "", amount),)),
        (f"We open at {when} on {day}.", (Field("time", "", when), Field("due", "", day))),
        (f"My new number is {phone}.", (Field("phone", "", phone),)),
        (f"The {thing} did not arrive.", ()),
        (f"{person} will write to you soon.", ()),
        ("Thank you for your help.", ()),
        ("It was good to see you.", ())]
    rng.shuffle(sentences)
    stated: set[str] = set()
    for text, fields in sentences:
        if len(said) < max(1, rows // 3) and not stated & {f.key for f in fields}:
            said.append((text, fields))
            stated |= {f.key for f in fields}
    recipient, sender = values.person(14), values.person(14)
    blocks: list[Block] = []
    if rng.random() < 0.5:
        blocks.append(Heading(((values.company(), "shop"),)))
    meta = _some(rng, (0.7, lambda: _field(values, "date", values.date())),
                 (0.5, lambda: _field(values, "subject", rng.choice((values.service, values.show))(16))))
    if meta:
        blocks.append(Fields(tuple(_distinct(values, meta))))
    greeting = rng.choice(("Dear", "Dear", "Hello", "Hi"))
    close = rng.choice(("Sincerely,", "Regards,", "Yours,", "Kind regards,", "Best wishes,"))
    blocks += [Text(f"{greeting} {recipient},", (Field("recipient", "", recipient),)),
               Text(" ".join(text for text, _ in said), tuple(f for _, fields in said for f in fields)),
               Text(f"{close} {sender}", (Field("sender", "", sender),))]
    return Content("letter", tuple(blocks), money)


def price_list(values: Values, rows: int) -> Content:
    """A menu or list of prices, of about `rows` printed rows."""
    rng, money = values.rng, values.money
    head: list[tuple[str, str | None]] = [(values.company(), "shop")] if rng.random() < 0.7 else []
    if rng.random() < 0.5:
        head.append((rng.choice(("Menu", "Prices", "PRICE LIST", "Today", "Specials", "Catalogue", "Our prices")),
                     None))
    count = max(2, min(9, rows - len(head)))
    names, amounts = _priced(values, count, rng.choice((values.goods, values.service)), rng.choice((2000, 10_000)))
    heads = (rng.choice(COLUMNS["item"]), rng.choice(("Price", "PRICE", "Cost", "Each")))
    table = Table(("item", "price"), heads, tuple(zip(names, map(money, amounts))), tuple(amounts))
    return Content("price list", (*((Heading(tuple(head)),) if head else ()), table), money)


def _series(values: Values) -> tuple[str, ...]:
    """Names of rows or columns that belong together, or invented ones."""
    rng = values.rng
    if not values.held_out and rng.random() < 0.45:
        return tuple(name for name in rng.choice(PERIODS) if values.suits(name))
    drawn: list[str] = []
    while len(drawn) < 6:
        name = rng.choice((values.town, values.first_name, lambda: values.goods(9)))()
        if name not in drawn:
            drawn.append(name)
    return tuple(drawn)


def table(values: Values, rows: int) -> Content:
    """A table of numbers with named rows and columns, of about `rows` printed rows."""
    rng = values.rng
    names = _series(values)[:max(2, min(rng.randint(2, 6), rows - 2))]
    across = rng.sample(MEASURES, rng.randint(1, 3))
    high = rng.choice((99, 999, 9999))
    seen: set[str] = set()
    cells = []
    for name in names:
        row = [name]
        while len(row) <= len(across):
            cell = values.count(1, high)
            if cell not in seen:
                seen.add(cell)
                row.append(cell)
        cells.append(tuple(row))
    head = rng.choice(("", "Name", "Place", "Who", "Group"))
    made = Table(("name", *(f"value {i}" for i in range(len(across)))), (head, *across), tuple(cells))
    blocks: list[Block] = [Heading(((values.show(), "title"),))] if rng.random() < 0.7 else []
    blocks.append(made)
    if rng.random() < 0.3:
        blocks.append(Fields((_field(values, "date", values.date()),)))
    return Content("table", tuple(blocks), values.money)


def chart(values: Values, rows: int) -> Content:
    """A bar, line or pie chart's series with its title."""
    rng = values.rng
    labels = _series(values)[:rng.randint(3, 5)]
    unit = rng.choice(("", "", "", "%", "k"))
    high = rng.choice((20, 99, 99, 99 if unit == "%" else 999))
    drawn: list[int] = []
    while len(drawn) < len(labels):
        value = rng.randint(1, high)
        if value not in drawn and values.suits(f"{value}{unit}"):
            drawn.append(value)
    blocks: list[Block] = [Heading(((values.show(), "title"),))] if rng.random() < 0.8 else []
    return Content("chart", (*blocks, Chart(labels, tuple(drawn), tuple(f"{v}{unit}" for v in drawn))), values.money)


def scattered(values: Values, rows: int) -> Content:
    """Strings of every character, as running text: for learning to recognise characters, without facts."""
    words: list[str] = []
    while sum(map(len, words)) < 14 * rows:
        words += [w for w in strings.draw_string(values.rng, 14).split(" ") if values.suits(w)]
    return Content("scattered", (Text(" ".join(words)),), values.money)
