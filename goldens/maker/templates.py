"""Chat templates and small pieces of Jinja, rendered as transformers renders them."""

import warnings
from pathlib import Path

from transformers.utils.chat_template_utils import render_jinja_template

from .files import write_json
from .qwen2_vl import chat

IMAGE = {"type": "image_url", "image_url": {"url": "pictures/a.png"}}


def text(value):
    return {"type": "text", "text": value}


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def user(content):
    return message("user", content)


def assistant(content):
    return message("assistant", content)


def system(content):
    return message("system", content)


HOSTILE = "{{ 7*7 }} {% for x in y %}{# c #} {%- raw -%} <|im_end|> <b>&amp;\"'</b> \\n \\ $& ${x} #{x}"

CHATS = {
    "one turn, a string": [user("Hello there")],
    "one turn, parts": [user([text("Hello "), text("there")])],
    "a picture": [user([IMAGE, text("What is this?")])],
    "pictures in several turns": [
        user([IMAGE, text("This?")]),
        assistant("A bird."),
        user([text("And "), {"type": "image"}, IMAGE, text("?")]),
    ],
    "pictures named in three ways": [user([{"type": "image"}, {"image": "x"}, {"image_url": {"url": "x"}}, text("?")])],
    "a video": [user([{"type": "video", "video": "x"}, IMAGE, {"type": "video"}, text("?")])],
    "a system message": [system("Be brief."), user("Hi")],
    "a system message in parts": [system([text("Be "), text("brief.")]), user([text("Hi")])],
    "a system message later": [user("Hi"), system("Be brief."), user("Go on")],
    "two turns": [user("One"), assistant("Two"), user("Three")],
    "assistant in parts": [user("One"), assistant([text("Two, "), text("three")]), user("Four")],
    "assistant last": [user("One"), assistant("Two")],
    "system, assistant last": [system("S"), user("One"), assistant("Two")],
    "two users in a row": [user("One"), user("Two")],
    "assistant first": [assistant("One"), user("Two")],
    "hostile text": [user(HOSTILE), assistant(HOSTILE), user([text(HOSTILE), IMAGE])],
    "white space": [system("  a\n"), user("\n\n  b \t\n"), assistant(" c "), user([text(" d"), text("\n")])],
    "no text": [user("")],
    "no parts": [user([])],
    "not ASCII": [user("Grüße 图片 😀 \u2028 \u00a0"), assistant("Où?"), user([text("é e\u0301"), IMAGE])],
    "no message": [],
    "an unknown role": [message("narrator", "Once upon a time"), user("Go on")],
    "more keys": [message("user", "Hi", name="Ann", extra={"a": [1, 2.5, True, None, "x'y"]})],
}

