"""What each job asks for, from flags and a file."""

from __future__ import annotations

import json

import pytest

from foundations.arguments import Parser
from foundations.errors import UserError
from open_lth.flags.slurm import SlurmSettings, add_slurm_flags, read_settings


def read(*words: str) -> SlurmSettings:
    parser = Parser()
    add_slurm_flags(parser)
    return read_settings(parser.parse_args([f"--slurm_{word}" for word in words]))


def complaint(*words: str) -> str:
    with pytest.raises(UserError) as refused:
        read(*words)
    return str(refused.value)


def test_without_flags_the_cluster_decides_all_but_the_time_limit():
    settings = read()
    assert settings == SlurmSettings()
    assert (settings.minutes, settings.signal_seconds) == (240, 120)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("30", 30),
        ("30:00", 30),
        ("30:01", 31),  # sbatch rounds up, too
        ("04:00:00", 240),
        ("1-12", 36 * 60),
        ("1-12:30", 36 * 60 + 30),
        ("1-12:30:30", 36 * 60 + 31),
        ("0:30", 1),
    ],
)
def test_a_time_is_read_as_sbatch_reads_it(text, minutes):
    assert read(f"time={text}").minutes == minutes


@pytest.mark.parametrize("text", ["", "soon", "1h", "-5", "1:2:3:4", "1-", "1-2:3:4:5", "4.5", "٣"])
def test_what_is_no_time_is_refused(text):
    assert (
        complaint(f"time={text}")
        == f"--slurm_time={text}: must be a time as sbatch takes it, e.g. 30, 04:00:00 or 1-12"
    )


@pytest.mark.parametrize("text", ["0", "00:00:00"])
def test_a_limit_of_nothing_is_refused(text):
    assert complaint(f"time={text}") == f"--slurm_time={text}: must be longer than nothing"


@pytest.mark.parametrize(("minutes", "delay"), [("1", 15), ("4", 60), ("8", 120), ("600", 120)])
def test_a_job_is_told_two_minutes_before_its_limit_or_a_quarter_of_a_short_one(minutes, delay):
    assert read(f"time={minutes}").signal_seconds == delay


def test_a_signal_before_the_job_has_begun_is_refused():
    assert complaint("time=2", "signal_delay=120").endswith("must be less than the time limit, 120 seconds")
    assert read("time=2", "signal_delay=119").signal_seconds == 119


@pytest.mark.parametrize("name", ["gpus", "cpus", "parallel", "signal_delay"])
@pytest.mark.parametrize("text", ["0", "-1", "two", "1.5", ""])
def test_what_is_no_number_is_refused(name, text):
    assert complaint(f"{name}={text}") == f"--slurm_{name}={text}: must be a whole number of at least 1"


def test_a_number_beyond_all_measure_is_refused():
    assert complaint(f"gpus={'9' * 20}").endswith(": must be a whole number of at least 1")


@pytest.mark.parametrize("size", ["16GB", "900M", "4000", "1t", "12gb"])
def test_memory_is_passed_on_as_it_is(size):
    assert read(f"mem={size}").mem == size


@pytest.mark.parametrize("size", ["much", "16 GB", "16XB", "-1", ""])
def test_what_is_no_size_is_refused(size):
    assert complaint(f"mem={size}") == f"--slurm_mem={size}: must be a size as sbatch takes it, e.g. 16GB or 900M"


