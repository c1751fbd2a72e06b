// SPDX-License-Identifier: Apache-2.0

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { parse } from "yaml";
import { crdTypes, generateCrds } from "./crds.ts";

const CRDS = join(import.meta.dirname, "../../crds");

t.test("the generated types are those of crds/", async (t) => {
  t.strictSame(await generateCrds({ check: true }), [], "stale: run `npm run generate -- crds`");
});

t.test("an interface is made for each object, with its description and what may be left out", async (t) => {
  const text = crdTypes(
    {
      spec: {
        names: { kind: "Net", plural: "nets" },
        versions: [
          {
            schema: {
              openAPIV3Schema: {
                properties: {
                  spec: {
                    type: "object",
                    description: "What it is to be.",
                    required: ["name"],
                    properties: {
                      name: { type: "string", description: `${"word ".repeat(30)}end` },
                      mode: { type: "string", enum: ["", "a"] },
                      modes: { type: "array", items: { type: "string", enum: ["b", "c"] } },
                      labels: { type: "object", additionalProperties: { type: "string" } },
                      rules: {
                        type: "array",
                        items: { type: "object", properties: { priority: { type: "integer" } } },
                      },
                    },
                  },
                  status: {
                    type: "object",
                    properties: {
                      free: { "x-kubernetes-int-or-string": true },
                      port: { type: "object", properties: { up: { type: "boolean" } } },
                    },
                  },
                },
              },
            },
          },
        ],
      },
    },
    "crds/nets.yaml",
  );
  t.equal(
    text,
    `// SPDX-License-Identifier: Apache-2.0

// Generated from crds/nets.yaml by \`npm run generate -- crds\`. Do not edit.
import type { Count } from "../count.ts";

/** What it is to be. */
export interface NetSpec {
  /**
   * ${"word ".repeat(23).trim()}
   * ${"word ".repeat(7)}end
   */
  readonly name: string;
  readonly mode?: "" | "a";
  readonly modes?: readonly ("b" | "c")[];
  readonly labels?: Readonly<Record<string, string>>;
  readonly rules?: readonly NetRule[];
}

export interface NetRule {
  readonly priority?: number;
}

export interface NetStatus {
  readonly free?: Count;
  readonly port?: NetStatusPort;
}

export interface NetStatusPort {
  readonly up?: boolean;
}
`,
  );
});

// biome-ignore lint/suspicious/noExplicitAny: a schema as YAML gives it.
function fieldsOf(schema: any, path: string): string[] {
  const scalar = (of: { type: string; format?: string; default?: boolean }): string =>
    of.type +
    (of.format === undefined ? "" : ` ${of.format}`) +
    (of.default === undefined ? "" : ` default ${of.default}`);
  if (schema["x-kubernetes-int-or-string"] === true) return [`${path} number`];
  if (schema.type === "array") {
    return schema.items.type === "object"
      ? fieldsOf(schema.items, `${path}[]`)
      : [`${path} array of ${scalar(schema.items)}`];
  }
  if (schema.type !== "object") return [`${path} ${scalar(schema)}`];
  if (schema.additionalProperties !== undefined) return [`${path} map of ${schema.additionalProperties.type}`];
  const inside = Object.entries(schema.properties).flatMap(([name, of]) => fieldsOf(of, `${path}.${name}`));
  return [`${path} object`, ...inside];
}

t.test("every field of Kube-OVN's is there with its type and default, and no other", async (t) => {
  const wanted = readFileSync(join(import.meta.dirname, "kube-ovn-fields.txt"), "utf8")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .sort();
  const found = readdirSync(CRDS).flatMap((name) => {
    const crd = parse(readFileSync(join(CRDS, name), "utf8"));
    const { spec, status } = crd.spec.versions[0].schema.openAPIV3Schema.properties;
    const kind = crd.spec.names.kind;
    return [...fieldsOf(spec, `${kind} spec`), ...(status === undefined ? [] : fieldsOf(status, `${kind} status`))];
  });
  t.strictSame(found.sort(), wanted);
});

t.test("every field has a description", async (t) => {
  for (const name of readdirSync(CRDS)) {
    // biome-ignore lint/suspicious/noExplicitAny: a schema as YAML gives it.
    const walk = (schema: any, path: string): void => {
      t.ok(schema.description?.length > 0, `${name} ${path}`);
      for (const [key, of] of Object.entries(schema.properties ?? {})) walk(of, `${path}.${key}`);
      if (schema.items?.type === "object") walk(schema.items, `${path}[]`);
    };
    const root = parse(readFileSync(join(CRDS, name), "utf8")).spec.versions[0].schema.openAPIV3Schema;
    walk(root.properties.spec, "spec");
    if (root.properties.status !== undefined) walk(root.properties.status, "status");
  }
});
