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
# More wordings of the training side. The tokenizer does not know their words, which are spelled: so a model learns to read
# questions that were not foreseen.
_FURTHER = Wordings(
    field=("Show the {}.", "Show me the {}.", "Please give me the {}.", "I would like to know the {}.", "I want the {}.",
           "Say what the {} is.", "Could you read the {}?", "Do you see the {}?", "What does it give as the {}?", "The {}, please.",
           "What is printed as the {}?", "What is given as the {}?", "What's the {}?", "Copy the {}.", "Write down the {}.",
           "Quote the {}.", "Get the {} from this page.", "Which {} is given?", "Which {} is shown here?", "Return the {}.",
           "Name the {}.", "Help me find the {}.", "Please read out the {}.", "Provide the {}.", "What is the {} on this document?",
           "Can you find the {}?", "Let me know the {}.", "What is the {} here?", "I am looking for the {}.", "Type the {}."),
    fields={
        "total": ("What must be paid?", "What does everything cost?", "How much money is due?", "What does it come to?"),
        "tax": ("What tax was added?", "How much of it is tax?"), "subtotal": ("What is the sum without tax?",),
        "tip": ("What was given as a tip?",), "discount": ("How much was taken off?", "How much was saved?"),
        "cash": ("How much cash was given?",), "change": ("How much money came back?", "How much was returned?"),
        "date": ("Which date is printed?", "When was it?", "What is the day?", "From when is this?"),
        "time": ("What time was it?", "At which hour?", "What does the clock say?"),
        "shop": ("Where was this bought?", "Which business is it?", "Who issued this?", "In which store was it?"),
        "cashier": ("Who was at the till?", "Who served the customer?"), "phone": ("Which number can I call?",),
        "payment": ("In which way was it paid?", "Cash or card?", "How did the customer pay?"), "city": ("In which town is it?",),
        "event": ("Which event is it?", "What is on?", "What can be seen with it?"), "venue": ("Where does it take place?",),
        "price": ("What did the ticket cost?", "What does it cost to get in?"), "gate": ("Through which gate?",),
        "seat": ("Where do I sit?", "Which place is mine?"), "row": ("In which row is the seat?",), "coach": ("In which coach?",),
        "platform": ("From which platform?",), "origin": ("From where does it leave?", "Where does the trip begin?"),
        "destination": ("Where does the trip end?", "To which place does it go?", "Where will I get off?"),
        "departure": ("When is the start?", "At what time does the trip begin?"),
        "arrival": ("When will I be there?", "At what time does the trip end?"),
        "passenger": ("Who travels?", "For whom is the ticket?"), "plate": ("Which car is it?",),
        "due": ("Until when must it be paid?", "By which day must it be paid?"), "customer": ("Who has to pay?",),
        "seller": ("Who wants the money?",), "sender": ("Who is the writer?", "From whom is it?"),
        "recipient": ("To whom is it addressed?",), "subject": ("What is the letter about?",),
        "name": ("Who filled it in?",), "birth": ("When was the person born?",), "job": ("What does the person work as?",),
    },
    beside=('What is next to "{}"?', 'What is printed beside "{}"?', 'Which value has "{}"?', 'Give the value of "{}".',
            'Find "{}" and read its value.', 'What does "{}" say?', '"{}"?', 'What is given for "{}"?', 'Show the entry "{}".',
            'Read the value beside "{}".'),
    price=("Tell me the price of {}.", "Which price has {}?", "How much does {} cost?", "How much money is {}?", "Give the price of {}.",
           "{}: how much?", "What is to be paid for {}?", 'Find the price of "{}".', "At what price is {} sold?", "I want {}, how much is it?",
           "What would {} cost me?", "Show me what {} costs."),
    item=("What is sold for {}?", "What has the price {}?", "Which product costs {}?", "Name the item at {}.", "Find the item that costs {}.",
          "What is listed at {}?", "Which thing is {}?", "{} is the price of what?", "Tell me what costs {}."),
    quantity=("How many of {} were sold?", "How many times is {} on it?", "Give the quantity of {}.", "How many pieces of {}?",
              "Tell me how many {} there are.", "In which quantity is {} listed?"),
    cell=('Read the {} of "{}".', 'What {} has "{}"?', 'Find the {} for "{}".', 'Look in column "{}": what has "{}"?', 'Give me the {} of "{}".'),
    line=("What is in line {}?", "Show line {}.", "Read out line {}.", "What does it say in line {}?", "Please read line {}.", "Line {}?",
          "What can be read in line {}?", "Copy line {}.", "What is printed on line {}?", "Read row {}.", "Text in row {}?",
          "Tell me what line {} says.", "Give the text of line {}.", "What text is on line number {}?"),
    last_line=("What is the last line?", "Show the last line.", "How does the page end?", "What is at the very end?", "Which text is lowest?"),
    first_word=("Read the first word of line {}.", "With what does line {} start?", "How does line {} start?", "Which word is first in line {}?",
                "Give the first word in row {}.", "The first word of line {}, please."),
    last_word=("Read the last word of line {}.", "With what does line {} stop?", "How does line {} stop?", "Which word is last in line {}?",
               "Give the last word in row {}.", "The last word of line {}, please."),
    top=("Read the first line.", "What is the first line?", "What is printed at the top?", "How does the page start?", "Show the top line.",
         "Which text is highest on the page?"),
    after=('What comes after "{}"?', 'What comes next after "{}"?', 'Go on after "{}".', 'Read the text behind "{}".', 'Which text is behind "{}"?',
           '"{}" and then?'),
    all=("Read the page.", "Give me all the text.", "Show everything that is printed.", "What is the text?", "Copy all the text.", "Write down everything."),
    count_items=("How many items does it list?", "How many different items are there?", "Number of items?", "Tell me how many items it has."),
    count_lines=("How many lines does it have?", "Number of lines?", "Tell me how many lines there are.", "Of how many lines is the text?"),
    dearest=("Which item is the most expensive?", "What costs more than all others?", "Name the most expensive item.", "Which one has the highest price?"),
    cheapest=("Which item is the cheapest?", "What costs less than all others?", "Name the cheapest item.", "Which one has the lowest price?"),
    highest=("Give the highest price.", "Which price is the highest?", "How much is the most expensive item?", "What is the largest amount that an item costs?"),
    lowest=("Give the lowest price.", "Which price is the lowest?", "How much does the cheapest item cost?", "What is the smallest amount that an item costs?"),
    sum=("How much are all items together?", "Sum of the items?", "What is everything together?"),
    is_there=("Do you see a {}?", "Does the page have a {}?", "Is a {} given?", "Is there any {}?", "Does it say a {}?", "Has it got a {}?"),
    is_it=("Is {1} the {0}?", "Does it say that the {} is {}?", "Is it true that the {} is {}?", "The {} is {}, right?", "Would you say the {} is {}?"),
    json=("Return {} as JSON.", "Write {} as JSON.", "I want {} as JSON.", "JSON with {}, please.", "Please give me {} as JSON.", "Make JSON of {}.",
          "Show {} as a JSON object.", "As JSON: {}.", "Find {} and give JSON."),
    chart=("Read the value of {}.", "Tell me the value of {}.", "Which number has {}?", "How much does {} have?", "Give the number of {}."),
    chart_label=("Which one has {}?", "What is at {}?", "Find what has the value {}.", "{} is the value of what?"),
    chart_highest=("Which one is the highest?", "Name the highest one.", "What is at its most?"),
    chart_lowest=("Which one is the lowest?", "Name the lowest one.", "What is at its least?"),
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


def _together(one: Wordings, other: Wordings) -> Wordings:
    parts = {}
    for name, value in vars(one).items():
        more = getattr(other, name)
        parts[name] = ({key: (*value.get(key, ()), *more.get(key, ())) for key in value | more} if isinstance(value, dict)
                       else (*value, *more))
    return Wordings(**parts)


VARIED = _together(TRAINING, _FURTHER)


def side(held_out: bool, varied: bool = False) -> Wordings:
    """The wordings of a side; `varied`: all that training has, and not only those whose words are tokens."""
    return HELD_OUT if held_out else VARIED if varied else TRAINING


def words(wordings: Wordings) -> list[str]:
    """All wordings of a side with their nouns, and the words of the longest fixed answer, for the tokenizer."""
    out: list[str] = [ABSENT, *(n for nouns in NOUNS.values() for n in nouns)]
    for value in vars(wordings).values():
        for part in value.values() if isinstance(value, dict) else (value,):
            out += part
    return out
