"""The rows of this plugin for open_lth's contract tests: the least flags that use each thing registered."""

ROWS = {"variant": {"mc_dropout": ("--mc_dropout", "--mc_dropout_rate=0.2", "--mc_dropout_samples=2")}}
