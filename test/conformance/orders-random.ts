/** The random cases of orders_original.py for the generators of src/random. */
import { createHash } from "node:crypto";
import { defaultRng, type IntegerDType, NumpyGenerator } from "../../src/random/numpy-generator.ts";
import { PythonRandom } from "../../src/random/python-random.ts";
import { TorchGenerator } from "../../src/random/torch-generator.ts";

/** A kind of case: its name, and what we find for the arguments that Python was given. */
export interface Kind<A> {
  readonly name: string;
  readonly run: (args: A) => unknown;
}

type NumpyStep =
  | readonly ["random" | "float32" | "permutation" | "shuffle" | "spawn", number]
  | readonly ["integers", IntegerDType, string, string, number]
  | readonly ["choice", number, number]
  | readonly ["distinct", number, number, boolean]
  | readonly ["weighted", readonly number[], number, boolean]
  | readonly ["advance", string];

function numpyStep(rng: NumpyGenerator, step: NumpyStep): unknown {
  switch (step[0]) {
    case "random":
      return [...rng.fillRandom(new Float64Array(step[1]))];
    case "float32":
      return [...rng.fillRandom(new Float32Array(step[1]))];
    case "permutation":
      return [...rng.permutation(step[1])];
    case "shuffle": {
      const values = upTo(step[1]);
      rng.shuffle(values);
      return values;
    }
    case "spawn":
      return rng.spawn(step[1]).map((child) => child.nextUint64().toString());
    case "integers": {
      const [, dtype, low, last, size] = step;
      const drawn = rng.integers(BigInt(low), BigInt(last), size, { dtype, endpoint: true });
      return [...drawn].map(String);
    }
    case "choice":
      return [...rng.choice(step[1], step[2])];
    case "distinct":
      return [...rng.choice(step[1], step[2], { replace: false, shuffle: step[3] })];
    case "weighted":
      return [...rng.choice(step[1].length, step[2], { p: step[1], replace: step[3] })];
    case "advance":
      rng.advance(BigInt(step[1]));
      return rng.nextUint64().toString();
  }
}

function numpy([seed, steps]: readonly [readonly string[], readonly NumpyStep[]]): unknown {
  let rng = defaultRng(seed.map(BigInt));
  const drawn = steps.map((step) => {
    rng = NumpyGenerator.fromState(JSON.parse(JSON.stringify(rng.state())));
    return numpyStep(rng, step);
  });
  const { state, spare } = rng.state();
  return [drawn, [state, spare]];
}

type TorchStep =
  | readonly ["rand" | "double" | "randperm", number]
  | readonly ["randint", number, number, number]
  | readonly ["multinomial", readonly number[], boolean, number, boolean];

function torchStep(generator: TorchGenerator, step: TorchStep): unknown {
  switch (step[0]) {
    case "rand":
      return [...generator.rand(step[1])];
    case "double":
      return [...generator.fillRand(new Float64Array(step[1]))];
    case "randperm":
      return [...generator.randperm(step[1])];
    case "randint":
      return [...generator.randint(step[1], step[2], step[3])];
    case "multinomial": {
      const [, weights, isSingle, size, replacement] = step;
      const array = isSingle ? Float32Array.from(weights) : Float64Array.from(weights);
      return [...generator.multinomial(array, size, { replacement })];
    }
  }
}

function torch([seed, steps]: readonly [string, readonly TorchStep[]]): unknown {
  const generator = TorchGenerator.fromSeed(BigInt(seed));
  const drawn = steps.map((step) => torchStep(generator, step));
  return [drawn, createHash("sha256").update(generator.toTorchState()).digest("hex")];
}

type PythonStep =
  | readonly ["random"]
  | readonly ["getrandbits" | "shuffle", number]
  | readonly ["randint" | "sample" | "choices", number, number]
  | readonly ["randrange", number, number, number]
  | readonly ["weighted", readonly number[], number];

function pythonStep(rng: PythonRandom, step: PythonStep): unknown {
  switch (step[0]) {
    case "random":
      return rng.random();
    case "getrandbits":
      return rng.getrandbits(step[1]);
    case "randint":
      return rng.randint(step[1], step[2]);
    case "randrange":
      return rng.randrange(step[1], step[2], step[3]);
    case "shuffle": {
      const values = upTo(step[1]);
      rng.shuffle(values);
      return values;
    }
    case "sample":
      return [...rng.sample(step[1], step[2])];
    case "choices":
      return [...rng.choices(step[1], step[2])];
    case "weighted":
      return [...rng.choices(step[1].length, step[2], step[1])];
  }
}

type PythonCase = readonly [readonly ["text" | "integer", string], readonly PythonStep[]];

function python([[kind, seed], steps]: PythonCase): unknown {
  const rng = PythonRandom.fromSeed(kind === "text" ? seed : BigInt(seed));
  return steps.map((step) => pythonStep(rng, step));
}

function upTo(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

export const RANDOM_KINDS = {
  numpy: { name: "numpy's default_rng", run: numpy },
  torch: { name: "torch.Generator", run: torch },
  python: { name: "random.Random", run: python },
} satisfies Record<string, Kind<never>>;
