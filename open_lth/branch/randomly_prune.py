"""The ablation of the mask's structure: a random one of equal density (Frankle et al. 2021; Kuhn et al., section 7)."""

from __future__ import annotations

from foundations.errors import InvalidValue, one_of
from foundations.randomness import derive_seed
from open_lth.branch.base import BRANCHES, Branch
from pruning import shuffle_mask

_STARTS = ("init", "rewind", "end")


@BRANCHES.register("randomly_prune", "shuffle")
class RandomlyPrune(Branch):
    """Shuffles the mask and trains the trunk's weights under it."""

    @staticmethod
    def name() -> str:
        """Return the name."""
        return "randomly_prune"

    @staticmethod
    def description() -> str:
        """Return one line for the list of branches."""
        return "shuffle the level's mask and train the original weights under it"

    def branch_function(
        self,
        seed: int,
        strategy: str = "layerwise",
        start_at: str = "rewind",
        layers_to_ignore: str = "",
        layers_to_keep: str = "",
        level_seeds: bool = False,
    ) -> None:
        """Train under a shuffled mask.

        The weights come from level 0, which nothing has pruned: the level's own are zero where the old mask was.
        Under `identity` the mask stays, and so the level's own weights serve.

        Args:
            seed: what the shuffled mask is drawn by.
            strategy: layerwise (each layer keeps its density), global (one permutation of all layers), even (each
                layer at the mean density) or identity.
            start_at: the weights to start from: init, rewind or end (trained ones); the schedule starts at the
                rewinding step with rewind, else at step 0.
            layers_to_ignore: prunable tensors that are made dense once all masks are shuffled, separated by commas.
            layers_to_keep: prunable tensors whose masks stay and take no part, separated by commas, such as the output
                layer's: across layers a shuffle would leave classes without weights.
            level_seeds: draw by the seed and the level; else the masks of one seed lie in each other, level by level.
        """
        if start_at not in _STARTS:
            raise InvalidValue("start_at", start_at, one_of(_STARTS, start_at))
        ignored, kept = ([name for name in names.split(",") if name] for names in (layers_to_ignore, layers_to_keep))
        own = derive_seed("shuffle", seed, self.level) if level_seeds else seed
        mask = shuffle_mask(self.mask(), strategy, own, ignored, kept)
        desc = self.lottery.desc
        start = desc.start if start_at == "rewind" else desc.step("0it")
        weights = self.training().end if start_at == "end" else start
        model = self.load_network(self.level if strategy == "identity" else 0, weights)
        self.train(model, mask, start)
