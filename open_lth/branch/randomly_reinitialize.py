"""The ablation of the initial weights: the same mask on new ones (Frankle and Carbin 2019)."""

from __future__ import annotations

from open_lth.branch.base import BRANCHES, Branch


@BRANCHES.register("randomly_reinitialize", "reinit")
class RandomlyReinitialize(Branch):
    """Keeps the mask and draws all weights anew."""

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "randomly_reinitialize"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "keep the level's mask and draw all weights anew"

    def branch_function(self, start_at_step_zero: bool = False) -> None:
        """Train new weights under the level's mask.

        Args:
            start_at_step_zero: train from step 0 even if the trunk rewinds to a later step.
        """
        mask = self.mask()
        model = self.lottery.new_network(self.lottery.streams(self.level).seed("reinitialized_weights"))
        desc = self.lottery.desc
        self.train(model, mask, desc.step("0it") if start_at_step_zero else desc.start)
