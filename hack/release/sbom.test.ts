// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { sbom } from "./sbom.ts";

const INPUT = {
  version: "1.2.3",
  architecture: "arm64",
  debianRelease: "13",
  node: "24.1.0",
  bun: "1.4.0",
  npm: [{ name: "@a/b", version: "1.0.0", license: "MIT", integrity: "sha512-AAEC" }],
  debian: [
    { name: "ovn-central", version: "25.03.0-1", architecture: "arm64", source: "ovn (25.03.0)" },
    { name: "libstdc++6", version: "1:14.2.0-19", architecture: "arm64", source: "libstdc++6" },
  ],
  time: new Date(0),
};
const components = (sbom(INPUT) as { readonly components: readonly Record<string, unknown>[] }).components;

t.test("each thing in the image is in its bill of materials, by package URL", (t) => {
  t.strictSame(
    components.map(({ purl }) => purl),
    [
      "pkg:github/nodejs/node@v24.1.0",
      "pkg:github/oven-sh/bun@bun-v1.4.0",
      "pkg:npm/%40a/b@1.0.0",
      "pkg:deb/debian/ovn-central@25.03.0-1?arch=arm64&distro=debian-13&upstream=ovn",
      "pkg:deb/debian/libstdc%2B%2B6@1%3A14.2.0-19?arch=arm64&distro=debian-13",
    ],
  );
  t.strictSame(components[2]?.["hashes"], [{ alg: "SHA-512", content: "000102" }]);
  t.end();
});

t.test("the same input gives the same document, and all it names is in it", (t) => {
  t.equal(JSON.stringify(sbom(INPUT)), JSON.stringify(sbom({ ...INPUT })));
  const { dependencies, metadata } = sbom(INPUT) as {
    readonly dependencies: readonly { readonly ref: string; readonly dependsOn: readonly string[] }[];
    readonly metadata: { readonly timestamp: string };
  };
  t.equal(metadata.timestamp, "1970-01-01T00:00:00.000Z");
  t.strictSame(
    dependencies[0]?.dependsOn,
    components.map((component) => component["bom-ref"]),
  );
  t.end();
});