CHAT_TEMPLATES = {
    "qwen2-vl-one-line": chat.ONE_LINE,
    "qwen2-vl-many-lines": chat.MANY_LINES,
    "chatml": (
        "{% for message in messages %}"
        "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
        "{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
    ),
    "bracketed": """\
{%- if messages and messages[0]['role'] == 'system' %}
    {%- set system_message = messages[0]['content'] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {%- if loop.first and system_message is defined %}
            {{- ' [INST] ' + system_message + '\\n\\n' + message['content'] + ' [/INST]' }}
        {%- else %}
            {{- ' [INST] ' + message['content'] + ' [/INST]' }}
        {%- endif %}
    {%- elif message['role'] == 'assistant' %}
        {{- ' ' + message['content']|trim + eos_token }}
    {%- else %}
        {{- raise_exception('Only user and assistant roles are supported, not ' ~ message['role'] ~ '!') }}
    {%- endif %}
{%- endfor %}
""",
    "vicuna-with-pictures": """\
{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}
{# Pictures first, whatever the order of the parts. #}
{% for part in message['content'] | selectattr('type', 'equalto', 'image_url') %}{{ '<image>\\n' }}{% endfor %}
{% if message['role'] != 'assistant' %}
{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{{ part['text'] + ' ' }}{% endfor %}
{% else %}
{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}{% generation %}{{ part['text'] + ' ' }}{% endgeneration %}{% endfor %}
{% endif %}{% endfor %}
{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}
""",
    "turns": """\
{{ bos_token }}{% if messages and messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}
{% for message in messages %}
{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
{{ raise_exception('Conversation roles must alternate') }}
{% endif %}
{% set role = 'model' if message.role == 'assistant' else message.role %}
{{ '<start_of_turn>' + role + '\\n' -}}
{% if message.content is string %}
    {{- message.content | trim -}}
{% elif message.content is iterable %}
    {%- for item in message.content -%}
        {%- if item['type'] == 'image_url' -%}
            {{ '<start_of_image>' }}
        {%- elif item['type'] == 'text' -%}
            {{ item['text'] | trim }}
        {%- endif -%}
    {%- endfor -%}
{% else %}
    {{- raise_exception('Invalid content type') -}}
{% endif %}
{{ '<end_of_turn>\\n' }}
{%- endfor %}
{%- if add_generation_prompt -%}
{{ '<start_of_turn>model\\n' }}
{%- endif -%}
""",
    "macros": """\
{%- macro show(content, upper=false) -%}
    {%- if content is string -%}
        {{ content | upper if upper else content }}
    {%- else -%}
        {%- for part in content -%}
            {{ part.text if 'text' in part else '[' ~ (part.type | default('picture')) ~ ']' }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro -%}
{%- for message in messages -%}
    {{ loop.index }}/{{ loop.length }} {{ message.role | title }}: {{ show(message.content, upper=(message.role == 'system')) }}
    {%- if not loop.last %}{{ '\\n' }}{% endif %}
{%- else -%}
nobody spoke
{%- endfor -%}
""",
    "backwards": """\
{%- set ns = namespace(last_query=messages|length - 1, found=false) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if not ns.found and message.role == 'user' and message.content is string and not (message.content.startswith('\\n') and message.content.endswith('\\n')) %}
        {%- set ns.found = true %}
        {%- set ns.last_query = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}{% set content = message.content %}{% else %}{% set content = '' %}{% endif %}
    {%- if '</think>' in content %}{% set content = content.split('</think>')[-1].lstrip('\\n') %}{% endif %}
    {{- '[' ~ message.role ~ (' *' if loop.index0 == ns.last_query else '') ~ '] ' ~ content.strip() ~ '\\n' }}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '[assistant] ' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}
""",
    "tools": """\
{%- if tools %}
    {{- '<|im_start|>system\\n' }}
    {%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
    {{- "# Tools\\n\\n<tools>" }}
    {%- for tool in tools %}
        {{- "\\n" }}
        {{- tool | tojson }}
    {%- endfor %}
    {{- "\\n</tools><|im_end|>\\n" }}
{%- elif messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}
    {%- elif message.role == 'assistant' %}
        {{- '<|im_start|>assistant' }}
        {%- if message.content %}{{- '\\n' + message.content }}{%- endif %}
        {%- for tool_call in message.tool_calls %}
            {%- if tool_call.function is defined %}{%- set tool_call = tool_call.function %}{%- endif %}
            {{- '\\n<tool_call>\\n{"name": "' + tool_call.name + '", "arguments": ' + tool_call.arguments | tojson + '}\\n</tool_call>' }}
        {%- endfor %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == 'tool' %}
        {%- if loop.index0 == 0 or messages[loop.index0 - 1].role != 'tool' %}{{- '<|im_start|>user' }}{%- endif %}
        {{- '\\n<tool_response>\\n' + message.content + '\\n</tool_response>' }}
        {%- if loop.last or messages[loop.index0 + 1].role != 'tool' %}{{- '<|im_end|>\\n' }}{%- endif %}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}
""",
}

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "Weather at a place – <b>now</b> & \"later\", it's 'here'",
            "parameters": {
                "type": "object",
                "properties": {"place": {"type": "string"}, "days": {"type": "integer", "default": None}},
                "required": ["place"],
            },
        },
    },
    {"type": "function", "function": {"name": "empty", "parameters": {}, "list": [], "number": 1.0, "flag": True}},
]

