"""Chat templates with the meaning of the Hub's: pictures first, then the texts of a message's list of parts."""

# Vicuna's roles in capitals, as chat_template.json on the Hub has it. A plain string's parts are characters: it vanishes.
VICUNA = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{# pictures before texts #}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] | selectattr('type', 'equalto', 'text') %}"
    "{% if message['role'] == 'assistant' %}{% generation %}{{ part['text'] + ' ' }}{% endgeneration %}"
    "{% else %}{{ part['text'] + ' ' }}{% endif %}"
    "{% endfor %}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)

# Mistral's instruction brackets, in many lines.
MISTRAL = """\
{%- for message in messages %}
    {%- if message.role == 'system' %}
        {{- '<<SYS>>\\n' + message.content[0].text + '\\n<</SYS>>\\n\\n' }}
    {%- elif message.role == 'user' %}
        {{- '[INST] ' }}
        {%- for part in message.content | selectattr('type', 'equalto', 'image') %}
            {{- '<image>\\n' }}
        {%- endfor %}
        {%- for part in message.content | selectattr('type', 'equalto', 'text') %}
            {{- part.text }}
        {%- endfor %}
        {{- ' [/INST]' }}
    {%- elif message.role == 'assistant' %}
        {{- ' ' + message.content[0].text + eos_token + ' ' }}
    {%- else %}
        {{- raise_exception('there is no role ' + message.role) }}
    {%- endif %}
{%- endfor %}
"""

# As MISTRAL, with the beginning of the text written out: the tokenizer must not put another before it.
MISTRAL_BOS = "{{- bos_token }}\n" + MISTRAL
