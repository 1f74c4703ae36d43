/** What a file that is not HDF5 looks like, and what to do with it. */
import { FormatError } from "../common/errors.ts";

const AGAIN = "copy or download the file again";
const CONVERT = "write it as h5ad with anndata (adata.write_h5ad)";

interface Kind {
  /** How the file begins: bytes in hex, or a pattern of text. */
  readonly begins: string | RegExp;
  readonly found: string;
  readonly suggestion: string;
}

/** What people name by mistake. */
const KINDS: readonly Kind[] = [
  { begins: "1f8b", found: "a gzip file", suggestion: "unpack it first: gunzip FILE" },
  { begins: "504b0304", found: "a zip file", suggestion: `unpack it; from zarr, ${CONVERT}` },
  { begins: "425a68", found: "a bzip2 file", suggestion: "unpack it first: bunzip2 FILE" },
  { begins: "fd377a58", found: "an xz file", suggestion: "unpack it first: unxz FILE" },
  { begins: "28b52ffd", found: "a zstd file", suggestion: "unpack it first: unzstd FILE" },
  { begins: "50415231", found: "a parquet file", suggestion: CONVERT },
  { begins: "934e554d5059", found: "a numpy array", suggestion: CONVERT },
  { begins: "0000000000000000", found: "zeros", suggestion: AGAIN },
  { begins: /^%%MatrixMarket/, found: "MatrixMarket text", suggestion: CONVERT },
  { begins: /^\s*<(!doctype|html|\?xml|error)/i, found: "a web page", suggestion: AGAIN },
  {
    begins: /^version https:\/\/git-lfs/,
    found: "a Git LFS pointer",
    suggestion: "fetch the file itself: git lfs pull",
  },
  { begins: /^[\t\n\r\x20-\x7e]+$/, found: "text", suggestion: CONVERT },
];

/** @param head the first bytes of the file, 64 or fewer */
export function notHdf5(path: string, head: Uint8Array): FormatError {
  const bytes = Buffer.from(head);
  const hex = bytes.toString("hex");
  const text = bytes.toString("latin1");
  const kind = KINDS.find(({ begins }) =>
    typeof begins === "string" ? hex.startsWith(begins) : begins.test(text),
  );
  const found = kind?.found ?? (head.length === 0 ? "an empty file" : `bytes ${hex.slice(0, 16)}`);
  const other = head.length === 0 ? AGAIN : "scdl reads .h5ad, 10x .h5 and SCDL directories";
  return new FormatError("bad-magic", `expected an HDF5 file, found ${found}`, {
    path,
    offset: 0,
    suggestions: [kind?.suggestion ?? other],
  });
}