TOOL_CHAT = [
    system("Help."),
    user("Weather in Köln?"),
    message(
        "assistant",
        "",
        tool_calls=[
            {"type": "function", "function": {"name": "weather", "arguments": {"place": "Köln", "days": 2, "exact": False}}},
            {"name": "empty", "arguments": {}},
        ],
    ),
    message("tool", "rain"),
    message("tool", "sun"),
    assistant("It rains."),
]

CONTEXT = {
    "s": "  Hello, World  ",
    "word": "straße",
    "empty": "",
    "n": 7,
    "negative": -3,
    "f": 2.5,
    "whole": 2.0,
    "small": 1e-07,
    "big": 1e20,
    "yes": True,
    "no": False,
    "nothing": None,
    "numbers": [3, 1, 2],
    "words": ["pear", "Apple", "fig"],
    "mixed": [1, 2.0, "three", None, True, ["it's", 'say "hi"', "both ' and \""], {"k": "ü\n\t\\"}],
    "none_left": [],
    "d": {"b": 1, "a": {"x": [1, None]}, "items": "shadow", "c c": False},
    "people": [{"name": "Ann", "age": 30}, {"name": "Bob", "age": 25, "tag": "x"}, {"name": "Cid", "age": 30}],
    "html": "<a href=\"x\">it's & that</a>",
    "unicode": "é 图 😀 \u2028",
    "lines": "one\ntwo\r\nthree\n",
}

