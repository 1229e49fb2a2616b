"""Commands from Python: the same runs as from the command line, as handles."""

from __future__ import annotations

import pytest
import torch

from foundations.errors import UserError
from open_lth import api
from tests.open_lth.running import mask, same, weights

FLAGS = {"default_hparams": "mnist_lenet_12", "dataset_name": "digits", "training_steps": "2ep", "batch_size": 256}


@pytest.fixture
def flags(workplace):
    return {**FLAGS, "root": str(workplace.root), "dataset_root": str(workplace.dataset_root)}


def test_a_lottery_is_the_commands_own(workplace, flags, capsys):
    found = api.lottery(levels=2, **flags)
    words = [f"--{name}={value}" for name, value in FLAGS.items()]
    place = workplace.place("lottery", *words, "--levels=2")
    assert [run.directory for run in found] == [place / f"level_{level}" / "main" for level in range(3)]
    assert [run.level for run in found] == [0, 1, 2] and all(run.is_finished for run in found)
    assert capsys.readouterr() == ("", "")
    before = (place / "level_2/main/logger").stat().st_mtime_ns
    assert api.lottery(levels=2, **flags)[-1].measures() == found[-1].measures()
    assert (place / "level_2/main/logger").stat().st_mtime_ns == before


def test_a_handle_has_network_mask_measures_and_tables(flags):
    found = api.lottery(levels=1, **flags)
    run = found[1]
    assert same(run.network().state_dict(), weights(run.directory, "ep2_it0"))
    assert same(run.network("0ep").state_dict(), weights(run.directory, "ep0_it0"))
    assert same(run.mask(), mask(run.directory)) and 0.79 < run.mask().density < 0.81
    table = found.table()
    assert table["level"].tolist() == [0, 1]
    assert table["final_accuracy"].tolist() == [one.measures()["test_accuracy"] for one in found]
    assert set(found[:1].curves()["directory"]) == {str(found[0].directory)}
    assert repr(found).startswith("<2 of 2 runs of lottery --levels=1 --default_hparams=mnist_lenet_12")


def test_branches_and_evaluations_take_the_lottery_they_are_of(flags):
    trunk = api.lottery(levels=2, **flags)
    shuffled = api.branch("shuffle", trunk, seed=1)
    assert [run.level for run in shuffled] == [1, 2]
    assert [run.mask().unpruned for run in shuffled] == [run.mask().unpruned for run in trunk[1:]]
    again = api.branch("reinit", trunk, levels="2", start_at_step_zero=True)
    assert [(run.level, run.training.paths.kind) for run in again] == [(2, "randomly_reinitialize")]
    table = api.evaluate(trunk, passes=2).table()
    assert table["passes"].tolist() == [2, 2, 2]
    assert api.evaluate(shuffled, passes=3).table()["passes"].tolist() == [3, 3]


def test_what_trains_nothing_has_results(flags):
    trunk = api.lottery(levels=1, **flags)
    api.branch("fork", trunk)
    assert len(api.branch("connect", trunk, points=3)) == 0
    assert len(api.read_results(flags["root"], "connect")) == 3


def test_one_training_run(flags):
    [run] = api.train(**flags)
    assert run.level is None and run.measures()["test_accuracy"] > 0.2


def test_handles_on_what_is_not_there_yet(flags):
    found = api.open_runs("lottery", levels=1, **flags)
    assert [run.is_finished for run in found] == [False, False] and found.table().empty


def test_mistakes_are_errors_in_one_line(flags):
    with pytest.raises(UserError, match=r"^--levls=1: no such flag; did you mean --levels\?"):
        api.lottery(levls=1, **flags)
    with pytest.raises(UserError, match=r"^--lr=-1.0: must be greater than 0"):
        api.train(lr=-1, **flags)


def test_ctrl_c_is_a_keyboard_interrupt_and_the_same_call_goes_on(flags, monkeypatch):
    from tests.contracts.test_contracts import interrupt

    whole = api.train(**flags, replicate=2)
    with monkeypatch.context() as patch:
        interrupt(patch, step=3)
        with pytest.raises(KeyboardInterrupt):
            api.train(**flags)
    [run] = api.train(**flags)
    assert run.is_finished and not torch.equal(*(next(one.network().parameters()) for one in (run, whole[0])))


def test_what_is_public_is_what_is_named():
    assert all(hasattr(api, name) for name in api.__all__) and api.__all__ == sorted(api.__all__)
