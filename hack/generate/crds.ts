// SPDX-License-Identifier: Apache-2.0

import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parse } from "yaml";
import type { Shape } from "../../src/api/shape.ts";
import { SPDX_HEADER } from "./spdx.ts";

/** The part of a CustomResourceDefinition's schema that types are made of. */
interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly string[];
  readonly "x-kubernetes-int-or-string"?: boolean;
}

interface Crd {
  readonly spec: {
    readonly names: { readonly kind: string; readonly plural: string };
    readonly versions: readonly { readonly schema: { readonly openAPIV3Schema: Schema } }[];
  };
}

/** Objects that already have a type of their own: their property names → the type and its file. */
const KNOWN: Readonly<Record<string, { readonly type: string; readonly file: string }>> = {
  "matchExpressions,matchLabels": { type: "LabelSelector", file: "../label-selector.ts" },
  "lastTransitionTime,lastUpdateTime,message,observedGeneration,reason,status,type": {
    type: "Condition",
    file: "../conditions.ts",
  },
};

const ROOT = join(import.meta.dirname, "../..");
const WIDTH = 120;

/**
 * Makes `src/api/generated/<kind>.ts` of each file in `crds/`: an interface for the spec, for the status and for each
 * object inside them, documented by the schema's descriptions. With `check` nothing is written. Resolves to the files
 * (relative to the checkout) that were not as they must be.
 */
export async function generateCrds(options: { readonly check: boolean }): Promise<readonly string[]> {
  const sources = (await readdir(join(ROOT, "crds"))).filter((name) => name.endsWith(".yaml")).sort();
  const stale: string[] = [];
  const crds = await Promise.all(
    sources.map(async (source) => parse(await readFile(join(ROOT, "crds", source), "utf8")) as Crd),
  );
  const files = crds.map((crd, i) => ({
    path: `src/api/generated/${crd.spec.names.kind.toLowerCase()}.ts`,
    text: crdTypes(crd, `crds/${sources[i]}`),
  }));
  for (const { path, text } of [...files, { path: "src/api/generated/shapes.ts", text: crdShapes(crds) }]) {
    const old = await readFile(join(ROOT, path), "utf8").catch(() => undefined);
    if (old === text) continue;
    stale.push(path);
    if (!options.check) await writeFile(join(ROOT, path), text);
  }
  return stale;
}

/** The text of the file of shapes: the types alone, of every kind. Pure. */
export function crdShapes(crds: readonly Crd[]): string {
  const entries = crds.map(({ spec: { names, versions } }) => {
    const { spec = {}, status = {} } = versions[0]?.schema.openAPIV3Schema.properties ?? {};
    return `  ${JSON.stringify(names.plural)}: ${JSON.stringify({ spec: shapeOf(spec), status: shapeOf(status) })},\n`;
  });
  return `${SPDX_HEADER}// Generated from crds/ by \`npm run generate -- crds\`. Do not edit.
import type { Shape } from "../shape.ts";

type Fields = Extract<Shape, { readonly fields: unknown }>;

// biome-ignore format: one line for each kind
/** The types of the fields of every kind, by the plural of its name. */
export const SHAPES: Readonly<Record<string, { readonly spec: Fields; readonly status: Fields }>> = {
${entries.join("")}};
`;
}

function shapeOf(schema: Schema): Shape {
  if (schema["x-kubernetes-int-or-string"] === true) return "count";
  switch (schema.type) {
    case "string":
      return "text";
    case "boolean":
      return "flag";
    case "integer":
    case "number":
      return "number";
    case "array":
      return { list: shapeOf(schema.items ?? {}) };
    case "object":
    case undefined: {
      if (schema.additionalProperties !== undefined) return { map: shapeOf(schema.additionalProperties) };
      const fields = Object.entries(schema.properties ?? {}).map(([key, of]) => [key, shapeOf(of)] as const);
      return { fields: Object.fromEntries(fields) };
    }
    default:
      throw new Error(`the generator does not know the type ${schema.type}`);
  }
}

