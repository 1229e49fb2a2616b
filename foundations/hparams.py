"""Groups of hyperparameters, their canonical text and the hash that names an experiment."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any, ClassVar

from foundations.flags import Choices, flag


def hparam(
    help: str,
    default: Any = MISSING,
    choices: Choices = (),
    hidden: bool = False,
    display_default: bool = True,
    unnamed: Any = MISSING,
) -> Any:
    """Declare a hyperparameter: its explanation and, unless it must be given, its default.

    Args:
        help: what it does, for `--help`.
        default: the value that means "no effect"; a field that equals it does not enter a hash.
        choices: the valid values; a function of no arguments if that depends on what plugins register.
        hidden: whether it cannot be set on the command line.
        display_default: whether a default that says something is displayed. OpenLTH displays its own; fields that it
            did not have stay out, so that its users find their files as they were.
        unnamed: the value that does not enter a hash, if that is not the default: what experiments did that were named
            before there was a choice.
    """
    more = {} if unnamed is MISSING else {"unnamed": unnamed}
    return flag(help, default, choices, hidden=hidden, display_default=display_default, **more)


@dataclass(frozen=True, kw_only=True)
class Hparams:
    """A group of hyperparameters that belong together; subclasses are frozen, keyword-only dataclasses.

    A new field must have a default that means "no effect": then no existing experiment changes its name.
    """

    title: ClassVar[str]
    about: ClassVar[str]

    def __str__(self) -> str:
        """Return the canonical text that enters hashes: `Hparams(a=1, b='x')`, sorted, defaults left out."""
        return f"Hparams({', '.join(f'{f.name}={self._text(f)}' for f in self.essential_fields())})"

    def _text(self, f: Field[Any]) -> str:
        value = getattr(self, f.name)
        return f"'{value}'" if isinstance(value, str) else str(value)

    def essential_fields(self) -> list[Field[Any]]:
        """Return the fields that enter a hash, because they have no default or differ from it, sorted by name."""
        kept = [f for f in fields(self) if not f.name.startswith("_")]
        unnamed = {f.name: f.metadata.get("unnamed", f.default) for f in kept}
        kept = [f for f in kept if f.default is MISSING or getattr(self, f.name) != unnamed[f.name]]
        return sorted(kept, key=lambda f: f.name)

    def as_words(self, prefix: str = "") -> list[str]:
        """Return the flags that make the group on the command line.

        Args:
            prefix: put before their names, as in `--retrain_t_lr`.
        """
        given = [f for f in fields(self) if f.default is MISSING or getattr(self, f.name) != f.default]
        names = sorted(f.name for f in given if not f.name.startswith("_") and not f.metadata.get("hidden"))
        values = {f"{prefix}_{name}" if prefix else name: getattr(self, name) for name in names}
        return [f"--{name}" if value is True else f"--{name}={value}" for name, value in values.items()]

    def _is_displayed(self, f: Field[Any]) -> bool:
        value = getattr(self, f.name)
        if f.default is MISSING:
            return True
        return bool(value) and (value != f.default or bool(f.metadata.get("display_default", True)))

    def display(self, title: str = "") -> str:
        """Return the group as people read it: its title, then a line a field that is required or says something."""
        shown = [f for f in fields(self) if self._is_displayed(f)]
        nested = [getattr(self, f.name) for f in shown if isinstance(getattr(self, f.name), Hparams)]
        plain = [f for f in shown if not isinstance(getattr(self, f.name), Hparams)]
        lines = [f"    * {f.name} => {getattr(self, f.name)}" for f in plain]
        return "\n".join([title or self.title, *lines, *(group.display() for group in nested)])


def hashed_name(prefix: str, groups: Iterable[Hparams | None]) -> str:
    """Return `<prefix>_<md5>` over the canonical texts of the groups that are there.

    Args:
        prefix: the kind of experiment, e.g. `lottery`.
        groups: the descriptor's groups, ordered by the names of its fields.
    """
    text = ";".join(str(group) for group in groups if group is not None)
    return f"{prefix}_{hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()}"
