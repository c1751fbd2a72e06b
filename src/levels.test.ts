// SPDX-License-Identifier: Apache-2.0

import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import t from "tap";

/** folder → level. A folder imports lower levels only, never one of its own level. */
const LEVELS: Readonly<Record<string, number>> = {
  ...{ collections: 0, time: 0 },
  ...{ api: 1, net: 1, desired: 1 },
  ...{ ovsdb: 2, netlink: 2, kube: 2, facts: 2, telemetry: 2, contract: 2, pki: 2 },
  ...{ ipam: 3, policy: 3, node: 3 },
  ...{ claims: 4 },
  ...{ compile: 5 },
  ...{ kinds: 6 },
  ...{ reconcile: 7, reachability: 7 },
  ...{ page: 8, recording: 8 },
  ...{ controller: 9, daemon: 9, speaker: 9, pinger: 9, cni: 9, cli: 9, ui: 9 },
};
/** Folders without I/O, clock or chance: what they say depends on what they are given, and on nothing else. */
const PURE = ["contract", "ipam", "policy", "claims", "compile", "kinds", "reachability", "page"];
const IMPURE_WORDS = /\b(Date|process|await)\b|\bMath\.random\b/;
/** package → the one folder that may import it. */
const OWNERS: Readonly<Record<string, string>> = { "@kubernetes/client-node": "kube", koffi: "netlink", ws: "kube" };
/** What knows the version of Weft, and imports it from outside `src`. */
const VERSION = { file: "cli/install/embedded.ts", from: "../package.json" };
/** Packages that only some processes need, and that cost the others memory where they are not loaded by `import()`. */
const LAZY: ReadonlySet<string> = new Set(["@kubernetes/client-node"]);

/** The one file that formats times. */
const TIMES = "time/rfc3339.ts";

/** The files of levels below that the page's program may run, besides two folders: they need nothing that a browser lacks. */
const OF_THE_PAGE: readonly string[] = [TIMES, "time/backoff.ts"];

/** Names of the files that a text imports, as written, with what is before the name. */
const IMPORT = /^\s*(?:import|export)\s+(type\s)?(?:[^;"']*?\sfrom\s+)?"([^"]+)"|\bimport\("([^"]+)"\)/gm;

const ROOT = join(import.meta.dirname, "..");
const FILES = globSync("**/*.{ts,tsx}", { cwd: import.meta.dirname }).sort();

/** The text of a file without its comments. `file`: its path in the project. */
function codeOf(file: string): string {
  const text = readFileSync(join(ROOT, file), "utf8");
  return text.replaceAll(/\/\*[\s\S]*?\*\/|(?<![:"'`])\/\/.*/g, "");
}

/** Those files of a graph of imports that import each other in a circle, or lie between two circles. */
function circles(imports: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const left = new Set(imports.keys());
  let before: number;
  do {
    before = left.size;
    const imported = new Set([...left].flatMap((file) => imports.get(file) ?? []));
    for (const file of left) {
      const others = imports.get(file) ?? [];
      if (!imported.has(file) || !others.some((other) => left.has(other))) left.delete(file);
    }
  } while (left.size < before);
  return [...left];
}

t.test("no files import each other in a circle, not even for types", async (t) => {
  const known = { a: ["b"], b: ["c"], c: ["b"], d: ["e"], e: [] };
  t.strictSame(circles(new Map(Object.entries(known))), ["b", "c"], "a circle is found");
  const files = globSync("{src,hack,test}/**/*.{ts,tsx}", { cwd: ROOT });
  t.ok(files.length > 1_000, "files are found");
  const imports = files.map((file) => {
    const names = [...codeOf(file).matchAll(IMPORT)].map(([, , from = "", dynamic]) => dynamic ?? from);
    return [file, names.map((name) => posix.join(posix.dirname(file), name))] as const;
  });
  t.strictSame(circles(new Map(imports)).toSorted(), []);
});

for (const file of FILES) {
  const folder = file.split("/")[0] ?? "";
  if (/\.test\.ts$|\/testing\//.test(file) || folder === file) continue;
  const text = codeOf(`src/${file}`);

  t.test(`${file} imports what its level allows`, async (t) => {
    const level = LEVELS[folder] ?? -1;
    const wrong: string[] = [];
    const check = (right: boolean, otherwise: string): unknown => right || wrong.push(otherwise);
    check(level >= 0, `src/${folder} has no level: give it one in DESIGN.md and here`);
    for (const [line, type, from = "", dynamic] of text.matchAll(IMPORT)) {
      const name = dynamic ?? from;
      if (!name.startsWith(".")) {
        const owner = OWNERS[name.split("/", name.startsWith("@") ? 2 : 1).join("/")];
        check(owner === undefined || owner === folder, `only src/${owner} may import ${name}`);
        check(!LAZY.has(name) || type !== undefined || dynamic !== undefined, `${name} is for import() only`);
        check(
          folder !== "cni" || name.startsWith("node:"),
          `the shim imports ${name}, and its imports are its latency`,
        );
        continue;
      }
      const target = posix.join(posix.dirname(file), name);
      const other = target.split("/")[0] ?? "";
      check(!target.includes("/testing/"), `${target} is for tests only`);
      if (other === folder || (file === VERSION.file && target === VERSION.from)) continue;
      // What types of objects there are is no I/O.
      const io = ["ovsdb", "netlink", "kube"].includes(other) && target !== "kube/resources.ts";
      check((LEVELS[other] ?? level) < level, `level ${level} may not import ${target}: ${line.trim()}`);
      check(
        folder !== "ui" || ["collections", "net"].includes(other) || OF_THE_PAGE.includes(target) || type !== undefined,
        `the page's program may import types only of ${target}`,
      );
      check(folder !== "cni" || target === "api/cni-message.ts", `the shim may not import ${target}`);
      check(!PURE.includes(folder) || !io || type !== undefined, `a pure folder may import types only of ${target}`);
    }
    check(file === TIMES || !text.includes("toISOString"), `only src/${TIMES} formats times`);
    if (PURE.includes(folder)) check(!IMPURE_WORDS.test(text), "a pure folder has no clock, chance, process or await");
    t.strictSame(wrong, []);
  });
}
