// SPDX-License-Identifier: Apache-2.0

import type { DebianPackage, NpmPackage } from "../image/bill-of-materials.ts";

/** What an image holds, for its bill of materials. */
export interface SbomInput {
  readonly version: string;
  readonly architecture: string;
  /** Debian's release, as in `distro=debian-13`. */
  readonly debianRelease: string;
  readonly node: string;
  readonly bun: string;
  readonly npm: readonly NpmPackage[];
  readonly debian: readonly DebianPackage[];
  /** Of the commit; the same commit so has the same document. */
  readonly time: Date;
}

interface Component {
  readonly type: "application" | "library" | "container" | "operating-system";
  readonly "bom-ref": string;
  readonly name: string;
  readonly version: string;
  readonly purl: string;
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[];
  readonly licenses?: readonly { readonly expression: string }[];
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
}

/**
 * The bill of materials of an image, in CycloneDX 1.5 (https://cyclonedx.org/docs/1.5/json/), with package URLs by which scanners find vulnerabilities. The licences of
 * Debian's packages are in the image, not here. Pure.
 */
export function sbom(input: SbomInput): unknown {
  const { version, architecture, time } = input;
  const image = `pkg:generic/weft@${version}?arch=${architecture}`;
  const components: readonly Component[] = [
    ...runtimes(input),
    ...input.npm.map(npmComponent),
    ...input.debian.map((one) => debianComponent(one, input.debianRelease)),
  ];
  return {
    $schema: "http://cyclonedx.org/schema/bom-1.5.schema.json",
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      timestamp: time.toISOString(),
      component: {
        type: "container",
        "bom-ref": image,
        name: "weft",
        version,
        purl: image,
        licenses: [{ license: { id: "Apache-2.0" } }],
      },
    },
    components,
    dependencies: [{ ref: image, dependsOn: components.map((component) => component["bom-ref"]) }],
  };
}

function runtimes({ node, bun }: SbomInput): readonly Component[] {
  return [
    application("node", node, `pkg:github/nodejs/node@v${node}`),
    application("bun", bun, `pkg:github/oven-sh/bun@bun-v${bun}`),
  ];
}

function application(name: string, version: string, purl: string): Component {
  return { type: "application", "bom-ref": purl, name, version, purl, licenses: [{ expression: "MIT" }] };
}

function npmComponent({ name, version, license, integrity }: NpmPackage): Component {
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return {
    type: "library",
    "bom-ref": purl,
    name,
    version,
    purl,
    ...(integrity === undefined ? {} : { hashes: [sha512(integrity)] }),
    licenses: [{ expression: license }],
  };
}

/** Subresource Integrity is base64, CycloneDX wants hexadecimal. */
function sha512(integrity: string): { readonly alg: string; readonly content: string } {
  return { alg: "SHA-512", content: Buffer.from(integrity.replace(/^sha512-/, ""), "base64").toString("hex") };
}

/** By purl-spec's type `deb`; `upstream` is how scanners find Debian's source package, by which its security tracker goes. */
function debianComponent(one: DebianPackage, release: string): Component {
  const [source = one.source] = one.source.split(" ");
  const qualifiers = `arch=${one.architecture}&distro=debian-${release}${source === one.name ? "" : `&upstream=${encodeURIComponent(source)}`}`;
  const purl = `pkg:deb/debian/${encodeURIComponent(one.name)}@${encodeURIComponent(one.version)}?${qualifiers}`;
  return { type: "library", "bom-ref": purl, name: one.name, version: one.version, purl };
}
