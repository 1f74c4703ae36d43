import { type Chart, DRAW } from "./charts.ts";

/** What a report says besides its charts. Any text may stand in it: everything is escaped. */
export interface ReportText {
  readonly title: string;
  /** How the run ended, in a sentence. */
  readonly outcome: string;
  readonly hasFailed: boolean;
  /** Tables by heading: names and values. */
  readonly tables: readonly (readonly [
    heading: string,
    rows: readonly (readonly [name: string, value: string])[],
  ])[];
  /** The configuration, as text. */
  readonly config: string;
}

/** The library that draws: put into the page, which asks nothing of the network. */
export interface PlotLibrary {
  readonly script: string;
  readonly style: string;
  readonly license: string;
}

/** A page that needs nothing but itself. */
export function reportPage(
  text: ReportText,
  charts: readonly Chart[],
  library: PlotLibrary,
): string {
  const title = escaped(text.title);
  const tables = text.tables.filter(([, rows]) => rows.length > 0).map(tableOf);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${library.style}</style>
<style>${STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<p class="${text.hasFailed ? "failed" : "ended"}">${escaped(text.outcome)}</p>
<div id="plots"></div>
${charts.length === 0 ? "<p>No step was logged.</p>" : "<noscript><p>The curves need scripts.</p></noscript>"}
${tables.join("\n")}
<h2>Configuration</h2>
<pre>${escaped(text.config)}</pre>
<script type="application/json" id="charts">${scriptJson(charts)}</script>
<script>
/*
${library.license.replaceAll("*/", "* /")}
*/
${library.script}
</script>
<script>${DRAW}</script>
</body>
</html>
`;
}

function tableOf([heading, rows]: ReportText["tables"][number]): string {
  const cells = rows.map(([name, value]) => {
    return `<tr><th scope="row">${escaped(name)}</th><td>${escaped(value)}</td></tr>`;
  });
  return `<h2>${escaped(heading)}</h2>\n<table>\n${cells.join("\n")}\n</table>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Text of an element or of an attribute in quotes. */
function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? "");
}

/** JSON that cannot end its script element. */
function scriptJson(value: unknown): string {
  return JSON.stringify(value).replace(/</g, "\\u003c");
}

const STYLE = `
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1f2937; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin-top: 2rem; }
#plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1.5rem; }
figure { margin: 0; min-width: 0; } figcaption { font-weight: 600; }
table { border-collapse: collapse; } th { text-align: left; font-weight: 400; padding-right: 2rem; }
td { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
pre { background: #f3f4f6; padding: 1rem; overflow: auto; }
.failed { color: #b91c1c; white-space: pre-wrap; }
`;
