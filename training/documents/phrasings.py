"""How questions are worded, on two sides: no wording of one side is found on the other.

`{}` stands for what is asked about; a second `{}` for what it is compared with.
"""

from dataclasses import dataclass

ABSENT, BLANK, ILLEGIBLE = "not on this page", "(blank)", "(illegible)"

# What a field is called in questions.
NOUNS: dict[str, tuple[str, ...]] = {
    "total": ("total", "total amount", "amount to pay"), "subtotal": ("subtotal", "net amount"), "tax": ("tax", "VAT"),
    "discount": ("discount",), "tip": ("tip",), "cash": ("cash given",), "change": ("change",), "date": ("date",),
    "time": ("time",), "number": ("number", "document number"), "cashier": ("cashier",), "table": ("table number",),
    "payment": ("payment method",), "phone": ("phone number",), "card": ("card number",), "points": ("bonus points",),
    "due": ("due date",), "customer": ("customer",), "seller": ("seller",), "po": ("order number",),
    "terms": ("terms",),
    "iban": ("bank account",), "price": ("price", "fare"), "seat": ("seat",), "row": ("row of the seat",),
    "gate": ("gate",),
    "platform": ("platform",), "coach": ("coach",), "origin": ("place of departure", "origin"),
    "destination": ("destination",), "departure": ("departure time",), "arrival": ("arrival time",),
    "passenger": ("passenger", "name of the passenger"), "venue": ("venue",), "doors": ("time the doors open",),
    "class": ("class",), "plate": ("licence plate",), "zone": ("zone",), "entry": ("time of entry",),
    "exit": ("time of exit",), "ticket": ("ticket number",), "name": ("name",), "birth": ("date of birth",),
    "address": ("address",), "city": ("town",), "email": ("e-mail address",), "employer": ("employer",),
    "job": ("occupation",), "member": ("member number",), "signed": ("signature",), "subject": ("subject",),
    "recipient": ("recipient",), "sender": ("sender",), "shop": ("shop", "name of the shop"), "title": ("title",),
    "event": ("event", "name of the event"),
}


@dataclass(frozen=True)
class Wordings:
    """Wordings of one side, by type of question; `fields` has more of them for single fields."""

    field: tuple[str, ...]
    fields: dict[str, tuple[str, ...]]
    beside: tuple[str, ...]
    price: tuple[str, ...]
    item: tuple[str, ...]
    quantity: tuple[str, ...]
    cell: tuple[str, ...]
    line: tuple[str, ...]
    last_line: tuple[str, ...]
    first_word: tuple[str, ...]
    last_word: tuple[str, ...]
    top: tuple[str, ...]
    after: tuple[str, ...]
    all: tuple[str, ...]
    count_items: tuple[str, ...]
    count_lines: tuple[str, ...]
    dearest: tuple[str, ...]
    cheapest: tuple[str, ...]
    highest: tuple[str, ...]
    lowest: tuple[str, ...]
    sum: tuple[str, ...]
    is_there: tuple[str, ...]
    is_it: tuple[str, ...]
    json: tuple[str, ...]
    chart: tuple[str, ...]
    chart_label: tuple[str, ...]
    chart_highest: tuple[str, ...]
    chart_lowest: tuple[str, ...]