# Each renders with CONTEXT.
PIECES = {
    "loop": [
        "{% for x in words %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }} {% endfor %}",
        "{% for x in words %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}",
        "{% for x in words %}{{ loop.cycle('odd', 'even') }} {% endfor %}",
        "{% for x in numbers %}{{ loop.changed(x > 1) }} {% endfor %}",
        "{% for x in none_left %}x{% else %}empty{% endfor %}",
        "{% for p in people if p.age == 30 %}{{ loop.index }}{{ p.name }}{% endfor %}",
        "{% for x in numbers %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}{% endfor %}",
        "{% for x in numbers %}{% if x == 1 %}{% break %}{% endif %}{{ x }}{% endfor %}",
        "{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}",
        "{% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}={{ v }};{% endfor %}",
        "{% for k in d %}{{ k }};{% endfor %}",
        "{% for k, v in d | items %}{{ k }}={{ v }};{% endfor %}",
        "{% for k, v in d | dictsort %}{{ k }};{% endfor %}",
        "{% for a in numbers %}{% for b in words %}{{ loop.index }}{{ b[0] }}{% endfor %}{{ loop.index }}|{% endfor %}",
        "{% for i in range(3) %}{{ i }}{% endfor %} {{ range(2, 10, 3) | list }} {{ range(5, 0, -2) | list }}",
        "{% for c in 'añ😀' %}[{{ c }}]{% endfor %}",
        "{% for a, b in [[1, 2], [3, 4]] %}{{ a + b }} {% endfor %}",
    ],
    "scope": [
        "{% set x = 1 %}{% for i in numbers %}{% set x = i %}{% endfor %}{{ x }}",
        "{% set ns = namespace(x=1, y='a') %}{% for i in numbers %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}{{ ns.y }}",
        "{% set x = 1 %}{% if true %}{% set x = 2 %}{% endif %}{{ x }}",
        "{% set block %}a{{ n }}b{% endset %}[{{ block }}]",
        "{% set block | upper | trim %} a b {% endset %}[{{ block }}]",
        "{% set a, b = 1, 'two' %}{{ a }}{{ b }}",
        "{% with x = 5, y = x %}{{ x }}{{ y is undefined }}{% endwith %}{{ x is defined }}",
        "{% macro m(a, b='B', c=none) %}({{ a }},{{ b }},{{ c }},{{ varargs }},{{ kwargs }}){% endmacro %}{{ m(1) }}{{ m(1, c=2) }}{{ m(1, 2, 3, 4, k=5) }}",
        "{% macro outer() %}<{{ caller() }}>{% endmacro %}{% call outer() %}inside{% endcall %}",
        "{% macro m() %} x {% endmacro %}[{{ m() }}][{{ m() | trim }}]",
        "{% if no %}a{% elif nothing %}b{% elif none_left %}c{% elif empty %}d{% elif 0 %}e{% else %}f{% endif %}",
        "{% filter upper %}abc {{ word }}{% endfilter %}",
    ],
    "printing": [
        "{{ yes }} {{ no }} {{ nothing }} {{ true }} {{ False }} {{ none }}",
        "{{ n }} {{ negative }} {{ f }} {{ whole }} {{ small }} {{ big }} {{ 1e16 }} {{ 1e15 }} {{ 0.1 + 0.2 }} {{ 1 / 3 }} {{ 100000000000000000000 }}",
        "{{ mixed }}",
        "{{ d }}",
        "{{ (1, 'a') }} {{ (1,) }} {{ [] }} {{ {} }} {{ {'a': (1, 2), 3: none} }}",
        "{{ ['\\u00e9', 'a\\nb', \"it's\", 'tab\\t', unicode, '\\x00\\x7f'] }}",
        "{{ html }} {{ unicode }}",
        "[{{ missing }}][{{ d.missing }}][{{ d['missing'] }}][{{ numbers[99] }}]",
        "{{ 'a' 'b' }} {{ \"q\\\"q\" }} {{ 'n\\nn' }} {{ 'back\\\\slash' }}",
        "{{ n ~ f ~ yes ~ nothing ~ numbers ~ missing }}",
        "{{ 5 | string + 'x' }} {{ none | string }} {{ 2.0 | string }}",
    ],
    "operators": [
        "{{ 7 // 2 }} {{ -7 // 2 }} {{ 7 % 3 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 6 / 2 }} {{ 2 ** 10 }} {{ -2 ** 2 }} {{ 7.5 // 2 }} {{ 1 + 2 * 3 }}",
        "{{ 'ab' * 3 }} {{ [1] * 2 }} {{ [1] + [2] }} {{ 'a' + 'b' }}",
        "{{ 1 == 1.0 }} {{ 1 == true }} {{ '1' == 1 }} {{ none == false }} {{ [1, 2] == [1, 2] }} {{ {'a': 1} == {'a': 1} }} {{ 'a' < 'b' }} {{ 1 < 2 < 3 }} {{ 3 > 2 > 2 }}",
        "{{ 'a' or 'b' }} {{ '' or 'b' }} {{ 0 and 1 }} {{ 2 and 3 }} {{ not [] }} {{ not 'x' }} {{ missing or 'default' }}",
        "{{ 'ell' in s }} {{ 'x' not in s }} {{ 1 in numbers }} {{ 'b' in d }} {{ 'zz' in d }} {{ '' in 'abc' }} {{ 2 in [1.0, 2.0] }}",
        "{{ 'y' if n > 3 else 'n' }} [{{ 'y' if n > 30 }}] {{ 'a' if no else 'b' if no else 'c' }}",
        "{{ numbers[0] }}{{ numbers[-1] }} {{ numbers[1:] }} {{ numbers[:-1] }} {{ numbers[::-1] }} {{ numbers[::2] }} {{ numbers[5:] }} {{ numbers[-2:] }}",
        "{{ word[0] }} {{ word[-1] }} {{ word[1:3] }} {{ word[::-1] }} {{ '😀b'[0] }} {{ '😀b' | length }} {{ '😀b'[1:] }}",
        "{{ d.b }} {{ d['b'] }} {{ d.a.x[0] }} {{ d['items'] }} {{ d['c c'] }} {{ d.get('b') }} {{ d.get('q') }} {{ d.get('q', 5) }}",
        "{{ 5 is odd and not 4 is odd }} {{ (1, 2)[1] }} {{ 'abc'.upper()[1:].lower() }}",
        "{{ - n }} {{ + n }} {{ not not n }} {{ 0.5 + 1 }} {{ 10 % 4.0 }}",
    ],
    "tests": [
        "{{ missing is defined }} {{ n is defined }} {{ d.b is defined }} {{ d.q is defined }} {{ nothing is defined }} {{ missing is undefined }} {{ missing is not defined }}",
        "{{ nothing is none }} {{ n is none }} {{ missing is none }} {{ nothing is not none }}",
        "{{ s is string }} {{ n is string }} {{ numbers is string }} {{ nothing is string }}",
        "{{ d is mapping }} {{ numbers is mapping }} {{ d is iterable }} {{ s is iterable }} {{ n is iterable }} {{ numbers is sequence }} {{ s is sequence }} {{ d is sequence }} {{ n is sequence }}",
        "{{ n is number }} {{ f is number }} {{ yes is number }} {{ s is number }} {{ n is integer }} {{ whole is integer }} {{ yes is integer }} {{ f is float }} {{ n is float }}",
        "{{ yes is boolean }} {{ n is boolean }} {{ yes is true }} {{ 1 is true }} {{ no is false }} {{ nothing is false }}",
        "{{ n is odd }} {{ n is even }} {{ n is divisibleby 7 }} {{ n is eq 7 }} {{ n is equalto 7 }} {{ n is ne 7 }} {{ n is gt 3 }} {{ n is in [7, 8] }} {{ n is lt 3 }}",
        "{{ 'ABC' is upper }} {{ 'abc' is lower }} {{ s is callable }} {{ s.strip is callable }} {{ 'upper' is filter }} {{ 'nope' is filter }} {{ 'odd' is test }}",
        "{{ n is sameas 7 }} {{ nothing is sameas none }} {{ not n is odd }}",
    ],
    "filters": [
        "[{{ s | trim }}] [{{ 'xxaxx' | trim('x') }}] {{ word | upper }} {{ 'ABC' | lower }} {{ 'hello wORLD it\\'s' | title }} {{ 'hELLO' | capitalize }}",
        "{{ words | join(', ') }} {{ numbers | join }} {{ people | join('|', attribute='name') }} {{ mixed | join('/') }}",
        "{{ s | length }} {{ numbers | length }} {{ d | count }} {{ '' | length }} {{ missing | length }}",
        "{{ numbers | first }} {{ numbers | last }} {{ none_left | first }} {{ 'abc' | first }} {{ 'abc' | last }}",
        "{{ missing | default('x') }} {{ nothing | default('x') }} {{ nothing | default('x', true) }} {{ '' | default('x') }} {{ '' | d('x', boolean=true) }} {{ d.q | default(5) }}",
        "{{ 'a-b-c' | replace('-', '+') }} {{ 'a-b-c' | replace('-', '+', 1) }} {{ 'aaa' | replace('', '.') }}",
        "{{ numbers | sort }} {{ words | sort }} {{ words | sort(case_sensitive=true) }} {{ numbers | sort(reverse=true) }} {{ people | sort(attribute='age') | map(attribute='name') | list }}",
        "{{ numbers | reverse | list }} {{ 'abc' | reverse }} {{ [1, 2, 1] | unique | list }} {{ numbers | sum }} {{ numbers | max }} {{ numbers | min }}",
        "{{ people | map(attribute='name') | list }} {{ people | map(attribute='tag', default='-') | list }} {{ words | map('upper') | list }} {{ people | map(attribute='age') | sum }}",
        "{{ people | selectattr('age', 'equalto', 30) | map(attribute='name') | join(',') }} {{ people | selectattr('tag', 'defined') | list | length }} {{ people | rejectattr('tag') | list | length }} {{ people | selectattr('age', 'lt', 30) | list }}",
        "{{ numbers | select('gt', 1) | list }} {{ numbers | reject('odd') | list }} {{ [0, 1, '', none, 'a'] | select | list }}",
        "{{ people | groupby('age') | map(attribute='grouper') | list }} {% for age, group in people | groupby('age') %}{{ age }}:{{ group | length }} {% endfor %}",
        "{{ '42' | int }} {{ 'x' | int }} {{ 'x' | int(5) }} {{ 3.9 | int }} {{ -3.9 | int }} {{ '2.5' | float }} {{ 3 | float }} {{ true | int }} {{ '0x1A' | int(0, 16) }}",
        "{{ 2.5 | round }} {{ 3.5 | round }} {{ 2.567 | round(2) }} {{ 2.1 | round(0, 'ceil') }} {{ 2.9 | round(method='floor') }} {{ -3 | abs }} {{ 2.5 | round | int }}",
        "{{ 'abc' | list }} {{ d | list }} {{ (1, 2) | list }} {{ numbers | batch(2) | list }} {{ [1, 2, 3, 4, 5] | slice(2) | list }}",
        "{{ html | escape }} {{ html | e }} {{ html | safe }} {{ '<b>x</b> y' | striptags }} {{ 'a b&c/d' | urlencode }}",
        "{{ 'a\\nb\\n\\nc' | indent }}|{{ 'a\\nb' | indent(2, true) }}|{{ 'a\\n\\nb' | indent(2, blank=true) }}",
        "{{ 'one two three' | wordcount }} {{ 'abcdefghijklmnop' | truncate(8) }} {{ 'a b c d e f' | truncate(6, true, '..') }} {{ 'x' | center(5) }}| {{ '%s-%03d' | format('a', 7) }}",
        "{{ 1048576 | filesizeformat }} {{ 'a b' | wordwrap(1) }} {{ {'a': 1, 'b': none} | xmlattr }} {{ d | dictsort(by='key', reverse=true) | first }}",
        "{{ d | attr('b') }} {{ s | attr('nope') }} {{ 'x' | string | length }} {{ 5 | pprint }}",
    ],
    "tojson": [
        "{{ d | tojson }}",
        "{{ mixed | tojson }}",
        "{{ html | tojson }} {{ unicode | tojson }} {{ unicode | tojson(ensure_ascii=true) }}",
        "{{ d | tojson(indent=2) }}",
        "{{ d | tojson(indent=4, sort_keys=true) }}",
        "{{ d | tojson(separators=(',', ':')) }}",
        "{{ [] | tojson }} {{ {} | tojson }} {{ [] | tojson(indent=2) }} {{ [[], {}] | tojson(indent=2) }}",
        "{{ 1.0 | tojson }} {{ 1e20 | tojson }} {{ 1e-07 | tojson }} {{ 5 | tojson }} {{ none | tojson }} {{ true | tojson }} {{ (1, 2) | tojson }} {{ 'a/b' | tojson }} {{ '\\x7f\\x01\\t' | tojson }}",
        "{{ {1: 2, none: 3, true: 4, 2.5: 5} | tojson }}",
        "{{ missing | tojson }}",
    ],
    "methods": [
        "[{{ s.strip() }}] [{{ s.lstrip() }}] [{{ s.rstrip() }}] [{{ 'xxaxx'.strip('x') }}] [{{ 'abcab'.lstrip('ab') }}] [{{ '\\n\\na\\n'.strip('\\n') }}]",
        "{{ s.strip().startswith('Hello') }} {{ s.endswith('  ') }} {{ 'abc'.startswith(('x', 'a')) }}",
        "{{ 'a,b,,c'.split(',') }} {{ ' a  b '.split() }} {{ 'a,b,c'.split(',', 1) }} {{ 'a,b,c'.rsplit(',', 1) }} {{ ''.split(',') }} {{ ''.split() }} {{ lines.splitlines() }}",
        "{{ 'x</think>y</think>z'.split('</think>')[-1] }} {{ 'a=b'.partition('=') }} {{ ', '.join(words) }}",
        "{{ word.upper() }} {{ word.title() }} {{ word.capitalize() }} {{ 'ABC'.lower() }} {{ 'aBc'.swapcase() }}",
        "{{ 'aXbX'.replace('X', '-') }} {{ 'aXbX'.replace('X', '-', 1) }} {{ 'abcb'.find('b') }} {{ 'abc'.find('z') }} {{ 'abcb'.count('b') }} {{ 'abcb'.rfind('b') }} {{ 'abc'.index('c') }}",
        "{{ '12'.isdigit() }} {{ 'a1'.isalnum() }} {{ 'ab'.isalpha() }} {{ ' '.isspace() }} {{ '7'.zfill(3) }} {{ 'a'.ljust(3) }}| {{ 'a'.center(3, '*') }}",
        "{{ '{} and {x}'.format(1, x=2) }} {{ '%s is %d' % ('a', 3) }} {{ '%.2f' % 2.5 }} {{ 'prefix-a'.removeprefix('prefix-') }} {{ 'a.txt'.removesuffix('.txt') }}",
        "{{ d.keys() | list }} {{ d.values() | list }} {{ numbers.index(2) }} {{ numbers.count(1) }} {{ {'a': 1}.items() | list }}",
        "{{ 'é'.encode('utf-8') | length }} {{ n.bit_length() }} {{ whole.is_integer() }}",
        "{{ dict(a=1, b=none) }} {{ cycler('a', 'b').next() }} {% set j = joiner(', ') %}{{ j() }}a{{ j() }}b {{ range(3) }}",
        "{{ strftime_now('%Y') | length }}{{ strftime_now('%%') }}",
    ],
    "white-space": [
        "a\n{% if true %}\nb\n{% endif %}\nc\n",
        "a\n    {% if true %}\n    b\n    {% endif %}\nc",
        "a {% if true %} b {% endif %} c",
        "a {%- if true -%} b {%- endif -%} c",
        "a\n\n  {%- if true %}\n  b\n  {%- endif %}\n\nc",
        "  {{ n }}  \n  {{- n -}}  \n  {{ n }}\n",
        "x\n  {# comment #}\ny {# inline #} z\n{#- trimmed -#}\n w",
        "\t{% if true %}\tb\t{% endif %}\t\nc",
        "{% if true +%}\nb{% endif %}",
        "a\n  {%+ if true %}b{% endif %}",
        "{% for x in numbers %}\n  {{ x }}\n{% endfor %}\nend\n\n",
        "{% raw %}{{ n }} {% if %}{% endraw %}|{%- raw -%}  x  {%- endraw -%}  y",
        "a\r\n{% if true %}\r\nb\r\n{% endif %}\r\nc\r",
        "line\n\n\n",
        "{{ '\n' }}{{ 'a\n' }}\n\n",
        "{% set x = 1 %}   \n  {% set y = 2 %}\n{{ x }}{{ y }}\n",
        "{%- set x -%}  a  {%- endset -%}\n[{{ x }}]",
        "a{% if true %}\n\nb{% endif %}\n\nc",
        "  {%- for x in words -%}  {{ x }}  {%- endfor -%}  ",
    ],
    "errors": [
        "{{ raise_exception('no such thing: ' ~ n) }}",
        "{{ missing.attribute }}",
        "{{ missing['key'] }}",
        "{{ missing() }}",
        "{{ d.missing.deeper }}",
        "{{ nothing.x }}[{{ nothing.x.y }}]",
        "{{ 'a' + 1 }}",
        "{{ 1 / 0 }}",
        "{{ 'a' | nofilter }}",
        "{{ n is notest }}",
        "{% if %}",
        "{% for x in n %}{% endfor %}",
        "{{ 'a'.nomethod() }}",
        "{{ numbers.append(4) }}",
        "{{ ''.__class__ }}",
        "{{ ''.__class__.__mro__ }}",
        "{{ missing + 1 }}",
        "{{ numbers | join(1) }}",
        "{% unknown %}",
        "{{ 'a' < 1 }}",
        "{{ 'abc'.index('z') }}",
        "{% set d.x = 1 %}",
        "{% include 'x' %}",
        "{{ [1, 2",
        "{% for x in missing %}a{% else %}undefined is empty{% endfor %}",
        "{{ missing == none }} {{ missing == missing2 }} {{ missing | upper }}|{{ missing | list }}{{ missing | join }}{{ not missing }}",
        "{{ 10 ** 3 }}{{ range(200000) | length }}",
    ],
}


