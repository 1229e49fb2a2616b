"""What their environment tells processes about their place among others."""

from __future__ import annotations

import pytest

from foundations.errors import UserError
from foundations.rendezvous import Launch, join_ranks, read_launch

WHOLE = {"RANK": "1", "WORLD_SIZE": "3", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


def test_the_whole_set_of_variables_tells_a_place():
    assert read_launch(WHOLE) == Launch(1, 3, 1, 3, "127.0.0.1", 29500)
    torchruns = {"LOCAL_WORLD_SIZE": "2", "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RESTART_COUNT": "1"}
    assert read_launch({**WHOLE, **torchruns}) == Launch(1, 3, 1, 2, "127.0.0.1", 29500, True, "1")


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"WORLD_SIZE": "1"},
        {"WORLD_SIZE": "1", "RANK": "0"},
        {**WHOLE, "WORLD_SIZE": "1", "RANK": "0"},
        {"RANK": "", "WORLD_SIZE": ""},
        {"MASTER_ADDR": "node", "MASTER_PORT": "1"},
        {"RANK": "0"},
        {name: value for name, value in WHOLE.items() if name != "WORLD_SIZE"},
    ],
)
def test_what_announces_nobody_leaves_a_process_alone(environment):
    assert read_launch(environment) is None
    assert join_ranks(10, environment).size == 1


@pytest.mark.parametrize("missing", ["RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"])
@pytest.mark.parametrize("how", ["unset", "empty"])
def test_a_part_of_the_set_leaves_it_alone_with_a_warning(missing, how):
    environment = {**WHOLE, missing: ""}
    if how == "unset":
        del environment[missing]
    with pytest.warns(UserWarning, match=f"^WORLD_SIZE=3 is set, but {missing} is not: this process runs alone$"):
        assert read_launch(environment) is None


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("RANK", "3", "from 0 to 2"),
        ("RANK", "-1", "from 0 to 2"),
        ("WORLD_SIZE", "many", "from 1 to"),
        ("WORLD_SIZE", "0", "from 1 to"),
        ("LOCAL_RANK", "7", "from 0 to 2"),
        ("MASTER_PORT", "70000", "from 1 to 65535"),
        ("MASTER_PORT", "٣", "from 1 to 65535"),
        ("LOCAL_WORLD_SIZE", "4", "from 1 to 3"),
    ],
)
def test_a_value_that_no_launcher_gives_is_refused_by_name(name, value, valid):
    with pytest.raises(UserError, match=f"^the environment variable {name}={value}: must be a whole number {valid}"):
        read_launch({**WHOLE, name: value})
