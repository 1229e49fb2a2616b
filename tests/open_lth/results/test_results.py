"""The table of runs, against files written by hand and against real runs."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest

from foundations.errors import UserError
from open_lth.results import (
    COLUMNS,
    CURVE_COLUMNS,
    read_curves,
    read_diagnostics,
    read_ood,
    read_runs,
    read_shifts,
)
from open_lth.results.run_files import SHIFT_MEASURES
from open_lth.results.tables import DIAGNOSTICS_COLUMNS, OOD_COLUMNS, SHIFT_COLUMNS
from tests.open_lth.running import measures

LOGGER = """test_loss,0,2.3
test_accuracy,0,0.1
test_mace,0,0.2
test_examples,0,50
test_loss,6,0.5
test_accuracy,6,0.9
test_mace,6,0.05
test_examples,6,50
test_loss,12,0.4
test_accuracy,12,0.8
test_mace,12,0.06
test_examples,12,50"""
FINAL = {
    "accuracy": {"mean": 0.81, "std": 0.02, "values": [0.79, 0.83]},
    "mace": {"mean": 0.07, "std": None, "values": []},
}
HASH = "0123456789abcdef0123456789abcdef"


def write(directory: Path, logger: str = LOGGER, **files: object) -> str:
    """Write a run's files: the logger, and JSON files by name."""
    directory.mkdir(parents=True)
    (directory / "logger").write_text(logger)
    for name, content in files.items():
        (directory / f"{name}.json").write_text(json.dumps(content))
    return str(directory)


@pytest.fixture
def replicate(tmp_path) -> Path:
    """Where a lottery's replicate has its files."""
    return tmp_path / f"lottery_{HASH}" / "replicate_3"


def only(table: pd.DataFrame) -> pd.Series:
    """The only row."""
    [(_, row)] = table.iterrows()
    return row


def test_a_row_has_place_density_peak_final_measures_and_cost(replicate):
    timing = {"seconds": 42.5, "machine": "node7", "device": "cuda:0", "processor": "Fast GPU", "threads": 3}
    sparsity = {"total": 400.0, "unpruned": 100.0}
    directory = write(replicate / "level_2" / "main", sparsity_report=sparsity, timing=timing)
    row = only(read_runs([directory]))
    assert (row["experiment"], row["replicate"], row["level"], row["kind"]) == (f"lottery_{HASH}", 3, 2, "main")
    assert (row["density"], row["directory"]) == (0.25, directory)
    assert (row["peak_iteration"], row["peak_accuracy"], row["peak_loss"], row["peak_mace"]) == (6, 0.9, 0.5, 0.05)
    assert (row["final_accuracy"], row["final_loss"], row["passes"], row["test_examples"]) == (0.8, 0.4, 1, 50)
    assert (row["seconds"], row["machine"], row["device"], row["processor"]) == (42.5, "node7", "cuda:0", "Fast GPU")
    assert row["threads"] == 3


def test_repeated_passes_take_the_place_of_the_last_logged_measures(replicate):
    row = only(read_runs([write(replicate / "level_2" / "main", evaluation={"passes": 2, "final": FINAL})]))
    assert (row["passes"], row["final_accuracy"], row["final_accuracy_std"]) == (2, 0.81, 0.02)
    assert row["final_mace"] == 0.07 and pd.isna(row["final_mace_std"])
    assert row["final_loss"] == 0.4  # which was not measured again
    assert row["peak_accuracy"] == 0.9


def test_what_is_not_known_is_missing_and_the_columns_are_always_the_same(replicate):
    row = only(read_runs([write(replicate / "level_0" / "main", logger="train_loss,6,1.0")]))
    unknown = set(COLUMNS) - {"experiment", "replicate", "level", "kind", "directory"}
    assert [name for name in unknown if not pd.isna(row[name])] == []
    for table in (read_runs([]), read_runs([row["directory"]])):
        assert {name: str(kind) for name, kind in table.dtypes.items()} == COLUMNS


@pytest.mark.parametrize(
    ("place", "level", "kind"),
    [
        ("level_0/main", 0, "main"),
        ("level_12/lrr", 12, "lrr"),
        (f"level_3/lottery_branch_randomly_reinitialize_{HASH}", 3, "randomly_reinitialize"),
        ("level_pretrain/main", None, "pretrain"),
        ("main", None, "main"),
    ],
)
def test_level_and_kind_are_told_by_the_place(replicate, place, level, kind):
    row = only(read_runs([write(replicate / place)]))
    assert row["kind"] == kind
    assert pd.isna(row["level"]) if level is None else row["level"] == level
    assert (row["experiment"], row["replicate"]) == (f"lottery_{HASH}", 3)


