"""From a network's description to a torch module, and where it computes."""

from .build import AlexNet, create
from .device import Machine, choose_machine, has_fast_bf16, keep_memory, logits_of

__all__ = ["AlexNet", "Machine", "choose_machine", "create", "has_fast_bf16", "keep_memory", "logits_of"]