def test_further_options_of_sbatch_are_taken_with_and_without_a_value():
    words = ("constraint=a100|h100", "--exclusive", "mail_type=END", "constraint=h100")
    assert read(*(f"extra={word}" for word in words)).extra == (
        ("constraint", "a100|h100"),
        ("exclusive", None),
        ("mail-type", "END"),
        ("constraint", "h100"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "must be text"),
        ("=3", "must look like KEY or KEY=VALUE, e.g. constraint=a100"),
        ("qos=", "must look like KEY or KEY=VALUE, e.g. constraint=a100"),
        ("-p gpu", "must look like KEY or KEY=VALUE, e.g. constraint=a100"),
        ("gpus_per_node=2", "--slurm_gpus is there for this"),
        ("--time=5", "--slurm_time is there for this"),
        ("array=0-3", "is decided by the project"),
        ("no-requeue", "is decided by the project"),
        ("arr=0-3", "is decided by the project"),  # sbatch takes beginnings of options as well
        ("tim=5", "--slurm_time is there for this"),
        ("wait", "is decided by the project"),
    ],
)
def test_a_further_option_that_would_break_something_is_refused(text, expected):
    assert complaint(f"extra={text}") == f"--slurm_extra={text}: {expected}"


def test_a_file_says_the_same_and_flags_win(tmp_path):
    file = tmp_path / "cluster.json"
    content = {"partition": "gpu", "time": 90, "gpus": 2, "mem": "16GB", "account": "me", "extra": ["exclusive"]}
    file.write_text(json.dumps(content))
    found = read(f"file={file}", "gpus=1")
    assert found == SlurmSettings("gpu", 90, 1, None, "16GB", "me", (("exclusive", None),))


def test_a_flag_wins_over_the_file_where_it_says_the_default(tmp_path):
    file = tmp_path / "cluster.json"
    file.write_text('{"time": "1-12", "signal_delay": 14400}')
    assert read(f"file={file}").minutes == 36 * 60
    assert complaint(f"file={file}", "time=04:00:00") == (
        "--slurm_signal_delay=14400: must be less than the time limit, 14400 seconds"
    )


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (
            '{"partitions": "gpu"}',
            "partitions is unknown; valid values are account, cpus, extra, gpus, mem, parallel, "
            "partition, signal_delay, time",
        ),
        ('{"file": "other.json"}', "file is unknown; valid values are account"),
        ('{"gpus": 1, "gpus": 2}', "is no JSON file: gpus is there twice"),
        ("[]", "must hold one JSON object"),
        ("{", "is no JSON file"),
    ],
)
def test_a_file_that_says_something_else_is_refused_by_name(tmp_path, content, expected):
    file = tmp_path / "cluster.json"
    file.write_text(content)
    assert complaint(f"file={file}").startswith(f"--slurm_file={file}: {expected}")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"gpus": "many"}, "gpus must be a whole number of at least 1, not 'many'"),
        ({"gpus": "2"}, "gpus must be a whole number of at least 1, not '2'"),
        ({"gpus": True}, "gpus must be a whole number of at least 1, not True"),
        ({"time": 0}, "time must be longer than nothing, not 0"),
        ({"time": 1.5}, "time must be a time as sbatch takes it, e.g. 30, 04:00:00 or 1-12, not 1.5"),
        ({"partition": "gpu\n#SBATCH --wrap=x"}, r"partition must be text, not 'gpu\n#SBATCH --wrap=x'"),
        ({"extra": "exclusive"}, "extra must be a list, not 'exclusive'"),
        (
            {"extra": ["exclusive", "qos="]},
            "extra: 1 must look like KEY or KEY=VALUE, e.g. constraint=a100, not 'qos='",
        ),
        ({"extra": ["gpus=1"]}, "extra: 0: --slurm_gpus is there for this"),
        ({"mem": 16}, "mem must be a size as sbatch takes it, e.g. 16GB or 900M, not 16"),
    ],
)
def test_values_in_a_file_are_checked_as_flags_are(tmp_path, content, expected):
    file = tmp_path / "cluster.json"
    file.write_text(json.dumps(content))
    assert complaint(f"file={file}") == f"--slurm_file={file}: {expected}"


def test_a_file_that_is_not_there_is_named(tmp_path):
    assert (
        complaint(f"file={tmp_path}/none")
        == f"--slurm_file={tmp_path}/none: cannot be read (No such file or directory)"
    )