def test_a_root_gives_all_its_finished_runs_in_order(tmp_path, replicate):
    write(tmp_path / "train_a" / "replicate_1" / "main")
    for level in (0, 1):
        write(replicate / f"level_{level}" / "main")
    (replicate / "level_2" / "main").mkdir(parents=True)  # begun, and not finished
    table = read_runs(str(tmp_path))
    assert table["experiment"].tolist() == [f"lottery_{HASH}", f"lottery_{HASH}", "train_a"]
    assert table["level"].tolist() == [0, 1, pd.NA]


def test_no_runs_make_an_empty_table(tmp_path):
    table = read_runs([])
    assert table.empty and list(table) == list(COLUMNS)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("logger", "test_accuracy,6"),
        ("evaluation.json", "{"),
        ("evaluation.json", '{"passes": 2}'),
        ("evaluation.json", "[]"),
        ("timing.json", "nonsense"),
        ("timing.json", "[1]"),
        ("timing.json", '{"seconds": 1, "threads": "many"}'),
        ("timing.json", '{"seconds": 1, "threads": 1e999}'),
        ("sparsity_report.json", '{"total": 0}'),
        ("sparsity_report.json", '{"total": 0, "unpruned": 0}'),
    ],
)
def test_a_damaged_run_is_left_out_with_a_warning_that_names_the_file(replicate, caplog, file, content):
    good, bad = write(replicate / "level_0" / "main"), write(replicate / "level_1" / "main")
    (Path(bad) / file).write_text(content)
    table = read_runs([good, bad])
    assert table["level"].tolist() == [0]
    [message] = caplog.messages
    assert message.startswith(f"left out: {bad}/{file}: ") and "\n" not in message


def test_a_directory_that_is_no_replicates_is_left_out_with_a_warning(tmp_path, caplog):
    assert read_runs([write(tmp_path / "elsewhere" / "main")]).empty
    assert re.fullmatch("left out: .*elsewhere: is not the directory of a replicate", caplog.messages[0])


def test_real_runs_are_read(trunk):
    trunk.branch("reinit")
    table = read_runs(trunk.workplace.root)
    assert list(zip(table["level"], table["kind"], strict=True)) == [
        (0, "main"),
        (1, "randomly_reinitialize"),
        (1, "main"),
        (2, "main"),
    ]
    assert table["density"].round(2).tolist() == [1.0, 0.8, 0.8, 0.64]
    known = ["peak_accuracy", "final_accuracy", "final_brier", "seconds", "processor", "threads"]
    assert table[known].notna().all(axis=None)
    assert (table["test_examples"] == 360).all()


def test_curves_have_a_row_for_each_measure_at_each_step(replicate):
    directory = write(replicate / "level_2" / "main")
    for step in ("ep0_it0", "ep2_it2"):
        (Path(directory) / f"model_{step}.pth").touch()
    table = read_curves([directory])
    assert len(table) == 12
    assert {name: str(kind) for name, kind in table.dtypes.items()} == CURVE_COLUMNS
    curve = table[table["measure"] == "test_accuracy"]
    assert curve["value"].tolist() == [0.1, 0.9, 0.8]
    assert curve["iteration"].tolist() == [0, 6, 12]
    assert curve["epoch"].tolist() == [0, 1.2, 2.4]  # the last iteration, 12, is 2 epochs and 2 iterations
    places = curve[["experiment", "replicate", "level", "kind", "directory"]].drop_duplicates()
    assert places.values.tolist() == [[f"lottery_{HASH}", 3, 2, "main", directory]]


@pytest.mark.parametrize("kept", [(), ("ep0_it0",), ("ep1_it0",), ("ep0_it0", "ep0_it12")])
def test_epochs_are_missing_where_their_length_is_not_known(replicate, kept):
    directory = write(replicate / "level_0" / "main")
    for step in kept:
        (Path(directory) / f"model_{step}.pth").touch()
    table = read_curves([directory])
    assert table["iteration"].notna().all() and table["epoch"].isna().all()


def test_curves_of_damaged_runs_are_left_out_with_a_warning(replicate, caplog):
    good, bad = write(replicate / "level_0" / "main"), write(replicate / "level_1" / "main")
    (Path(bad) / "logger").write_text("test_accuracy,6")
    table = read_curves([good, bad])
    assert caplog.messages[0].startswith(f"left out: {bad}/logger: ")
    assert set(table["level"]) == {0}


