"""libtorch's functions for CUDA, on a machine without a GPU: requests on one pipe, answers on another, a line of
JSON each.

Every operator runs twice. On fake tensors of the device cuda: torch's own rules say which shapes, dtypes, strides
and devices it gives, and refuse what a GPU refuses. And with values, on the CPU; operators of CUDA alone are those
of attention.py. Both must agree."""

import base64
import collections
import json
import sys

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from attention import STAND_INS, generator

# Numbers of dtypes in libtorch's C interface.
DTYPES = {0: torch.uint8, 3: torch.int32, 4: torch.int64, 5: torch.float16, 6: torch.float32, 11: torch.bool, 15: torch.bfloat16}
NUMBERS = {dtype: number for number, dtype in DTYPES.items()}
# CUDA kernels of these take numbers from tensors without axes on the host; elsewhere such a tensor is an error, or
# (where) a copy that waits.
HOST_NUMBERS = {"mul", "div", "sub", "subtract", "minimum", "gt", "ge", "eq", "ne", "bitwise_and", "bitwise_xor", "bitwise_right_shift", "_to_copy", "copy_", "clone"}

fakes = FakeTensorMode()
tensors = {}
ids = iter(range(1, 2**62))
counts = collections.Counter()
NO_KERNEL = {"device", "_unsafe_view", "detach", "alias", "empty", "lift_fresh"}


class Counter(TorchDispatchMode):
    """Counts what is launched: operators, without those that only look at memory otherwise."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        if not func.is_view and name not in NO_KERNEL:
            counts[name] += 1
        return func(*args, **(kwargs or {}))


def place(index_and_type):
    return torch.device("cuda", index_and_type[1]) if index_and_type[0] == 1 else torch.device("cpu")


def decoded(value, fake):
    if isinstance(value, list):
        return [decoded(item, fake) for item in value]
    if not isinstance(value, dict):
        return value
    if "tensor" in value:
        return None if value["tensor"] is None else tensors[value["tensor"]][0 if fake else 1]
    if "dtype" in value:
        return DTYPES[value["dtype"]]
    if "device" in value:
        return place(value["device"]) if fake else torch.device("cpu")
    if "format" in value:
        return torch.contiguous_format
    raise ValueError(f"argument {value}")


def given(op, args, fake):
    schema = op._schema.arguments
    plain, named = [], {}
    for argument, value in zip(schema, args):
        if argument.kwarg_only:
            named[argument.name] = decoded(value, fake)
        else:
            plain.append(decoded(value, fake))
    return plain, named


def flat(values):
    for value in values:
        if isinstance(value, (list, tuple)):
            yield from flat(value)
        elif isinstance(value, torch.Tensor):
            yield value


def check_devices(name, plain, named):
    """Fake tensors take any number of the host for one of the device; kernels do not."""
    found = list(flat([plain, list(named.values())]))
    if name in HOST_NUMBERS or not any(t.device.type == "cuda" for t in found):
        return
    for t in found:
        if t.device.type == "cpu":
            raise RuntimeError(f"{name}: a tensor of the host {tuple(t.shape)} among those of the device")


def run(name, op, args):
    plain, named = given(op, args, True)
    check_devices(name, plain, named)
    if name == "_fused_sgd_":
        fake = None  # torch has no rule for it
        counts[name] += 1
    else:
        with fakes, Counter():
            fake = op(*plain, **named)
    plain, named = given(op, args, False)
    if name in STAND_INS:
        like = fake if isinstance(fake, (list, tuple)) else [fake]
        real = STAND_INS[name](like, *plain, **named)
    else:
        real = op(*plain, **named)
    return pairs(name, fake, real)


def pairs(name, fake, real):
    if fake is None and real is None:
        return None
    if isinstance(real, (list, tuple)):
        assert len(fake) == len(real), f"{name}: {len(fake)} and {len(real)} results"
        return [pairs(name, a, b) for a, b in zip(fake, real)]
    if isinstance(real, int):
        assert fake == real, f"{name}: {fake} and {real}"
        return real
    if real.dtype != fake.dtype or real.shape != fake.shape:
        raise RuntimeError(f"{name}: on CUDA {fake.dtype} {tuple(fake.shape)}, with values {real.dtype} {tuple(real.shape)}")
    if real.numel() > 1 and real.stride() != fake.stride():
        raise RuntimeError(f"{name}: on CUDA strides {fake.stride()}, with values {real.stride()} of {tuple(fake.shape)}")
    return kept_pair(fake, real)


def kept_pair(fake, real):
    number = next(ids)
    tensors[number] = (fake, real)
    return {"id": number, "dtype": NUMBERS.get(fake.dtype, -1), "shape": list(fake.shape), "contiguous": fake.is_contiguous(), "device": [0 if fake.device.type == "cpu" else 1, fake.device.index or 0]}


def call(name, overload, args):
    result = run(name, getattr(getattr(torch.ops.aten, name), overload or "default"), args)
    if result is None:
        return []
    return [result] if isinstance(result, dict) else result


def both(name, op, args, **named):
    """A function of the C interface that is no operator by its schema."""
    fake_named = {key: decoded(value, True) for key, value in named.items()}
    real_named = {key: decoded(value, False) for key, value in named.items()}
    with fakes, Counter():
        fake = op(*(decoded(arg, True) for arg in args), **fake_named)
    return pairs(name, fake, op(*(decoded(arg, False) for arg in args), **real_named))


def full(shape, value, dtype, device):
    return both("full", torch.full, [shape, value], dtype={"dtype": dtype}, device={"device": device})


def subtract(a, b, factor):
    return both("subtract", torch.sub, [a, b], alpha=factor)


def pad(x, amounts):
    return both("pad", torch.nn.functional.pad, [x, amounts])


def clone(x):
    return both("clone", torch.clone, [x])


def blob(shape, dtype, data):
    real = torch.frombuffer(bytearray(base64.b64decode(data)) or bytearray(1), dtype=DTYPES[dtype])
    real = real[: torch.Size(shape).numel()].reshape(shape)
    with fakes:
        fake = torch.empty(shape, dtype=DTYPES[dtype])
    return kept_pair(fake, real)


def copy(to, source):
    """Into memory of the host: what it holds then."""
    (fake_to, real_to), (fake, real) = tensors[to["tensor"]], tensors[source["tensor"]]
    with fakes, Counter():
        fake_to.copy_(fake)
    real_to.copy_(real)
    if fake_to.device.type != "cpu":
        return None
    return base64.b64encode(real_to.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()).decode()


def seed(value):
    generator.update(seed=int(value), offset=0)


def free(numbers):
    for number in numbers:
        del tensors[number]


def launched():
    """Operators since the last time."""
    found = dict(counts)
    counts.clear()
    return found


FUNCTIONS = {f.__name__: f for f in (call, full, subtract, pad, clone, blob, copy, seed, free, launched)}

torch.set_num_threads(1)
torch.set_grad_enabled(False)
with open(sys.argv[1]) as requests, open(sys.argv[2], "w") as answers:
    for line in requests:
        function, *arguments = json.loads(line)
        try:
            answer = {"ok": FUNCTIONS[function](*arguments)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
