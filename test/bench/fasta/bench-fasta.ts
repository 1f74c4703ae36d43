/** This package: index a FASTA file, read it as a stream or proteins of it by name. */
import fs from "node:fs";
import { FastaFile, FastaReader, indexFasta } from "../built.ts";

const [what = "", file = "", ...rest] = process.argv.slice(2);
const [proteins = 0, fetches = 0] = rest.map(Number);
let check = 0;
let begin = performance.now();
if (what === "index") {
  await indexFasta(file, { overwrite: true });
  check = fs.statSync(`${file}.fai`).size;
} else if (what === "stream") {
  using reader = await FastaReader.open(file);
  for (;;) {
    const more = reader.next();
    if (!(typeof more === "boolean" ? more : await more)) break;
    check += reader.length;
  }
} else {
  using opened = await FastaFile.open(file);
  opened.indexOf("");
  begin = performance.now();
  for (let i = 0; i < fetches; i++) {
    check += opened.fetch(`UniRef50_A0A${(i * 7919) % proteins}`).length;
  }
}
const seconds = (performance.now() - begin) / 1000;
const rssMiB = process.resourceUsage().maxRSS / 1024;
console.log(JSON.stringify({ seconds: [seconds], check, rssMiB }));