/** The text of one file of types. Pure. */
export function crdTypes(crd: Crd, source: string): string {
  const schema = crd.spec.versions[0]?.schema.openAPIV3Schema;
  const kind = crd.spec.names.kind;
  const file = new TypeFile();
  for (const [part, name] of [
    ["spec", `${kind}Spec`],
    ["status", `${kind}Status`],
  ] as const) {
    const partSchema = schema?.properties?.[part];
    // What is inside the spec is named after the kind alone: `SubnetAcl`, but `VpcStatusBfdPort`.
    if (partSchema !== undefined) file.addInterface(name, part === "spec" ? kind : name, partSchema);
  }
  return file.text(source);
}

/** Collects the interfaces and imports of one file. */
class TypeFile {
  readonly #interfaces: string[] = [];
  /** type → the file to import it from. */
  readonly #imports = new Map<string, string>();

  addInterface(name: string, prefix: string, schema: Schema): void {
    const at = this.#interfaces.push("") - 1;
    const lines = [...docComment(schema.description, ""), `export interface ${name} {`];
    for (const [property, propertySchema] of Object.entries(schema.properties ?? {})) {
      const optional = schema.required?.includes(property) === true ? "" : "?";
      lines.push(...docComment(propertySchema.description, "  "));
      lines.push(`  readonly ${property}${optional}: ${this.#type(propertySchema, nested(prefix, property))};`);
    }
    this.#interfaces[at] = `${[...lines, "}"].join("\n")}\n`;
  }

  text(source: string): string {
    const imports = [...this.#imports.entries()]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([type, file]) => `import type { ${type} } from "${file}";\n`);
    const header = `${SPDX_HEADER}// Generated from ${source} by \`npm run generate -- crds\`. Do not edit.\n`;
    return [header + imports.join(""), ...this.#interfaces].join("\n");
  }

  #type(schema: Schema, name: string): string {
    if (schema["x-kubernetes-int-or-string"] === true) return this.#import("Count", "../count.ts");
    if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
    switch (schema.type) {
      case "string":
      case "boolean":
        return schema.type;
      case "integer":
      case "number":
        return "number";
      case "array": {
        const item = this.#type(schema.items ?? {}, name.replace(/s$/, ""));
        return `readonly ${item.includes(" ") ? `(${item})` : item}[]`;
      }
      case "object":
        return this.#object(schema, name);
      default:
        throw new Error(`${name} is of a type that the generator does not know: ${schema.type}`);
    }
  }

  #object(schema: Schema, name: string): string {
    if (schema.additionalProperties !== undefined) {
      return `Readonly<Record<string, ${this.#type(schema.additionalProperties, name)}>>`;
    }
    const known =
      KNOWN[
        Object.keys(schema.properties ?? {})
          .sort()
          .join()
      ];
    if (known !== undefined) return this.#import(known.type, known.file);
    this.addInterface(name, name, schema);
    return name;
  }

  #import(type: string, file: string): string {
    this.#imports.set(type, file);
    return type;
  }
}

/** The name of the type of `property` inside `prefix`: `Subnet` and `acls` → `SubnetAcls`, but `Vpc` and `vpcPeerings` → `VpcPeerings`. */
function nested(prefix: string, property: string): string {
  const name = property.charAt(0).toUpperCase() + property.slice(1);
  return name.startsWith(prefix) ? name : prefix + name;
}

/** A description as a doc comment: on one line where it fits, else broken at spaces. */
function docComment(description: string | undefined, indent: string): readonly string[] {
  if (description === undefined) return [];
  const text = description.replaceAll("*/", "*\\/").trim();
  if (indent.length + text.length + 7 <= WIDTH) return [`${indent}/** ${text} */`];
  const lines = [""];
  for (const word of text.split(/\s+/)) {
    const last = lines.at(-1) ?? "";
    if (last !== "" && indent.length + 3 + last.length + 1 + word.length > WIDTH) lines.push(word);
    else lines[lines.length - 1] = last === "" ? word : `${last} ${word}`;
  }
  return [`${indent}/**`, ...lines.map((line) => `${indent} * ${line}`), `${indent} */`];
}
