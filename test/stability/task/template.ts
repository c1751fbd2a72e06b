// SPDX-License-Identifier: Apache-2.0

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { StabilityError, textOf } from "../errors.ts";

/** The values of variables: what YAML of one line can contain. */
export type Variables = Readonly<Record<string, unknown>>;

/** A line of a task's file, or of a file that it includes. Lines count from 1. */
export interface SourcePlace {
  readonly file: string;
  readonly line: number;
}

/** A rendered text, and for each of its lines (from 0) where it comes from. */
export interface Rendered {
  readonly text: string;
  readonly lines: readonly SourcePlace[];
}

/** How a place is named in messages: `task.yaml:7`. */
export function shownPlace({ file, line }: SourcePlace): string {
  return `${file}:${line}`;
}

/** Maximum number of lines, with those that loops repeat and their directives, because nested loops multiply. */
const MAX_LINES = 20_000;
/** Maximum depth of includes, which stops a file that includes itself. */
const MAX_DEPTH = 8;

type Block =
  | { readonly kind: "line"; readonly at: SourcePlace; readonly text: string }
  | { readonly kind: "set"; readonly at: SourcePlace; readonly name: string; readonly value: string }
  | {
      readonly kind: "for";
      readonly at: SourcePlace;
      readonly name: string;
      readonly of: string;
      readonly body: Block[];
    };

function fail(at: SourcePlace, message: string): never {
  throw new StabilityError("invalid-task", `${shownPlace(at)}: ${message}`);
}

/**
 * Renders a task as Rally does with Jinja2, as far as tasks need it: `{{ name }}` and `{{ name | default(3) }}`; on lines of their own
 * `{% set name = VALUE %}` (unless it is given), `{% for name in LIST %}` … `{% endfor %}`, where VALUE is JSON or a name, and `{% include "FILE" %}`, a
 * path relative to the folder of the including file. Throws StabilityError `invalid-task`, which names the file and the line.
 */
export function render(file: string, source: string, given: Variables): Rendered {
  const out: string[] = [];
  const lines: SourcePlace[] = [];
  let walked = 0;
  const walk = (blocks: readonly Block[], scope: Map<string, unknown>): void => {
    for (const block of blocks) {
      if (++walked > MAX_LINES) fail(block.at, `the task has more than ${MAX_LINES} lines`);
      if (block.kind === "set") {
        if (!scope.has(block.name)) scope.set(block.name, evaluate(block.value, scope, block.at));
      } else if (block.kind === "for") {
        const list = evaluate(block.of, scope, block.at);
        if (!Array.isArray(list)) fail(block.at, `"${block.of}" is not a list`);
        for (const item of list) walk(block.body, new Map([...scope, [block.name, item]]));
      } else {
        // A value may have several lines.
        for (const line of substitute(block.text, scope, block.at).split("\n")) {
          out.push(line);
          lines.push(block.at);
        }
      }
    }
  };
  walk(parse(file, source), new Map(Object.entries(given)));
  return { text: out.join("\n"), lines };
}

function parse(file: string, source: string, depth = 0): readonly Block[] {
  const root: Block[] = [];
  const open: { readonly at: SourcePlace; readonly outer: Block[] }[] = [];
  let into = root;
  for (const [index, text] of source.split("\n").entries()) {
    const at: SourcePlace = { file, line: index + 1 };
    // YAML comments are not changed, because they may contain template syntax.
    const directive = /^\s*\{%\s*(.*?)\s*%\}\s*$/.exec(text)?.[1];
    if (directive === undefined) {
      if (text.includes("{%") && !/^\s*#/.test(text)) fail(at, "{% … %} must stand on a line of its own");
      into.push({ kind: "line", at, text });
      continue;
    }
    const set = /^set (\w+) = (.+)$/.exec(directive);
    const include = /^include "([^"]+)"$/.exec(directive);
    const loop = /^for (\w+) in (.+)$/.exec(directive);
    if (set !== null) into.push({ kind: "set", at, name: set[1] ?? "", value: set[2] ?? "" });
    else if (include !== null) into.push(...included(at, include[1] ?? "", depth));
    else if (loop !== null) {
      const body: Block[] = [];
      into.push({ kind: "for", at, name: loop[1] ?? "", of: loop[2] ?? "", body });
      open.push({ at, outer: into });
      into = body;
    } else if (directive === "endfor") {
      into = open.pop()?.outer ?? fail(at, "endfor without a for");
    } else {
      const forms = 'set NAME = VALUE, for NAME in LIST, endfor, include "FILE"';
      fail(at, `unknown directive "${directive}"; must be one of: ${forms}`);
    }
  }
  const last = open.pop();
  if (last !== undefined) fail(last.at, "for without an endfor");
  return root;
}

/** The blocks of another file, inserted where it is included. */
function included(at: SourcePlace, name: string, depth: number): readonly Block[] {
  if (depth >= MAX_DEPTH) fail(at, `files include each other more than ${MAX_DEPTH} deep`);
  const file = join(dirname(at.file), name);
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    return fail(at, `cannot include ${file}: ${textOf(error)}`);
  }
  return parse(file, source, depth + 1);
}

function substitute(text: string, scope: ReadonlyMap<string, unknown>, at: SourcePlace): string {
  if (/^\s*#/.test(text)) return text;
  return text.replaceAll(/\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
    const match = /^(\w+)(?:\s*\|\s*default\((.*)\))?$/.exec(expression);
    if (match === null) fail(at, `cannot read {{ ${expression} }}; write {{ name }} or {{ name | default(VALUE) }}`);
    const [, name = "", otherwise] = match;
    if (scope.has(name)) return shown(scope.get(name));
    if (otherwise !== undefined) return shown(evaluate(otherwise, scope, at));
    return fail(at, `{{ ${name} }} has no value; give it with --set ${name}=VALUE`);
  });
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function evaluate(text: string, scope: ReadonlyMap<string, unknown>, at: SourcePlace): unknown {
  if (/^[a-zA-Z_]\w*$/.test(text) && !["true", "false", "null"].includes(text)) {
    return scope.has(text) ? scope.get(text) : fail(at, `${text} has no value; give it with --set ${text}=VALUE`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail(at, `${text} is neither a name nor JSON: ${textOf(error)}`);
  }
}
