import sys
from pathlib import Path

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from reader import tokenizer as tokenizers  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    return tokenizers.build(448)


@pytest.fixture(scope="session")
def tokens(tokenizer):
    return {t: tokenizer.convert_tokens_to_ids(t) for t in tokenizers.SPECIAL_TOKENS}
