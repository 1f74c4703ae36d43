"""Operators that PyTorch eager calls in a training step of transformers, counted on the CPU: {"kind", "layers", "low"} in
a list on stdin, a list of {operator: count} on stdout."""

import collections
import json
import sys

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import BertConfig, BertForMaskedLM, EsmConfig, EsmForMaskedLM

# Nothing is computed by these.
NO_KERNEL = {"_unsafe_view", "detach", "alias", "empty", "empty_like", "lift_fresh", "_local_scalar_dense", "_record_function_enter_new", "_record_function_exit"}


class Counter(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.counts = collections.Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if not func.is_view and name not in NO_KERNEL:
            self.counts[name] += 1
        return func(*args, **(kwargs or {}))


def count(kind, layers, low):
    sizes = dict(num_hidden_layers=layers, hidden_size=32, num_attention_heads=2, intermediate_size=64, vocab_size=33,
                 hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="sdpa")
    if kind == "esm":
        model = EsmForMaskedLM(EsmConfig(mask_token_id=32, pad_token_id=1, token_dropout=True, position_embedding_type="rotary", **sizes))
    else:
        model = BertForMaskedLM(BertConfig(hidden_act="relu", pad_token_id=0, max_position_embeddings=32, **sizes))
    model.train()
    ids = torch.randint(4, 24, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    with Counter() as counter:
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            loss = model(input_ids=ids, attention_mask=mask, labels=ids).loss
        loss.backward()
    return dict(counter.counts)


json.dump([count(**asked) for asked in json.load(sys.stdin)], sys.stdout)
