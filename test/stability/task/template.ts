// SPDX-License-Identifier: Apache-2.0

import { StabilityError, textOf } from "../errors.ts";

/** What variables can be: what YAML of one line can say. */
export type Variables = Readonly<Record<string, unknown>>;

/** A rendered text, and for each of its lines (from 0) the line of the source (from 1). */
export interface Rendered {
  readonly text: string;
  readonly lines: readonly number[];
}

/** So many lines at most: nested loops multiply. */
const MAX_LINES = 20_000;

type Block =
  | { readonly kind: "line"; readonly line: number; readonly text: string }
  | { readonly kind: "set"; readonly line: number; readonly name: string; readonly value: string }
  | { readonly kind: "for"; readonly line: number; readonly name: string; readonly of: string; readonly body: Block[] };

function fail(line: number, message: string): never {
  throw new StabilityError("invalid-task", `line ${line}: ${message}`);
}

/**
 * Renders a task as Rally does with Jinja2, as far as tasks need it: `{{ name }}` and `{{ name | default(3) }}`; on lines of their own
 * `{% set name = VALUE %}` (unless it is given) and `{% for name in LIST %}` … `{% endfor %}`, where VALUE is JSON or a name. Throws StabilityError
 * `invalid-task`, which names the line.
 */
export function render(source: string, given: Variables): Rendered {
  const out: string[] = [];
  const lines: number[] = [];
  const walk = (blocks: readonly Block[], scope: Map<string, unknown>): void => {
    for (const block of blocks) {
      if (block.kind === "set") {
        if (!scope.has(block.name)) scope.set(block.name, evaluate(block.value, scope, block.line));
      } else if (block.kind === "for") {
        const list = evaluate(block.of, scope, block.line);
        if (!Array.isArray(list)) fail(block.line, `"${block.of}" is not a list`);
        for (const item of list) walk(block.body, new Map([...scope, [block.name, item]]));
      } else {
        if (out.length >= MAX_LINES) fail(block.line, `the task has more than ${MAX_LINES} lines`);
        out.push(substitute(block.text, scope, block.line));
        lines.push(block.line);
      }
    }
  };
  walk(parse(source.split("\n")), new Map(Object.entries(given)));
  return { text: out.join("\n"), lines };
}

function parse(source: readonly string[]): readonly Block[] {
  const root: Block[] = [];
  const open: { readonly line: number; readonly outer: Block[] }[] = [];
  let into = root;
  for (const [index, text] of source.entries()) {
    const line = index + 1;
    // Comments of YAML are left alone: they may speak of templates.
    const directive = /^\s*\{%\s*(.*?)\s*%\}\s*$/.exec(text)?.[1];
    if (directive === undefined) {
      if (text.includes("{%") && !/^\s*#/.test(text)) fail(line, "{% … %} must stand on a line of its own");
      into.push({ kind: "line", line, text });
      continue;
    }
    const set = /^set (\w+) = (.+)$/.exec(directive);
    const loop = /^for (\w+) in (.+)$/.exec(directive);
    if (set !== null) into.push({ kind: "set", line, name: set[1] ?? "", value: set[2] ?? "" });
    else if (loop !== null) {
      const body: Block[] = [];
      into.push({ kind: "for", line, name: loop[1] ?? "", of: loop[2] ?? "", body });
      open.push({ line, outer: into });
      into = body;
    } else if (directive === "endfor") {
      into = open.pop()?.outer ?? fail(line, "endfor without a for");
    } else fail(line, `unknown directive "${directive}"; must be one of: set NAME = VALUE, for NAME in LIST, endfor`);
  }
  const last = open.pop();
  if (last !== undefined) fail(last.line, "for without an endfor");
  return root;
}

function substitute(text: string, scope: ReadonlyMap<string, unknown>, line: number): string {
  if (/^\s*#/.test(text)) return text;
  return text.replaceAll(/\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
    const match = /^(\w+)(?:\s*\|\s*default\((.*)\))?$/.exec(expression);
    if (match === null) fail(line, `cannot read {{ ${expression} }}; write {{ name }} or {{ name | default(VALUE) }}`);
    const [, name = "", otherwise] = match;
    if (scope.has(name)) return shown(scope.get(name));
    if (otherwise !== undefined) return shown(evaluate(otherwise, scope, line));
    return fail(line, `{{ ${name} }} has no value; give it with --set ${name}=VALUE`);
  });
}

function shown(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function evaluate(text: string, scope: ReadonlyMap<string, unknown>, line: number): unknown {
  if (/^[a-zA-Z_]\w*$/.test(text) && !["true", "false", "null"].includes(text)) {
    return scope.has(text) ? scope.get(text) : fail(line, `${text} has no value; give it with --set ${text}=VALUE`);
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    return fail(line, `${text} is neither a name nor JSON: ${textOf(error)}`);
  }
}
