"""What a command says before it trains, at each pruning, and when all is done."""

from __future__ import annotations

import json
import re

from tests.open_lth.running import BAYESIAN, LENET, measures


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


def test_a_rise_of_the_kl_temperature_that_training_does_not_reach_the_end_of_is_said(workplace):
    words = ("lottery", *LENET, *BAYESIAN, "--levels=0", "--milestone_steps=1ep")
    assert warnings(workplace.done(*words, "--bayesian_kl_warmup=2ep").out) == []
    assert warnings(workplace.done(*words, "--bayesian_kl_warmup=50ep").out) == [
        "Warning: --bayesian_kl_warmup=50ep: is beyond the end of training, at 2ep"
    ]


def rows(out: str) -> list[list[str]]:
    """Return the table at the end of what was printed, without its head."""
    lines = [re.split(r"  +", line) for line in out.splitlines()]
    return lines[lines.index(["level", "density", "accuracy", "NLL", "where"]) + 1 :]


def test_a_lottery_ends_with_its_levels_also_when_all_was_there(trunk):
    shown = rows(trunk.workplace.done("lottery", "--levels=2", *trunk.words).out)
    assert [row[:2] for row in shown] == [["0", "100.00 %"], ["1", "79.99 %"], ["2", "63.97 %"]]
    for level, row in enumerate(shown):
        last = {name: value for name, i, value in measures(trunk.level(level)) if i == 12}
        assert row[2:4] == [f"{last['test_accuracy']:.4f}", f"{last['test_loss']:.4f}"]
        assert trunk.workplace.root / row[4] == trunk.level(level)


def test_a_branch_ends_with_its_levels_and_is_called_as_it_was_typed(trunk_of):
    trunk = trunk_of()
    for name, flags in (("shuffle", ("--seed=1",)), ("randomly_prune", ("--seed=2",)), ("reinit", ())):
        out = trunk.workplace.done("lottery_branch", name, "--levels=1-2", *trunk.words, *flags).out
        assert [row[0] for row in rows(out)] == ["1", "2"]
        assert {line.split()[0] for line in out.splitlines() if line.startswith("level_")} == {
            f"level_{level}/{name}" for level in (1, 2)
        }


def test_a_training_run_ends_with_its_measures(workplace):
    [row] = rows(workplace.done("train", *LENET, "--training_steps=1it").out)
    assert row[0] == "-" and row[4].endswith("/replicate_1/main")


def test_each_pruning_says_how_much_std_had_to_say(workplace):
    out = workplace.done("lottery", "--levels=1", *LENET, *BAYESIAN).out
    said = [line for line in out.splitlines() if line.startswith("level_1: ")]
    assert said[0] == "level_1: 79.99 % of the prunable weights are left"
    assert re.fullmatch(
        r"level_1: σ spreads by .*\|μ\| would have kept \d+\.\d % of the same weights, and pruned \d+\.\d %", said[1]
    )
    assert said[2].startswith("level_1: Warning: σ says next to nothing of single weights")
    assert "9,550 of 9,550 parameters are random" in out


def test_time_left_is_said_if_it_is_worth_it(trunk_of):
    trunk = trunk_of()
    timing = json.loads((trunk.level(2) / "timing.json").read_text())
    (trunk.level(2) / ".timing.json.sha256").unlink()
    (trunk.level(2) / "timing.json").write_text(json.dumps({**timing, "seconds": 600.0}))
    out = trunk.workplace.done("lottery", "--levels=5", *trunk.words).out
    assert " % of the prunable weights are left; about 0:30:00 hours for levels 3 to 5\n" in out
    assert out.count("hours for levels") == 1


def test_a_missing_trunk_is_refused_with_the_lottery_that_is_nearest(trunk_of):
    trunk = trunk_of()
    words = ("lottery_branch", "reinit", "--levels=1", *trunk.words)
    error = trunk.workplace.refused(*words, "--lr=0.02", "--warmup_steps=3it")
    assert error.endswith(
        f"; {trunk.directory.parent.name} is there, which has lr 0.1 where this has 0.02, "
        "warmup_steps not given where this has 3it"
    )
    elsewhere = ("--momentum=0.5", "--lr=0.3", "--gamma=0.1", "--milestone_steps=1ep", "--warmup_steps=3it")
    assert " is there, " not in trunk.workplace.refused(*words, *elsewhere, "--weight_decay=0.1")


TOO_LATE = "without effect on runs that are finished; another --replicate or --root trains anew"


def test_what_acts_while_training_comes_too_late_for_what_is_finished_and_is_said_once(trunk_of):
    trunk = trunk_of()
    for words in (("lottery", "--levels=2"), ("lottery_branch", "reinit", "--levels=1-2")):
        command = (*words, *trunk.words, "--quiet")
        trunk.workplace.done(*command)
        outcome = trunk.workplace.run(*command, "--save_every=1ep", "--gradient_norms")
        assert (outcome.code, outcome.out) == (0, "")
        assert outcome.err == f"warning: --save_every, --gradient_norms: {TOO_LATE}\n"


def test_it_does_not_while_a_level_is_still_to_be_trained_nor_where_nothing_is_trained_anyway(trunk_of):
    trunk = trunk_of()
    trunk.workplace.done("lottery", "--levels=3", *trunk.words, "--quiet", "--evaluate_train")
    for _ in range(2):
        trunk.workplace.done("evaluate", "lottery", "--levels=1", *trunk.words, "--quiet", "--evaluate_train")
