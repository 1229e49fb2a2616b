"""What of an attention layer goes, and that what is left attends as before."""

from __future__ import annotations

import pytest
import torch
from timm.layers import Attention
from torch import Tensor, nn

from open_lth.compaction import TOLERANCE, AttentionSize, compact
from open_lth.compaction.narrowing import NarrowAttention
from tests.open_lth.compaction.networks import images_of

WIDTH, HEADS, SIZE = 8, 2, 4


class Tokens(nn.Module):
    """Attention over tokens, with the tokens carried around it, and one linear layer."""

    def __init__(self, **options: object) -> None:
        super().__init__()
        self.attn = Attention(WIDTH, HEADS, qkv_bias=True, **options)
        self.fc = nn.Linear(WIDTH, 3)

    def forward(self, tokens: Tensor) -> Tensor:
        return self.fc(tokens + self.attn(tokens)).mean(dim=1)


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    tokens = Tokens().eval()
    nn.init.normal_(tokens.attn.qkv.bias)
    nn.init.normal_(tokens.attn.proj.bias)
    return tokens


@torch.no_grad()
def empty(model: nn.Module, what: int, head: int, dims: list[int], bias: float | None = None) -> None:
    """Prune the weights that make dimensions of queries (0), keys (1) or values (2) of a head."""
    rows = [what * WIDTH + head * SIZE + dim for dim in dims]
    model.attn.qkv.weight[rows] = 0.0
    if bias is not None:
        model.attn.qkv.bias[rows] = bias


def size_of(model: nn.Module) -> AttentionSize | None:
    compacted = compact(model, images_of(5, 7, WIDTH))
    assert compacted.deviation <= TOLERANCE
    return compacted.attention.get("attn")


def test_a_whole_layer_stays_as_it_is(model):
    assert size_of(model) is None


@pytest.mark.parametrize(
    ("what", "bias", "expected"),
    [
        (0, 0.0, (2, 3, 4)),  # queries of 0
        (0, 1.0, None),  # a query of 1 weighs the tokens by their keys
        (1, 0.0, (2, 3, 4)),  # keys of 0
        (1, 1.0, (2, 3, 4)),  # a key of 1 for all tokens adds the same to all products
        (2, 0.0, (2, 4, 3)),  # values of 0
        (2, 1.0, (2, 4, 3)),  # values of 1, whose mean is 1
    ],
)
def test_dimensions_go_that_have_no_effect_in_any_head(model, what, bias, expected):
    for head in range(HEADS):
        empty(model, what, head, [head], bias)  # another one in each head
    assert size_of(model) == (expected and AttentionSize(*expected, scale=0.5))


def test_the_head_that_needs_most_decides(model):
    empty(model, 2, 0, [0, 1, 2])
    empty(model, 2, 1, [3])
    assert size_of(model) == AttentionSize(heads=2, matching=4, values=3, scale=0.5)


def test_values_go_that_nobody_reads(model):
    with torch.no_grad():
        model.attn.proj.weight[:, [0, SIZE + 2]] = 0.0
    assert size_of(model) == AttentionSize(heads=2, matching=4, values=3, scale=0.5)


def test_a_head_goes_whose_values_are_constant_or_unread(model):
    empty(model, 2, 1, [0, 1])
    with torch.no_grad():
        model.attn.proj.weight[:, [SIZE + 2, SIZE + 3]] = 0.0
    assert size_of(model) == AttentionSize(heads=1, matching=4, values=4, scale=0.5)


def test_without_any_match_all_tokens_weigh_the_same(model):
    empty(model, 1, 0, [0, 1, 2, 3])
    empty(model, 1, 1, [0, 1, 2, 3])
    assert size_of(model) == AttentionSize(heads=2, matching=1, values=4, scale=0.5)


def test_of_a_layer_without_values_one_head_of_one_dimension_is_left(model):
    for head in range(HEADS):
        empty(model, 2, head, [0, 1, 2, 3])
    assert size_of(model) == AttentionSize(heads=1, matching=4, values=1, scale=0.5)


def test_attention_that_normalises_its_queries_stays():
    torch.manual_seed(0)
    model = Tokens(qk_norm=True, norm_layer=nn.LayerNorm).eval()
    empty(model, 2, 0, [0, 1, 2, 3])
    empty(model, 2, 1, [0, 1, 2, 3])
    assert size_of(model) is None


@pytest.mark.parametrize(("matching", "values"), [(3, 5), (5, 3), (4, 4)])
def test_a_narrow_layer_attends_as_the_formula_says(matching, values):
    torch.manual_seed(0)
    size = AttentionSize(HEADS, matching, values, scale=0.7)
    inner = nn.Linear(WIDTH, HEADS * (2 * matching + values))
    narrow = NarrowAttention(size, inner, nn.Linear(HEADS * values, WIDTH))
    tokens = torch.randn(2, 7, WIDTH)
    query, key, value = inner(tokens).split([HEADS * matching, HEADS * matching, HEADS * values], dim=-1)
    heads = []
    for head in range(HEADS):
        q, k = (part[..., head * matching : (head + 1) * matching] for part in (query, key))
        v = value[..., head * values : (head + 1) * values]
        heads.append((0.7 * q @ k.transpose(1, 2)).softmax(dim=-1) @ v)
    assert torch.allclose(narrow(tokens), narrow.proj(torch.cat(heads, dim=-1)), atol=1e-5)
