"""Attention and dropout of CUDA, written out in plain mathematics: what its operators take, give and save.

Each function has the arguments and results of the operator it stands for, and refuses what the kernel refuses:
other dtypes, devices, alignments, layouts. `like` has the results that torch's shape functions give for CUDA."""

import math

import numpy
import torch

LOW = (torch.float16, torch.bfloat16)
generator = {"seed": 0, "offset": 0}


def require(condition, message):
    if not condition:
        raise RuntimeError(message)


def same_dtype(*tensors):
    require(len({t.dtype for t in tensors}) == 1, f"dtypes {[t.dtype for t in tensors]}: the kernel takes one")


def last_axis_in_order(*tensors):
    for t in tensors:
        require(t.stride(-1) == 1 or t.size(-1) == 1, f"strides {t.stride()}: the last axis must lie in order")


def aligned(tensor, multiple, axes, what):
    for axis in axes:
        ok = tensor.size(axis) <= 1 or tensor.stride(axis) % multiple == 0
        require(ok, f"{what} is not aligned: stride {tensor.stride(axis)} of axis {axis}, not a multiple of {multiple}")


def mix(z):
    """murmur3's last steps."""
    z = (z ^ (z >> 16)) * 0x85EBCA6B & 0xFFFFFFFF
    z = (z ^ (z >> 13)) * 0xC2B2AE35 & 0xFFFFFFFF
    return z ^ (z >> 16)