def test_without_runs_there_are_no_curves(tmp_path):
    table = read_curves([])
    assert table.empty and list(table) == list(CURVE_COLUMNS)


def test_curves_of_real_runs_are_their_loggers(trunk):
    table = read_curves(trunk.workplace.root)
    for level in (0, 1, 2):
        own = table[table["level"] == level]
        found = list(zip(own["measure"], own["iteration"], own["value"], strict=True))
        assert found == measures(trunk.level(level))
    assert sorted(table["epoch"].unique()) == [0, 1, 2]
    ends = table[(table["epoch"] == 2) & (table["measure"] == "test_accuracy")]["value"].tolist()
    assert ends == read_runs(trunk.workplace.root)["final_accuracy"].tolist()


def test_the_epoch_of_the_best_validation_accuracy_gives_the_test_measures_there(replicate):
    accuracies = {0: 0.1, 6: 0.7, 12: 0.8}
    validation = "\n".join(f"validation_accuracy,{iteration},{value}" for iteration, value in accuracies.items())
    row = only(read_runs([write(replicate / "level_2" / "main", logger=f"{LOGGER}\n{validation}")]))
    assert (row["chosen_iteration"], row["chosen_accuracy"], row["chosen_mace"]) == (12, 0.8, 0.06)
    assert (row["peak_iteration"], row["peak_accuracy"]) == (6, 0.9)


def test_the_held_out_examples_have_measures_of_their_own_at_the_end(replicate):
    validation = "validation_accuracy,6,0.9\nvalidation_loss,6,0.3\nvalidation_accuracy,12,0.75\nvalidation_loss,12,0.5"
    row = only(read_runs([write(replicate / "level_2" / "main", logger=f"{LOGGER}\n{validation}")]))
    assert (row["validation_accuracy"], row["validation_loss"]) == (0.75, 0.5) and math.isnan(row["validation_mace"])
    assert row["final_accuracy"] == only(read_runs([write(replicate / "level_3" / "main")]))["final_accuracy"]


def spread(*values: float) -> dict[str, object]:
    return {"mean": sum(values) / len(values), "std": 0.01 if len(values) > 1 else None, "values": list(values)}


EVALUATION = {
    "passes": 2,
    "final": {**FINAL, "aurc": spread(0.1, 0.2), "mace_floor": spread(0.02), "examples": spread(50.0)},
    "shift": {"blur": {"1": {"accuracy": spread(0.8, 0.6)}, "2": {"accuracy": spread(0.5)}}},
    "ood": {"svhn": {"entropy": {"auroc": spread(0.9)}, "mutual_information": {"auroc": spread(0.95)}}},
    "diagnostics": {"conv": {"kl": 3.0}, "all layers": {"kl": 7.0, "std_spread": 2.0}},
}


def test_what_evaluate_alone_finds_has_columns_where_there_is_any(replicate):
    evaluated = write(replicate / "level_2" / "main", evaluation=EVALUATION)
    table = read_runs([evaluated, write(replicate / "level_3" / "main")])
    own = ["shift_blur_accuracy"]
    own += [f"ood_svhn_{score}_auroc" for score in ("entropy", "mutual_information")]
    assert {*table.columns} == {*COLUMNS, *own, *(f"shift_blur_{measure}" for measure in SHIFT_MEASURES)}
    assert table.loc[0, own].tolist() == pytest.approx([0.6, 0.9, 0.95])
    assert table.loc[1, own].isna().all()
    assert (table.loc[0, "final_aurc"], table.loc[0, "final_mace_floor"]) == (pytest.approx(0.15), 0.02)


def test_shifts_ood_and_diagnostics_have_tables_with_a_row_for_each_number(replicate):
    directory = write(replicate / "level_2" / "main", evaluation=EVALUATION)
    shifts, ood, diagnostics = read_shifts([directory]), read_ood([directory]), read_diagnostics([directory])
    assert shifts[["level", "shift", "severity", "measure", "value", "passes"]].to_numpy().tolist() == [
        [2, "blur", 1, "accuracy", 0.7, 2],
        [2, "blur", 2, "accuracy", 0.5, 1],
    ]
    assert shifts["std"].isna().tolist() == [False, True]
    assert ood[["ood", "score", "measure", "value"]].to_numpy().tolist() == [
        ["svhn", "entropy", "auroc", 0.9],
        ["svhn", "mutual_information", "auroc", 0.95],
    ]
    assert diagnostics[["layer", "measure", "value"]].to_numpy().tolist() == [
        ["conv", "kl", 3.0],
        ["all layers", "kl", 7.0],
        ["all layers", "std_spread", 2.0],
    ]