def _render(template: str, messages, arguments: dict) -> dict:
    arguments = dict(arguments)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            rendered, _ = render_jinja_template(
                conversations=[messages],
                chat_template=template,
                tools=arguments.pop("tools", None),
                add_generation_prompt=arguments.pop("add_generation_prompt", False),
                **arguments,
            )
        return {"expected": rendered[0]}
    except Exception as error:  # whatever the reference throws is what is wanted
        return {"error": type(error).__name__, "error_message": str(error)}


def write(folder: Path, log=print):
    count = 0
    special = {"bos_token": "<s>", "eos_token": "</s>"}
    chats = []
    for name, template in CHAT_TEMPLATES.items():
        cases = []
        for chat_name, messages in CHATS.items():
            for prompt in (True, False):
                cases.append((chat_name, messages, special | {"add_generation_prompt": prompt}))
        if "qwen2-vl" in name:
            for value in (True, False):
                cases.append(("vision ids", CHATS["pictures in several turns"], {"add_generation_prompt": True, "add_vision_id": value}))
            cases.append(("vision ids, video", CHATS["a video"], {"add_generation_prompt": True, "add_vision_id": True}))
        if name == "backwards":
            for value in (True, False):
                cases.append(("thinking", CHATS["two turns"], {"add_generation_prompt": True, "enable_thinking": value}))
            cases.append(("thoughts", [user("a"), assistant("<think>\nhm\n</think>\n\nb"), user("\nc\n")], {"add_generation_prompt": True}))
        if name == "tools":
            cases.append(("tools", TOOL_CHAT, {"add_generation_prompt": True, "tools": TOOLS}))
            cases.append(("calls without tools", TOOL_CHAT[1:], {"add_generation_prompt": True}))
        rows = []
        for chat_name, messages, arguments in cases:
            rows.append(
                {"name": chat_name, "messages": messages, "arguments": arguments} | _render(template, messages, arguments)
            )
        chats.append({"name": name, "template": template, "cases": rows})
        count += len(rows)
    write_json(folder / "chats.json", {"templates": chats})
    pieces = []
    for group, templates in PIECES.items():
        for template in templates:
            pieces.append({"group": group, "template": template} | _render(template, [], CONTEXT))
    write_json(folder / "pieces.json", {"context": CONTEXT, "pieces": pieces})
    by_two = {c["name"]: c["cases"] for c in chats}
    for one, other in zip(by_two["qwen2-vl-one-line"], by_two["qwen2-vl-many-lines"]):
        if one.get("expected") != other.get("expected"):
            raise SystemExit(f"the two spellings of Qwen2-VL's template differ at {one['name']}")
    log(f"  {count} chats, {len(pieces)} pieces")
