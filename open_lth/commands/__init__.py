"""The subcommands of this project, each in the module of its name."""

from open_lth.command import COMMANDS, Command

__all__ = ["COMMANDS", "Command"]

_OF_OPENLTH = ("train", "lottery", "lottery_branch", "evaluate")  # the last takes the flags of the others

for _name, _description in {
    "train": "train one network",
    "lottery": "find lottery tickets: train, prune, rewind, level after level",
    "lottery_branch": "run an ablation from the levels of a lottery",
    "evaluate": "measure what a command has made: evaluate lottery ..., with repeated passes",
    "reproduce": "run the experiments behind figures and tables, or print their commands",
    "plot": "draw figures and tables from finished runs",
    "report": "write one HTML page with all figures, tables, hyperparameters, versions and commands",
    "runs": "list what lies under the root, or show one experiment and the command that made it",
    "export": "write a ticket for others: weights, mask and card; smaller networks, ONNX, and what they save",
    "plugins": "list the plugins, and all that can be chosen by name with who registered it",
}.items():
    COMMANDS.register(_name)(Command(_description, f"{__name__}.{_name}", _name in _OF_OPENLTH, _name != "runs"))