def mask(shape, rate, seed, offset):
    """What is kept, from what a kernel saved of the generator. Not the bits of a GPU: those of a mask of the CPU,
    whose two keys are the halves of the seed. So a wrong seed shows, and a call without one by the offset."""
    require(offset == 0, f"offset {offset}: the generator got no seed for this call")
    count = math.prod(shape)
    words = (numpy.arange((count + 1) // 2, dtype=numpy.uint64) + (seed >> 32)) & 0xFFFFFFFF
    bits = mix(mix(words) ^ (seed & 0xFFFFFFFF))
    halves = numpy.stack([bits & 0xFFFF, bits >> 16], 1).reshape(-1)[:count]
    return torch.from_numpy(halves >= round(rate * 65_536)).reshape(shape)


def kept(shape, rate, seed, offset):
    """Factors of probabilities."""
    return torch.ones(shape) if rate == 0 else mask(shape, rate, seed, offset).double() / (1 - rate)


def drawn(rate):
    """Seed and offset for a call; the generator goes on where something is dropped."""
    taken = dict(generator)
    if rate > 0:
        generator["offset"] += 4
    return taken["seed"], taken["offset"]


def dropout(like, x, p, train):
    require(train is True and 0 < p < 1, "not needed here")
    keep = mask(x.shape, p, *drawn(p))
    return placed(x * keep / (1 - p), like[0]), placed(keep, like[1])


def forward(q, k, v, bias, scale, factors):
    """q, k, v [batch, heads, length, size] -> output, logarithms of the sums [batch, heads, length]."""
    scores = scale * q.double() @ k.double().transpose(-1, -2)
    if bias is not None:
        scores = scores + bias.double()
    logs = scores.logsumexp(-1)
    weights = (scores - logs[..., None]).exp() * factors
    return (weights @ v.double()).to(q.dtype), logs.float()


def backward(slope, q, k, v, bias, out, logs, scale, factors):
    """From the output and the logarithms, as the kernels do: nothing else of the forward call is there."""
    given = q.dtype
    slope, q, k, v, out, logs = (t.double() for t in (slope, q, k, v, out, logs))
    scores = scale * q @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias.double()
    weights = (scores - logs[..., None]).exp()
    dv = (weights * factors).transpose(-1, -2) @ slope
    dweights = slope @ v.transpose(-1, -2) * factors
    dscores = weights * (dweights - (slope * out).sum(-1, keepdim=True))
    dq = scale * dscores @ k
    dk = scale * dscores.transpose(-1, -2) @ q
    return dq.to(given), dk.to(given), dv.to(given)


def scale_of(q, scale):
    return 1 / math.sqrt(q.size(-1)) if scale is None else scale


def check_flash(q, *others):
    require(q.dtype in LOW, f"flash attention takes float16 and bfloat16, not {q.dtype}")
    same_dtype(q, *others)
    last_axis_in_order(q, *others)
    require(q.size(-1) % 8 == 0 and q.size(-1) <= 256, f"flash attention: head size {q.size(-1)}")


def scores_of(q, k):
    """Shape of the scores of heads [batch, heads, length, size]."""
    return *q.shape[:3], k.size(2)


def placed(values, like):
    """Values in the memory layout that the CUDA operator gives."""
    result = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype)
    require(values.shape == like.shape, f"shape {tuple(values.shape)}, torch's shape function has {tuple(like.shape)}")
    return result.copy_(values)


def random_state(like, seed, offset):
    """Seed and offset in the tensors that versions have for them: one of two numbers, or two of one."""
    first, second = like
    seed -= 2**64 if seed >= 2**63 else 0
    if first.numel() == 2:
        return torch.tensor([seed, offset]).to(first.dtype), torch.zeros(second.shape, dtype=second.dtype)
    return torch.tensor(seed).to(first.dtype), torch.tensor(offset, dtype=second.dtype)


def seed_and_offset(first, second):
    seed, offset = first.tolist() if first.numel() == 2 else (first.item(), second.item())
    return seed % 2**64, offset


def flash(like, q, k, v, dropout_p=0.0, is_causal=False, return_debug_mask=False, *, scale=None):
    check_flash(q, k, v)
    require(not is_causal and not return_debug_mask, "not needed here")
    seed, offset = drawn(dropout_p)
    out, logs = forward(q, k, v, None, scale_of(q, scale), kept(scores_of(q, k), dropout_p, seed, offset))
    state = random_state(like[6:8], seed, offset)
    debug = torch.zeros(like[8].shape, dtype=like[8].dtype)
    return placed(out, like[0]), placed(logs, like[1]), None, None, q.size(2), k.size(2), *state, debug


def flash_backward(like, grad_out, q, k, v, out, logsumexp, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, philox_seed, philox_offset, *, scale=None):
    check_flash(q, k, v, grad_out, out)
    require(cum_seq_q is None and cum_seq_k is None, "bounds of sequences in a call without them")
    require((max_q, max_k) == (q.size(2), k.size(2)), f"lengths {max_q} and {max_k}")
    require(logsumexp.dtype == torch.float32, f"logsumexp of {logsumexp.dtype}")
    factors = kept(scores_of(q, k), dropout_p, *seed_and_offset(philox_seed, philox_offset))
    made = backward(grad_out, q, k, v, None, out, logsumexp, scale_of(q, scale), factors)
    return tuple(map(placed, made, like))


def check_efficient(q, k, v, bias):
    same_dtype(q, k, v, *([] if bias is None else [bias]))
    last_axis_in_order(q, k, v)
    for what, tensor in (("query", q), ("key", k), ("value", v)):
        aligned(tensor, 4, (0, 1, 2), what)
    if bias is not None:
        last_axis_in_order(bias)
        require(bias.shape == (*q.shape[:3], k.size(2)), f"bias {tuple(bias.shape)}")
        aligned(bias, 8 if q.dtype in LOW else 4, (0, 1, 2), "attn_bias")


def efficient(like, q, k, v, attn_bias, compute_log_sumexp, dropout_p=0.0, is_causal=False, *, scale=None):
    check_efficient(q, k, v, attn_bias)
    require(compute_log_sumexp and not is_causal, "not needed here")
    seed, offset = drawn(dropout_p)
    out, logs = forward(q, k, v, attn_bias, scale_of(q, scale), kept(scores_of(q, k), dropout_p, seed, offset))
    return placed(out, like[0]), placed(padded(logs, like[1].size(-1)), like[1]), *random_state(like[2:4], seed, offset)


def padded(logs, length):
    """Rows of logarithms are as long as whole blocks of the kernel; what follows is nothing's."""
    return torch.nn.functional.pad(logs, (0, length - logs.size(-1)), value=math.nan)


def efficient_backward(like, grad_out_, q, k, v, attn_bias, out, logsumexp, philox_seed, philox_offset, dropout_p, grad_input_mask, is_causal=False, *, scale=None):
    check_efficient(q, k, v, attn_bias)
    same_dtype(q, grad_out_, out)
    require(list(grad_input_mask) == [True, True, True, False], "gradients of q, k and v")
    require(logsumexp.dtype == torch.float32, f"logsumexp of {logsumexp.dtype}")
    aligned(logsumexp, 8, (0, 1), "logsumexp")
    logs = logsumexp[..., : q.size(2)]
    factors = kept(scores_of(q, k), dropout_p, *seed_and_offset(philox_seed, philox_offset))
    made = backward(grad_out_, q, k, v, attn_bias, out, logs, scale_of(q, scale), factors)
    return *map(placed, made, like), None


def check_bounds(bounds, tokens, longest):
    ends = bounds.tolist()
    require(bounds.dtype == torch.int32 and bounds.dim() == 1 and bounds.is_contiguous(), "bounds: int32 in order")
    require(ends[0] == 0 and ends[-1] == tokens, f"bounds {ends} of {tokens} tokens")
    lengths = [b - a for a, b in zip(ends, ends[1:])]
    require(min(lengths) > 0 and max(lengths) == longest, f"bounds {ends}: longest {longest}")
    return list(zip(ends, ends[1:]))


def heads_first(x, begin, end):
    """Tokens of [tokens, heads, size] as [1, heads, length, size]."""
    return x[begin:end].transpose(0, 1)[None]


def joined(parts):
    """Back to [tokens, heads, size]."""
    return torch.cat([part[0].transpose(0, 1) for part in parts])


def packed_forward(q, k, v, bounds, longest, scale, rate, seed, offset):
    """[tokens, heads, size] -> output, and of each sequence its logarithms [heads, length]."""
    factors = kept((q.size(1), q.size(0), q.size(0)), rate, seed, offset)
    parts, logs = [], []
    for begin, end in check_bounds(bounds, q.size(0), longest):
        mine = [heads_first(x, begin, end) for x in (q, k, v)]
        out, its = forward(*mine, None, scale_of(q, scale), factors[:, begin:end, begin:end])
        parts.append(out)
        logs.append((begin, end, its[0]))
    return joined(parts), logs


def packed_backward(grad_out, q, k, v, out, logs, bounds, longest, scale, rate, seed, offset):
    """`logs` gives those of a sequence by number, begin and end."""
    factors = kept((q.size(1), q.size(0), q.size(0)), rate, seed, offset)
    parts = []
    for row, (begin, end) in enumerate(check_bounds(bounds, q.size(0), longest)):
        mine = [heads_first(x, begin, end) for x in (grad_out, q, k, v)]
        mine += [None, heads_first(out, begin, end), logs(row, begin, end)[None]]
        parts.append(backward(*mine, scale_of(q, scale), factors[:, begin:end, begin:end]))
    return [joined(each) for each in zip(*parts)]


def varlen(like, q, k, v, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, return_debug_mask, *, scale=None, **others):
    check_flash(q, k, v)
    require(q.dim() == 3 and all(x is None for x in others.values()), "not needed here")
    require(torch.equal(cum_seq_q, cum_seq_k) and max_q == max_k, "bounds of queries and keys differ")
    seed, offset = drawn(dropout_p)
    out, found = packed_forward(q, k, v, cum_seq_q, max_q, scale, dropout_p, seed, offset)
    logs = torch.full(like[1].shape, math.nan)
    for row, (begin, end, its) in enumerate(found):
        if logs.dim() == 2:
            logs[:, begin:end] = its
        else:
            logs[row, :, : end - begin] = its
    debug = torch.zeros(like[4].shape, dtype=like[4].dtype)
    return placed(out, like[0]), placed(logs, like[1]), *random_state(like[2:4], seed, offset), debug


def varlen_backward(like, grad_out, q, k, v, out, logsumexp, cum_seq_q, cum_seq_k, max_q, max_k, dropout_p, is_causal, rng_state, unused, *, scale=None, **others):
    check_flash(q, k, v, grad_out, out)
    require(all(x is None for x in others.values()), "not needed here")
    logs = lambda row, begin, end: logsumexp[:, begin:end] if logsumexp.dim() == 2 else logsumexp[row, :, : end - begin]
    state = seed_and_offset(rng_state, unused)
    made = packed_backward(grad_out, q, k, v, out, logs, cum_seq_q, max_q, scale, dropout_p, *state)
    return tuple(map(placed, made, like))


def check_one_row(q, k, v, bias, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k):
    require(bias is None and q.size(0) == 1, "bounds are for one row without a bias")
    require(torch.equal(cu_seqlens_q, cu_seqlens_k) and max_seqlen_q == max_seqlen_k, "bounds of queries and keys differ")
    check_efficient(*(x.transpose(1, 2) for x in (q, k, v)), None)


def efficient_varlen(like, query, key, value, bias, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, dropout_p, custom_mask_type, compute_log_sumexp=False, *, scale=None, **others):
    check_one_row(query, key, value, bias, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    require(compute_log_sumexp and custom_mask_type == 0 and all(x is None for x in others.values()), "not needed here")
    seed, offset = drawn(dropout_p)
    given = (query[0], key[0], value[0], cu_seqlens_q, max_seqlen_q, scale, dropout_p, seed, offset)
    out, found = packed_forward(*given)
    logs = torch.full(like[1].shape, math.nan)
    for row, (begin, end, its) in enumerate(found):
        logs[row, :, : end - begin] = its
    return placed(out[None], like[0]), placed(logs, like[1]), *random_state(like[2:4], seed, offset), max_seqlen_q, max_seqlen_k


def efficient_varlen_backward(like, grad_out_, query, key, value, bias, out, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k, logsumexp, dropout_p, philox_seed, philox_offset, custom_mask_type, bias_requires_grad, *, scale=None, num_splits_key=None, window_size=None, shared_storage_dqdkdv=False):
    check_one_row(query, key, value, bias, cu_seqlens_q, cu_seqlens_k, max_seqlen_q, max_seqlen_k)
    same_dtype(query, grad_out_, out)
    require(custom_mask_type == 0 and not bias_requires_grad and not shared_storage_dqdkdv and num_splits_key is None and window_size is None, "not needed here")
    aligned(logsumexp, 8, (0, 1), "logsumexp")
    logs = lambda row, begin, end: logsumexp[row, :, : end - begin]
    state = seed_and_offset(philox_seed, philox_offset)
    rows = (x[0] for x in (grad_out_, query, key, value, out))
    made = packed_backward(*rows, logs, cu_seqlens_q, max_seqlen_q, scale, dropout_p, *state)
    unasked = None if like[3] is None else torch.zeros(like[3].shape, dtype=like[3].dtype)
    return *(placed(x[None], its) for x, its in zip(made, like)), unasked


STAND_INS = {
    "_scaled_dot_product_flash_attention": flash,
    "_scaled_dot_product_flash_attention_backward": flash_backward,
    "_scaled_dot_product_efficient_attention": efficient,
    "_scaled_dot_product_efficient_attention_backward": efficient_backward,
    "_flash_attention_forward": varlen,
    "_flash_attention_backward": varlen_backward,
    "_efficient_attention_forward": efficient_varlen,
    "_efficient_attention_backward": efficient_varlen_backward,
    "native_dropout": dropout,
}
