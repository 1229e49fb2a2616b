from __future__ import annotations

from pathlib import Path

import pytest

from foundations.errors import UserError
from foundations.paths import ReplicatePaths, RunPaths
from foundations.step import Step

ROOT = Path("/results")


def test_a_run_without_levels_lies_in_main():
    assert ReplicatePaths(ROOT, "train_ab12", 3).main().directory == Path("/results/train_ab12/replicate_3/main")


@pytest.mark.parametrize(
    ("level", "experiment", "expected"),
    [
        (0, "main", "level_0/main"),
        (12, "lottery_branch_retrain_ff", "level_12/lottery_branch_retrain_ff"),
        ("pretrain", "main", "level_pretrain/main"),
    ],
)
def test_a_level_and_its_branches_lie_in_the_replicates_directory(level, experiment, expected):
    paths = ReplicatePaths(ROOT, "lottery_ab12", 1)
    assert paths.level(level, experiment).directory == paths.directory / expected
    assert paths.directory == Path("/results/lottery_ab12/replicate_1")


def test_files_have_openlths_names():
    paths = RunPaths(ROOT)
    assert [
        path.name for path in (paths.mask, paths.sparsity_report, paths.logger, paths.hparams, paths.checkpoint)
    ] == ["mask.pth", "sparsity_report.json", "logger", "hparams.log", "checkpoint.pth"]
    assert paths.model(Step.from_str("3ep7it", 10)) == ROOT / "model_ep3_it7.pth"


def test_all_files_of_a_run_have_different_names():
    paths = RunPaths(ROOT)
    names = [paths.mask, paths.sparsity_report, paths.logger, paths.hparams, paths.checkpoint, paths.command]
    assert len(set(names)) == 6
    assert {path.parent for path in names} == {ROOT}
    assert paths.model(Step(12, 10)) == paths.model(Step.from_str("1ep2it", 10)) != paths.model(Step(12, 12))


def test_every_file_of_openlths_results_is_one_that_paths_name():
    root = Path(__file__).parents[1] / "data" / "openlth_root"
    step = {text: Step.from_str(text, 10) for text in ("0it", "2ep")}
    found = 0
    for directory in {file.parent for file in root.rglob("*") if file.is_file()}:
        replicate, level = directory.parents[1], directory.parent.name.removeprefix("level_")
        paths = ReplicatePaths(root, replicate.parent.name, 1).level(level, directory.name)
        known = {
            paths.mask,
            paths.sparsity_report,
            paths.logger,
            paths.hparams,
            paths.checkpoint,
            paths.model(step["0it"]),
            paths.model(step["2ep"]),
        }
        assert set(directory.iterdir()) <= known
        found += 1
    assert found == 4


HASH = "0123456789abcdef0123456789abcdef"
RUNS = {
    "train_ab/replicate_12/main": (None, "main", None),
    "lottery_ab/replicate_1/level_0/main": (0, "main", None),
    "lottery_ab/replicate_1/level_10/lrr": (10, "lrr", None),
    "lottery_ab/replicate_1/level_pretrain/main": ("pretrain", "pretrain", None),
    f"lottery_ab/replicate_1/level_3/lottery_branch_randomly_prune_{HASH}": (3, "randomly_prune", "level_3/main"),
}


@pytest.mark.parametrize("place", RUNS)
def test_a_runs_place_says_what_it_is(place):
    run = RunPaths(ROOT / place)
    level, kind, trunk = RUNS[place]
    assert (run.level, run.kind) == (level, kind)
    assert (run.trunk and run.trunk.directory) == (trunk and run.replicate.directory / trunk)


@pytest.mark.parametrize("place", RUNS)
def test_a_runs_place_is_found_back_from_what_it_is(place):
    run = RunPaths(ROOT / place)
    name, number = Path(place).parts[0], int(Path(place).parts[1].removeprefix("replicate_"))
    assert run.replicate == ReplicatePaths(ROOT, name, number)
    again = run.replicate.main() if run.level is None else run.replicate.level(run.level, run.directory.name)
    assert again == run


@pytest.mark.parametrize(
    "place", ["main", "lottery_ab/level_0/main", "lottery_ab/replicate_x/main", "a/replicate_٣/main"]
)
def test_what_lies_in_no_replicate_has_none(place):
    with pytest.raises(UserError, match="is not the directory of a replicate"):
        _ = RunPaths(ROOT / place).replicate


def test_networks_that_are_kept_are_found_by_epoch_and_iteration_in_their_order(tmp_path):
    run = RunPaths(tmp_path)
    names = ("model_ep10_it0.pth", "model_ep2_it0.pth", "model_ep2_it11.pth", "model_ep2_it9.pth")
    for name in (*names, "model_ep1_it0.pth.tmp", "model_epx_it0.pth", "mask.pth"):
        (tmp_path / name).touch()
    assert list(run.models()) == [(2, 0), (2, 9), (2, 11), (10, 0)]
    assert run.models()[2, 11] == tmp_path / "model_ep2_it11.pth" == run.model(Step.from_str("2ep11it", 20))


def test_a_run_is_finished_once_its_measures_are_there(tmp_path):
    run = RunPaths(tmp_path)
    run.checkpoint.touch()
    assert not run.is_finished
    run.logger.touch()
    assert run.is_finished


@pytest.mark.parametrize(
    ("place", "of", "level", "kind"),
    [
        ("replicate_1/level_2/main", "replicates", 2, "ensemble_of_replicates"),
        ("replicate_1/main", "replicates", None, "ensemble_of_replicates"),
        ("replicate_1/level_2/lrr", "replicates", 2, "ensemble_of_replicates of lrr"),
        (f"replicate_1/level_2/lottery_branch_retrain_{HASH}", "levels", None, "ensemble_of_levels of retrain"),
        (f"replicate_1/level_2/lottery_branch_fork_{HASH}/part_1", "levels", None, "ensemble_of_levels of fork/1"),
        (f"replicate_1/level_2/lottery_branch_fork_{HASH}/part_1", "replicates", 2, "ensemble_of_replicates of fork/1"),
        ("replicate_1/level_2/main", "levels", None, "ensemble_of_levels"),
    ],
)
def test_an_ensembles_place_says_whose_it_is(place, of, level, kind):
    run = RunPaths(ROOT / "lottery_ab" / place)
    ensemble = run.ensemble(of)
    assert (run.ensemble_of, ensemble.ensemble_of, ensemble.level, ensemble.kind) == (None, of, level, kind)
    assert ensemble.experiment == run.experiment == ROOT / "lottery_ab"
    if of == "levels":
        assert ensemble.replicate == run.replicate


def test_branches_of_one_name_and_their_trainings_have_ensembles_of_their_own():
    level = ROOT / "lottery_ab" / "replicate_1" / "level_2"
    runs = [
        RunPaths(level / f"lottery_branch_fork_{fork}" / f"part_{part}") for fork in ("ab", "cd") for part in (1, 2)
    ]
    assert len({run.ensemble("levels").directory for run in runs}) == 4
