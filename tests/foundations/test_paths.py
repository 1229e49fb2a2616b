from __future__ import annotations

from pathlib import Path

import pytest

from foundations.paths import ExperimentPaths, RunPaths
from foundations.step import Step

ROOT = Path("/results")


def test_a_run_without_levels_lies_in_main():
    assert ExperimentPaths(ROOT, "train_ab12", 3).main().directory == Path("/results/train_ab12/replicate_3/main")


@pytest.mark.parametrize(
    ("level", "experiment", "expected"),
    [(0, "main", "level_0/main"), (12, "lottery_branch_retrain_ff", "level_12/lottery_branch_retrain_ff"),
     ("pretrain", "main", "level_pretrain/main")],
)  # fmt: skip
def test_a_level_and_its_branches_lie_in_the_replicates_directory(level, experiment, expected):
    paths = ExperimentPaths(ROOT, "lottery_ab12", 1)
    assert paths.level(level, experiment).directory == paths.directory / expected
    assert paths.directory == Path("/results/lottery_ab12/replicate_1")


def test_files_have_openlths_names():
    paths = RunPaths(ROOT)
    assert [path.name for path in (paths.mask, paths.sparsity_report, paths.logger, paths.hparams, paths.checkpoint)] \
        == ["mask.pth", "sparsity_report.json", "logger", "hparams.log", "checkpoint.pth"]  # fmt: skip
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
        paths = ExperimentPaths(root, replicate.parent.name, 1).level(level, directory.name)
        known = {paths.mask, paths.sparsity_report, paths.logger, paths.hparams, paths.checkpoint,
                 paths.model(step["0it"]), paths.model(step["2ep"])}  # fmt: skip
        assert set(directory.iterdir()) <= known
        found += 1
    assert found == 4
