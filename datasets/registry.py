"""The data sets that can be chosen by name."""

from __future__ import annotations

from datasets.source import DatasetSource, Source, StreamedSource
from foundations.errors import InvalidValue, one_of
from foundations.registry import Registry

DATASETS: Registry[type[DatasetSource]] = Registry("dataset_name")
STREAMED_DATASETS: Registry[type[StreamedSource]] = Registry("dataset_name")


def dataset_names() -> list[str]:
    """Return the names of all data sets, in memory and streamed."""
    return [*DATASETS.names(), *STREAMED_DATASETS.names()]


def find_source(name: str) -> Source:
    """Return the data set of a name.

    Raises:
        InvalidValue: if there is none; the message lists the valid names.
    """
    if name in DATASETS:
        return DATASETS.get(name)()
    if name in STREAMED_DATASETS:
        return STREAMED_DATASETS.get(name)()
    raise InvalidValue("dataset_name", name, one_of(dataset_names()))
