"""A decoder's sizes, from its config.json: what its parameters, activations and cache take. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from trainer.specs import LoraSpec, StudentSpec


@dataclass(frozen=True)
class Shape:
    """The sizes of a decoder of attention and MLP layers."""

    layers: int
    hidden: int
    queries: int
    """Width of all query heads together."""
    keys: int
    """Width of all key heads together; values are as wide."""
    intermediate: int
    gated: bool
    """Whether the MLP has a gate beside its two matrices."""
    experts: int
    """Copies of the MLP of a layer."""
    active: int
    """Copies that a token goes through."""
    vocabulary: int
    tied: bool
    """Whether the head is the embedding."""

    @classmethod
    def of(cls, config: dict[str, Any]) -> Shape:
        """From a config.json.

        Raises:
            ValueError: it names no hidden size or no layers.
        """
        text = config.get("text_config") or config

        def first(*names: str, default: Any = None) -> Any:
            return next((text[name] for name in names if text.get(name) is not None), default)

        hidden, layers = first("hidden_size", "n_embd", "d_model"), first("num_hidden_layers", "n_layer")
        if not hidden or not layers:
            raise ValueError("the config names no hidden_size or no num_hidden_layers")
        heads = first("num_attention_heads", "n_head", default=1)
        head = first("head_dim", default=hidden // heads)
        return cls(
            layers=layers,
            hidden=hidden,
            queries=heads * head,
            keys=first("num_key_value_heads", default=heads) * head,
            intermediate=first("moe_intermediate_size", "intermediate_size", "n_inner", default=4 * hidden),
            gated="n_embd" not in text,
            experts=first("num_local_experts", "num_experts", "n_routed_experts", default=1),
            active=first("num_experts_per_tok", default=1),
            vocabulary=first("vocab_size", default=0),
            tied=first("tie_word_embeddings", default=config.get("tie_word_embeddings", True)),
        )

    def matrices(self) -> dict[str, tuple[int, int, int]]:
        """Linear layers of one decoder layer: name -> width in, width out, how many."""
        wide = (self.hidden, self.intermediate, self.experts)
        found = {
            "q_proj": (self.hidden, self.queries, 1),
            "k_proj": (self.hidden, self.keys, 1),
            "v_proj": (self.hidden, self.keys, 1),
            "o_proj": (self.queries, self.hidden, 1),
            "up_proj": wide,
            "down_proj": (self.intermediate, self.hidden, self.experts),
        }
        return found | ({"gate_proj": wide} if self.gated else {})

    @property
    def linear(self) -> int:
        """Weights of all linear layers, the head left out."""
        return self.layers * sum(wide * narrow * number for wide, narrow, number in self.matrices().values())

    @property
    def parameters(self) -> int:
        """All weights."""
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return self.linear + embeddings + (2 * self.layers + 1) * self.hidden

    def adapter(self, lora: LoraSpec) -> int:
        """Weights of a LoRA adapter."""
        return self.layers * sum(lora.r * (a + b) * number for a, b, number in self.adapted(lora).values())

    def adapted(self, lora: LoraSpec) -> dict[str, tuple[int, int, int]]:
        """The matrices that get an adapter; all of them where the names are another architecture's."""
        every = self.matrices()
        named = [lora.target_modules] if isinstance(lora.target_modules, str) else lora.target_modules
        return {name: size for name, size in every.items() if name in named} or every

    def saved(self, size: int, student: StudentSpec, device: str) -> int:
        """Bytes that autograd keeps for one token, in all layers.

        Args:
            size: bytes of a number in the weights' precision.
            student: its method decides which inputs of linear layers are needed.
            device: attention keeps keys and values as wide as the queries, since a mask rules out shared heads.
        """
        used = self.active * self.intermediate
        norms = 2 * (self.hidden * 4 + (self.hidden * size if student.method == "full" else 0))
        inputs = 2 * self.hidden  # of attention and MLP
        attention = (
            5 * self.queries
        )  # queries, keys, values, what comes out, and it again as the input of o_proj
        mlp = (4 if self.gated else 2) * used  # gate, its activation, up, and the product
        count = sum(number for _, _, number in self.adapted(student.lora).values())
        low_rank = 0 if student.method == "full" else student.lora.r * min(count, 4 + 3 * self.active)
        # dropout keeps its mask and its result for each adapted matrix
        dropped = 2 * (7 * self.hidden) if student.lora.dropout and student.method != "full" else 0
        return self.layers * (norms + size * (inputs + attention + mlp + low_rank + dropped))

    def cached(self, size: int) -> int:
        """Bytes of one token's keys and values, in all layers."""
        return 2 * self.layers * self.keys * size