TRAINING = Wordings(
    field=("What is the {}?", "What is the {}?", "{}?", "Give the {}.", "Read the {}.", "Which {} is printed?",
           "Tell me the {}.", "Find the {}."),
    fields={
        "total": ("How much is the total?", "How much is to be paid?", "How much is it in total?"),
        "tax": ("How much is the tax?",), "subtotal": ("How much is it before tax?",), "tip": ("How much is the tip?",),
        "date": ("When was this printed?", "On which date is it?"), "time": ("At what time was it printed?",),
        "shop": ("Which shop is this from?", "What is the shop called?"), "cashier": ("Who is the cashier?",),
        "payment": ("How was it paid?",), "event": ("What is the ticket for?",), "price": ("How much is the ticket?",),
        "seat": ("Which seat is it?",), "origin": ("Where does it start?",), "destination": ("Where does it go?",),
        "departure": ("When does it leave?",), "arrival": ("When does it arrive?",),
        "passenger": ("Who is the passenger?",),
        "due": ("When is it due?",), "customer": ("Who is the customer?",), "seller": ("Who is the seller?",),
        "sender": ("Who wrote this?",), "recipient": ("Who is this to?",), "subject": ("What is this about?",),
    },
    beside=('What stands beside "{}"?', 'What is the value of "{}"?', 'Read what belongs to "{}".'),
    price=("How much is {}?", "What does {} cost?", "What is the price of {}?", 'Price of "{}"?', 'How much is "{}"?'),
    item=("Which item costs {}?", "What costs {}?", 'Which item has the price "{}"?'),
    quantity=("How many {} are there?", 'What is the quantity of "{}"?'),
    cell=('What is the {} of "{}"?', 'What is in column "{}" for "{}"?'),
    line=("What does line {} say?", "Read line {}.", "Text of line {}?"),
    last_line=("What does the last line say?", "Read the last line."),
    first_word=("What is the first word of line {}?", "First word of line {}?"),
    last_word=("What is the last word of line {}?", "Last word of line {}?"),
    top=("What is at the top?", "What does the first line say?"),
    after=('Read on after "{}".',),
    all=("Read everything.", "Read all the text.", "What does it say?"),
    count_items=("How many items are there?", "How many items are listed?"),
    count_lines=("How many lines are there?", "How many lines of text are there?"),
    dearest=("Which item costs the most?", "What is the most expensive item?"),
    cheapest=("Which item costs the least?", "What is the cheapest item?"),
    highest=("What is the highest price?",), lowest=("What is the lowest price?",),
    sum=("What do all items cost together?", "What is the sum of the items?"),
    is_there=("Is there a {}?", "Is a {} printed?"),
    is_it=("Is the {} {}?", 'Is the {} "{}"?'),
    json=("Give {} as JSON.", "Read {} as JSON."),
    chart=("What is the value of {}?", 'How high is "{}"?', "How much is {}?"),
    chart_label=("What has the value {}?", "Which one is {}?"),
    chart_highest=("Which one is highest?", "What has the highest value?"),
    chart_lowest=("Which one is lowest?", "What has the lowest value?"),
)
HELD_OUT = Wordings(
    field=("Can you tell me the {}?", "I need the {}.", "What {} does it show?", "Look up the {}.",
           "Please state the {}."),
    fields={
        "total": ("How much do I owe?", "What is the final amount?"), "date": ("What day is on it?",),
        "shop": ("Who sold this?",), "payment": ("What did they pay with?",), "event": ("Which show can I see?",),
        "destination": ("Where am I going?",), "cashier": ("Who took the money?",), "sender": ("Who sent it?",),
    },
    beside=('What does it show for "{}"?', 'Which entry goes with "{}"?'),
    price=("What was paid for {}?", "How much do they want for {}?", "What am I charged for {}?"),
    item=("What can I buy for {}?", "For which item is {} charged?"),
    quantity=("How often was {} bought?", "What number of {} is listed?"),
    cell=('Under "{}", what stands for "{}"?',),
    line=("What is written in row {}?", "Give me line number {}."),
    last_line=("What is written at the bottom?",),
    first_word=("Which word does line {} begin with?",),
    last_word=("Which word does line {} end with?",),
    top=("What is written first?",),
    after=('What follows "{}"?',),
    all=("Transcribe this page.", "What is written here?"),
    count_items=("Count the items.", "What is the number of items?"),
    count_lines=("Count the lines.",),
    dearest=("Which product has the top price?",),
    cheapest=("Which product is priced lowest?",),
    highest=("How much is the dearest item?",), lowest=("How much is the cheapest item?",),
    sum=("Add up the items.",),
    is_there=("Does it show a {}?", "Can a {} be found?"),
    is_it=("Does the {} equal {}?",),
    json=("Extract {} in JSON.", "Return a JSON object with {}."),
    chart=("Which value belongs to {}?", "Tell me how large {} is."),
    chart_label=("Where is the value {}?",),
    chart_highest=("Which is the largest of all?",),
    chart_lowest=("Which is the smallest of all?",),
)


def side(held_out: bool) -> Wordings:
    return HELD_OUT if held_out else TRAINING


def words(wordings: Wordings) -> list[str]:
    """All wordings of a side with their nouns, and the words of the longest fixed answer, for the tokenizer."""
    out: list[str] = [ABSENT, *(n for nouns in NOUNS.values() for n in nouns)]
    for value in vars(wordings).values():
        for part in value.values() if isinstance(value, dict) else (value,):
            out += part
    return out
