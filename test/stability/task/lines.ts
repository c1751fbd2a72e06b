// SPDX-License-Identifier: Apache-2.0

import { type Document, isMap, isNode, isScalar, isSeq, LineCounter, type Node, parseDocument, visit } from "yaml";
import { StabilityError, textOf } from "../errors.ts";
import type { Issue } from "../plugin.ts";
import { type Rendered, type SourcePlace, shownPlace } from "./template.ts";

/** A parsed task with the lines of its values. */
export interface Located {
  readonly value: unknown;
  /** The place in the source of the value, or the key, of a path; if there is none, of the enclosing value. */
  placeOf(path: readonly (string | number)[]): SourcePlace;
}

/** Number of problems that are shown at once. */
const MAX_SHOWN = 20;

/** Parses rendered YAML. Throws StabilityError `invalid-task` with the line of the source. */
export function locate(file: string, { text, lines }: Rendered): Located {
  const counter = new LineCounter();
  const document = parseDocument(text, { lineCounter: counter, prettyErrors: false, uniqueKeys: true });
  const source = (offset: number): SourcePlace => lines[counter.linePos(offset).line - 1] ?? { file, line: 1 };
  const [error] = document.errors;
  if (error !== undefined)
    throw new StabilityError("invalid-task", `${shownPlace(source(error.pos[0]))}: ${error.message}`);
  return {
    value: parsedValue(document, (offset, why) => {
      const message = `${shownPlace(source(offset))}: ${textOf(why)}`;
      throw new StabilityError("invalid-task", message, { cause: why });
    }),
    placeOf: (path) => source(offsetOf(document, path)),
  };
}

/** The value of a document. Only its aliases can be wrong: `fail` gets the offset of the one without an anchor, or of the last if they repeat too much. */
function parsedValue(document: Document.Parsed, fail: (offset: number, why: unknown) => never): unknown {
  try {
    return document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    let offset = 0;
    visit(document, {
      Alias(_, alias) {
        offset = startOf(alias);
        return alias.resolve(document) === undefined ? visit.BREAK : undefined;
      },
    });
    return fail(offset, error);
  }
}

function offsetOf(document: Document.Parsed, path: readonly (string | number)[]): number {
  let node: unknown = document.contents;
  let offset = startOf(document.contents);
  for (const step of path) {
    if (isMap(node)) {
      const pair = node.items.find(({ key }) => isScalar(key) && String(key.value) === String(step));
      if (pair === undefined) break;
      offset = isNode(pair.key) ? startOf(pair.key) : offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(step)];
      if (!isNode(item)) break;
      offset = startOf(item);
      node = item;
    } else break;
  }
  return offset;
}

function startOf(node: Node | null): number {
  return node?.range?.[0] ?? 0;
}

/** One error of all issues, each with its line and its path: `task.yaml:7: runs[0].load[1].runner.rps: …`. */
export function invalid(located: Located, issues: readonly Issue[]): StabilityError {
  const lines = issues
    .map(({ path, message }) => ({ at: located.placeOf(path), text: `${pathText(path)}${message}` }))
    .sort((a, b) => a.at.line - b.at.line)
    .map(({ at, text }) => `${shownPlace(at)}: ${text}`);
  const more = lines.length > MAX_SHOWN ? [`and ${lines.length - MAX_SHOWN} more`] : [];
  return new StabilityError("invalid-task", [...new Set(lines)].slice(0, MAX_SHOWN).concat(more).join("\n"));
}

function pathText(path: readonly (string | number)[]): string {
  if (path.length === 0) return "";
  const text = path.map((step) => (typeof step === "number" ? `[${step}]` : `.${step}`)).join("");
  return `${text.replace(/^\./, "")}: `;
}