def test_a_run_that_was_not_evaluated_has_no_rows_in_them_but_all_columns(replicate):
    directory = write(replicate / "level_2" / "main")
    readers = {read_shifts: SHIFT_COLUMNS, read_ood: OOD_COLUMNS, read_diagnostics: DIAGNOSTICS_COLUMNS}
    for read, columns in readers.items():
        table = read([directory])
        assert table.empty and {name: str(kind) for name, kind in table.dtypes.items()} == columns


def test_ensembles_are_rows_of_kinds_of_their_own(tmp_path, replicate):
    experiment = f"lottery_{HASH}"
    for number in (1, 3):
        for level in (0, 1):
            write(
                tmp_path / experiment / f"replicate_{number}" / f"level_{level}" / "main",
                sparsity_report={"total": 100, "unpruned": 100 - 20 * level},
            )
    of_replicates = [f"{experiment}/replicate_{number}/level_1/main" for number in (1, 3)]
    of_levels = [f"{experiment}/replicate_3/level_{level}/main" for level in (0, 1)]
    for place, members in (
        (tmp_path / experiment / "ensemble_of_replicates" / "level_1" / "main", of_replicates),
        (tmp_path / experiment / "ensemble_of_replicates" / "level_1" / "lrr", of_replicates),
        (replicate / "ensemble_of_levels" / "main", of_levels),
    ):
        place.mkdir(parents=True)
        (place / "evaluation.json").write_text(json.dumps({**EVALUATION, "members": members}))
    table = read_runs(tmp_path)
    runs, ensembles = table[table["members"].isna()], table[table["members"].notna()]
    assert len(runs) == 4 and runs["kind"].tolist() == ["main"] * 4
    of_replicates, of_levels = "ensemble_of_replicates", "ensemble_of_levels"
    assert ensembles["kind"].tolist() == [f"{of_replicates} of lrr", of_replicates, of_levels]
    assert ensembles["experiment"].tolist() == [experiment] * 3
    assert ensembles["replicate"].tolist() == [pd.NA, pd.NA, 3]
    assert ensembles["level"].tolist() == [1, 1, pd.NA]
    assert ensembles["members"].tolist() == [2, 2, 2] and ensembles["test_examples"].tolist() == [50.0] * 3
    assert ensembles["density"].iloc[0] == 0.8 and pd.isna(ensembles["density"].iloc[2])
    assert ensembles["final_accuracy"].tolist() == [0.81] * 3 and ensembles["peak_accuracy"].isna().all()
    assert set(read_ood(tmp_path)["kind"]) == set(ensembles["kind"])


def test_a_damaged_ensemble_is_left_out_with_a_warning(tmp_path, caplog):
    place = tmp_path / f"lottery_{HASH}" / "ensemble_of_replicates" / "level_1" / "main"
    place.mkdir(parents=True)
    (place / "evaluation.json").write_text(json.dumps({**EVALUATION, "members": []}))
    assert read_runs(tmp_path).empty
    assert caplog.messages[0].startswith(f"left out: {place}/evaluation.json: does not hold what it should")


def test_all_hyperparameters_are_in_the_table(trunk_of):
    trunk = trunk_of()
    trunk.branch("reinit")
    trunk.workplace.done("lottery", "--levels=0", *trunk.words, "--weight_decay=0.001", "--quiet")
    table = read_runs(trunk.workplace.root)
    assert list(table)[: len(COLUMNS)] == list(COLUMNS)
    assert set(table["lr"]) == {"0.1"} and set(table["training_steps"]) == {"2ep"}
    assert sorted(table.loc[table["level"] == 0, "weight_decay"].fillna("none")) == ["0.001", "none"]


def test_a_place_without_results_is_refused_and_one_run_is_read(trunk_of, tmp_path):
    trunk = trunk_of()
    for read in (read_runs, read_curves, read_diagnostics, read_ood, read_shifts):
        for root in (tmp_path / "nowhere", trunk.directory / "level_7"):
            with pytest.raises(UserError, match="holds no results; give the results root, or the directories of runs"):
                read(root)
    [row] = read_runs(trunk.level(1)).to_dict("records")
    assert row["level"] == 1
