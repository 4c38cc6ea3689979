"""The tokenizer and the chat template."""

import pytest
from transformers import AutoTokenizer

from reader import strings
from reader import tokenizer as tokenizers
from reader.batches import Prompts


def test_every_character_is_one_token(tokenizer) -> None:
    for character in strings.ALPHABET:
        assert len(tokenizer.encode(character)) == 1, character


@pytest.mark.parametrize("answer", ["£12.50", "What does", "user", "3,80 €", strings.BLANK_ANSWER, " a  b "])
def test_answers_are_spelled_in_single_characters(tokenizer, answer: str) -> None:
    ids = tokenizers.spell(tokenizer, answer)
    assert len(ids) == len(answer)
    assert tokenizer.decode(ids, skip_special_tokens=True) == answer


def test_merges_serve_the_wording_of_questions(tokenizer) -> None:
    assert all(len(tokenizer.encode(question)) <= 10 for question in strings.QUESTIONS)


def test_special_tokens_are_single_tokens(tokenizer) -> None:
    text = "".join(tokenizers.SPECIAL_TOKENS)
    assert len(tokenizer.encode(text)) == len(tokenizers.SPECIAL_TOKENS)
    assert tokenizer.decode(tokenizer.encode(text), skip_special_tokens=True) == ""


def test_a_saved_tokenizer_is_the_same(tokenizer, tmp_path) -> None:
    tokenizer.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    rendered = tokenizers.prompt(tokenizer, "What does it say?")
    assert loaded.encode(rendered) == tokenizer.encode(rendered)
    assert tokenizers.prompt(loaded, "What does it say?") == rendered


def test_a_picture_comes_before_its_question_without_a_system_message(tokenizer) -> None:
    assert tokenizers.prompt(tokenizer, "What does it say?") == (
        "<|im_start|>user\n<|vision_start|><|image_pad|><|vision_end|>What does it say?<|im_end|>\n"
        "<|im_start|>assistant\n")


def test_a_system_message_is_rendered_where_one_is_given(tokenizer) -> None:
    assert tokenizers.prompt(tokenizer, "Q", picture_first=False, system="Be brief.") == (
        "<|im_start|>system\nBe brief.<|im_end|>\n"
        "<|im_start|>user\nQ<|vision_start|><|image_pad|><|vision_end|><|im_end|>\n<|im_start|>assistant\n")


def test_plain_content_and_several_turns(tokenizer) -> None:
    messages = [
        {"role": "user", "content": [{"type": "image_url"}, {"type": "image"}, {"type": "text", "text": "Both?"}]},
        {"role": "assistant", "content": "No"},
        {"role": "user", "content": "Why?"}]
    picture = "<|vision_start|><|image_pad|><|vision_end|>"
    assert tokenizer.apply_chat_template(messages, tokenize=False) == (
        f"<|im_start|>user\n{picture}{picture}Both?<|im_end|>\n<|im_start|>assistant\nNo<|im_end|>\n"
        "<|im_start|>user\nWhy?<|im_end|>\n")


def test_training_sees_the_prompts_that_serving_renders(tokenizer) -> None:
    import random

    prompts, rng = Prompts(tokenizer), random.Random(0)
    rendered = {tokenizers.prompt(tokenizer, q, first, system) for q in strings.QUESTIONS for first in (True, False)
                for system in (None, *strings.SYSTEM_PROMPTS)}
    for _ in range(50):
        before, after = prompts.draw(rng)
        assert tokenizer.decode([*before, prompts.image, *after]) in rendered
