import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../helpers/bundle.ts";
import { runScdl } from "../helpers/run-process.ts";
import { fixture } from "../src/models/model-fixture.ts";

test("scdl infer takes a file and --set, and leaves the file that gives the same results", async () => {
  const folder = temporaryDirectory();
  const [a, b] = [join(folder, "a.fasta"), join(folder, "b.csv")];
  writeFileSync(a, ">p0\nMKTVRQ\n>p1\nMK\n");
  writeFileSync(b, "id,sequence\np2,MRLAGW\n");
  const file = join(folder, "infer.yaml");
  writeFileSync(
    file,
    `data_config:
  data: [${a}, ${b}]
  max_seq_length: 6
bionemo_model_config:
  initial_ckpt_path: ${fixture("esm2")}
training_config:
  threads: 1
inference_config:
  results_path: ${join(folder, "first")}
  outputs: [embeddings, input_ids]
`,
  );
  const infer = (...args: string[]) => runScdl(["infer", "esm2", ...args]);
  const first = await infer("--config", file, "--set", "data_config.micro_batch_size=2");
  expect(first).toMatchObject({ code: 0, stderr: "" });
  const kept = join(folder, "first", "predictions.yaml");
  expect(readFileSync(kept, "utf8")).toMatch(/micro_batch_size: 2\n(.*\n)*.*max_seq_length: 6\n/);
  expect(readFileSync(kept, "utf8")).not.toMatch(/optim_config|experiment_config|medians/);
  expect(readFileSync(join(folder, "first", "ids.txt"), "utf8")).toBe("p0\np1\np2\n");
  const [again, unknown, none] = await Promise.all([
    infer("--config", kept, "--results-path", join(folder, "again")),
    infer("--config", file, "--set", "inference_config.formatt=npy"),
    infer("--data-path", a, "--checkpoint-path", fixture("esm2")),
  ]);
  expect(again).toMatchObject({ code: 0, stderr: "" });
  const bytesOf = (name: string) => readFileSync(join(folder, name, "predictions.safetensors"));
  expect(bytesOf("again")).toEqual(bytesOf("first"));
  expect(unknown.stderr).toContain("did you mean inference_config.format?");
  expect(none.stderr).toContain("--results-path must be given");
  expect([unknown, none].map(({ code }) => code)).toEqual([2, 2]);
  expect(existsSync(join(folder, "again", "predictions.yaml"))).toBe(true);
});
