"""ARC-Challenge: grade-school science questions with three to five options.

Clark et al. 2018, "Think you have Solved Question Answering? Try ARC, the AI2 Reasoning Challenge" (arXiv 1803.05457).
Rows: https://huggingface.co/datasets/allenai/ai2_arc, CC BY-SA 4.0; official splits of 1119, 299 and 1172 rows.
"""

from __future__ import annotations

from string import ascii_uppercase
from typing import Any

from trainer.tasks.base import Hub
from trainer.tasks.cloze import Cloze
from trainer.tasks.multiple_choice import MultipleChoice, prompt_with_options


class ArcChallenge(MultipleChoice):
    """Accuracy of the generated letter."""

    name = "arc_challenge"
    source = "ARC-Challenge, Clark et al. 2018 (arXiv 1803.05457)"
    hub = Hub(path="allenai/ai2_arc", name="ARC-Challenge", validation="validation")

    def convert(self, row: dict[str, Any]) -> dict[str, Any]:
        """A few rows of the source have digits instead of letters. All get letters, as in the prompt."""
        labels, texts = row["choices"]["label"], row["choices"]["text"]
        letters = list(ascii_uppercase[: len(labels)])
        answer = letters[labels.index(row["answerKey"])]
        return {
            "id": row["id"],
            "prompt": prompt_with_options(row["question"], texts),
            "completion": answer,
            "question": row["question"],
            "choices": {"label": letters, "text": texts},
            "answer": answer,
        }


class ArcChallengeLoglikelihood(Cloze, ArcChallenge):
    """Accuracy of the likeliest option, with the prompt of lm-evaluation-harness's `arc_challenge`: its `acc`."""

    name = "arc_challenge_loglikelihood"
    source = "lm-evaluation-harness 0.4, `arc_challenge`: `acc`"


class ArcChallengeLoglikelihoodNorm(ArcChallengeLoglikelihood):
    """Its `acc_norm`: log-likelihoods divided by characters."""

    name = "arc_challenge_loglikelihood_norm"
    metric = "accuracy_norm"
    normalize = "characters"
    source = "lm-evaluation-harness 0.4, `arc_challenge`: `acc_norm`"
