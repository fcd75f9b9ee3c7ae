"""What the first batches of a run show that a loss over pairs takes amiss: pairs and captions that come twice in one.

Such a loss counts every other text of the batch as a wrong answer, also one that says the same.
"""

import logging
from collections import Counter

from seesay.data.loader import Batch
from seesay.training.config import TrainConfig

logger = logging.getLogger("seesay.training")

_FIRST = 10  # batches that are looked at
_MOST = 0.05  # of the captions, below which repeats are noise


class BatchWatch:
    """Looks at batches and warns once, where there is reason to.

    Args:
        config: of the run.
        num_examples: of all its sources; None where they do not know.
    """

    def __init__(self, config: TrainConfig, num_examples: int | None) -> None:
        self._config = config
        self._left = 0 if config.loss == "matching" else _FIRST
        self._num_captions = 0
        self._repeats: Counter[str] = Counter()
        if num_examples is not None and config.batch_size > num_examples:
            more = "" if config.loss == "matching" else ", and the loss counts its copies as wrong answers"
            logger.warning(
                "a batch is of %s pairs, and data.sources has %s: every batch holds the same pair several times%s. "
                "Set batch_size to %s or less",
                *(f"{number:,}" for number in (config.batch_size, num_examples)),
                more,
                f"{num_examples:,}",
            )

    def see(self, batch: Batch, *, is_last: bool) -> None:
        """Take in a batch of this process; warns after the first ones, or the last."""
        if not self._left:
            return
        counts = Counter(caption.lower() for caption in batch.captions)
        self._repeats.update({caption: count for caption, count in counts.items() if count > 1})
        self._num_captions += len(batch.captions)
        self._left = 0 if is_last else self._left - 1
        share = self._repeats.total() / self._num_captions
        if not self._left and share > _MOST:
            ((caption, _),) = self._repeats.most_common(1)
            logger.warning(
                "%.0f %% of the captions stand more than once in their batch, such as %r: loss=%s counts each as a "
                "wrong answer to the pictures of the others. Use --set loss=matching, which counts them as right",
                100 * share,
                caption[:80],
                self._config.loss,
            )
