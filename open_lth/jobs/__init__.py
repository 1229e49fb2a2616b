"""Commands of the project side by side, each in a process of its own."""

from open_lth.command import Job
from open_lth.jobs.read import read_job
from open_lth.jobs.run import JobsFailed, JobsRunner

__all__ = ["Job", "JobsFailed", "JobsRunner", "read_job"]
