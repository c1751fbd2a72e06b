// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { publishSteps } from "./publish-steps.ts";

const FILES = [
  "SHA256SUMS",
  "weft-1.2.3.tgz",
  "weft-crds-1.2.3.yaml",
  "weft-image-1.2.3-linux-amd64.tar",
  "weft-image-1.2.3-linux-arm64.tar",
  "weft-install-1.2.3.yaml",
  "weft-notes-1.2.3.md",
  "weftctl-darwin-amd64",
  "weftctl-darwin-arm64",
  "weftctl-linux-amd64",
  "weftctl-linux-arm64",
];
const lines = (version: string): readonly string[] =>
  publishSteps({
    version,
    repository: "ghcr.io/owner/weft",
    files: FILES.map((name) => name.replace("1.2.3", version)),
  }).map(({ command, args }) => [command, ...args].join(" "));

t.test("images go before the list that names them, which is signed by its digest, and the release comes last", (t) => {
  t.strictSame(lines("1.2.3"), [
    "skopeo copy oci-archive:weft-image-1.2.3-linux-amd64.tar docker://ghcr.io/owner/weft:1.2.3-amd64",
    "skopeo copy oci-archive:weft-image-1.2.3-linux-arm64.tar docker://ghcr.io/owner/weft:1.2.3-arm64",
    "docker buildx imagetools create --tag ghcr.io/owner/weft:1.2.3 ghcr.io/owner/weft:1.2.3-amd64 ghcr.io/owner/weft:1.2.3-arm64",
    "docker buildx imagetools inspect ghcr.io/owner/weft:1.2.3 --format {{.Manifest.Digest}}",
    "cosign sign --yes --recursive ghcr.io/owner/weft@{digest}",
    "helm push weft-1.2.3.tgz oci://ghcr.io/owner/charts",
    "cosign sign-blob --yes --bundle SHA256SUMS.sigstore.json SHA256SUMS",
    `gh release create v1.2.3 --draft --verify-tag --title Weft 1.2.3 --notes-file weft-notes-1.2.3.md ${FILES.slice(1).join(" ")} SHA256SUMS SHA256SUMS.sigstore.json`,
  ]);
  t.end();
});

t.test("a version with a suffix is a pre-release", (t) => {
  t.match(lines("1.3.0-rc.1").at(-1), "--prerelease");
  t.end();
});

t.test("nothing is published where an artefact is missing", (t) => {
  for (const missing of FILES) {
    const files = FILES.filter((name) => name !== missing);
    t.throws(() => publishSteps({ version: "1.2.3", repository: "ghcr.io/owner/weft", files }), {
      code: "unsupported",
      message: `not published: missing ${missing}`,
    });
  }
  t.end();
});
