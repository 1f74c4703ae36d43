/** A Vulkan driver that computes on the processor, for machines without a GPU. */
import { execFileSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

const PACKAGES = ["mesa-vulkan-drivers", "libvulkan1", "libdrm2", "libdrm-amdgpu1"];
const CACHE = join(process.env["XDG_CACHE_HOME"] ?? join(homedir(), ".cache"), "scdl/vulkan");
const DRIVERS = "usr/share/vulkan/icd.d";

/**
 * Unpacks Debian's Mesa into the user's cache; nothing is installed. Debian 12 has one that is too
 * old, its backports have one that will do.
 *
 * @returns the environment that makes a process use it
 * @throws Error that says why there is none
 */
export function softwareDriver(): Record<string, string> {
  const root = join(CACHE, "root");
  const icd = join(root, DRIVERS);
  if (!existsSync(icd)) download(root);
  const file = readdirSync(icd).find((name) => name.startsWith("lvp"));
  if (file === undefined) throw new Error("the packages have no software driver");
  const libraries = join(root, "usr/lib", libraryFolder(root));
  requireLibraries(join(libraries, "libvulkan_lvp.so"), libraries);
  const driver = join(icd, file);
  return { LD_LIBRARY_PATH: libraries, VK_DRIVER_FILES: driver, VK_ICD_FILENAMES: driver };
}

/** usr/lib has one folder, named for the architecture. */
function libraryFolder(root: string): string {
  const [folder] = readdirSync(join(root, "usr/lib")).filter((name) => name.includes("linux"));
  if (folder === undefined) throw new Error("the packages have no libraries");
  return folder;
}

function requireLibraries(library: string, folder: string): void {
  const env = { ...process.env, LD_LIBRARY_PATH: folder };
  const missing = execFileSync("ldd", [library], { encoding: "utf8", env })
    .split("\n")
    .filter((line) => line.includes("not found"));
  if (missing.length > 0) throw new Error(`the driver needs libraries: ${missing.join()}`);
}

/** In a folder of its own, and there at once when whole: another run may do the same, and one may be cut. */
function download(root: string): void {
  mkdirSync(CACHE, { recursive: true });
  const folder = mkdtempSync(join(CACHE, "download-"));
  try {
    unpack(folder, join(folder, "root"));
    if (existsSync(join(root, DRIVERS))) return;
    rmSync(root, { recursive: true, force: true });
    renameSync(join(folder, "root"), root);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function unpack(folder: string, root: string): void {
  const { mirror, codename } = debian();
  const lists = join(folder, "lists");
  const cache = join(folder, "cache");
  const packages = join(folder, "packages");
  for (const made of [`${lists}/partial`, `${cache}/archives/partial`, packages, root]) {
    mkdirSync(made, { recursive: true });
  }
  const sources = join(folder, "sources.list");
  const suites = [codename, `${codename}-backports`];
  writeFileSync(sources, suites.map((suite) => `deb ${mirror} ${suite} main\n`).join(""));
  const options = {
    "Dir::Etc::SourceList": sources,
    "Dir::Etc::SourceParts": "/dev/null",
    "Dir::State::Lists": lists,
    "Dir::Cache": cache,
    "APT::Sandbox::User": "root",
  };
  const flags = Object.entries(options).map(([name, value]) => `-o${name}=${value}`);
  const apt = (...args: readonly string[]) =>
    execFileSync("apt-get", [...flags, "-q", ...args], { cwd: packages, stdio: "pipe" });
  apt("update");
  apt("-t", `${codename}-backports`, "download", ...PACKAGES);
  for (const file of readdirSync(packages)) {
    execFileSync("dpkg", ["-x", join(packages, file), root]);
  }
}

/** Where this machine gets Debian's packages from. */
function debian(): { readonly mirror: string; readonly codename: string } {
  const release = readFileSync("/etc/os-release", "utf8");
  const codename = /^VERSION_CODENAME=(\w+)/m.exec(release)?.[1];
  if (!/^ID=debian$/m.test(release) || codename === undefined) throw new Error("not on Debian");
  const format = "$(REPO_URI) $(RELEASE) $(COMPONENT)";
  const targets = execFileSync("apt-get", ["indextargets", "--format", format], {
    encoding: "utf8",
  });
  const line = targets.split("\n").find((target) => target.endsWith(` ${codename} main`));
  const [mirror] = line?.split(" ") ?? [];
  if (mirror === undefined) throw new Error("no source of Debian's packages is known");
  return { mirror, codename };
}
