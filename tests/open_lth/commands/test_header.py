"""What a command says before it trains."""

from __future__ import annotations

from tests.open_lth.running import LENET


def warnings(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith("Warning: ")]


def test_milestones_and_warm_up_beyond_the_end_of_training_are_said(workplace):
    words = ("lottery", *LENET, "--levels=0", "--milestone_steps=1ep,80ep,120ep", "--gamma=0.1", "--warmup_steps=5ep")
    assert warnings(workplace.done(*words).out) == [
        "Warning: --milestone_steps=80ep,120ep: without effect, since training ends at 2ep",
        "Warning: --warmup_steps=5ep: without effect, since training ends at 2ep",
    ]
    assert workplace.done(*words, "--quiet").out == ""


def test_those_of_pretraining_are_too_and_a_schedule_that_fits_is_no_matter(workplace):
    data = ("--pretrain_dataset_name=digits", "--pretrain_batch_size=256")
    words = ("lottery", *LENET, "--levels=0", "--pretrain", "--pretrain_training_steps=1ep", *data)
    assert warnings(workplace.done(*words, "--pretrain_warmup_steps=3it").out) == []
    assert warnings(workplace.done(*words, "--pretrain_warmup_steps=1ep").out) == [
        "Warning: --pretrain_warmup_steps=1ep: without effect, since training ends at 1ep"
    ]
