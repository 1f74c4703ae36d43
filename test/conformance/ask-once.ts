import { spawn } from "node:child_process";

/** A Python program that reads one request as JSON on stdin and writes one answer. */
export async function askOnce(python: string, driver: string, request: object): Promise<unknown> {
  const env = { ...process.env, PYTHONDONTWRITEBYTECODE: "1", PYTHONWARNINGS: "ignore" };
  const child = spawn(python, [driver], { env, stdio: ["pipe", "pipe", "inherit"] });
  child.stdin.end(JSON.stringify(request));
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (chunk: string) => {
    text += chunk;
  });
  const code = await new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (code !== 0) throw new Error(`${driver} ended with ${code}`);
  return JSON.parse(text);
}
