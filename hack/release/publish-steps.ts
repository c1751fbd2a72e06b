// SPDX-License-Identifier: Apache-2.0

import { PLATFORMS } from "../build/cli.ts";
import { HostError } from "../host/error.ts";
import { cliFile } from "./cli.ts";
import { imageFile } from "./images.ts";

/** What is published. */
export interface PublishInput {
  readonly version: string;
  /** Without a tag, in lower case, as registries want it: `ghcr.io/owner/weft`. */
  readonly repository: string;
  /** Names of the files in the folder of the release. */
  readonly files: readonly string[];
}

/** A command that is run in the folder of the release. `{digest}` in an argument is what the step with that `output` printed. */
export interface PublishStep {
  readonly command: string;
  readonly args: readonly string[];
  readonly output?: "digest";
}

/**
 * What publishing consists of, in its order: what others refer to comes first, and what people see, the release on GitHub, last and as a draft. Pure. Throws HostError
 * `unsupported` where an artefact is missing, for half a release is worse than none.
 */
export function publishSteps({ version, repository, files }: PublishInput): readonly PublishStep[] {
  const architectures = ["amd64", "arm64"] as const;
  const needed = [
    ...architectures.map((arch) => imageFile(version, arch)),
    ...PLATFORMS.map(cliFile),
    `weft-${version}.tgz`,
    `weft-install-${version}.yaml`,
    `weft-crds-${version}.yaml`,
    `weft-notes-${version}.md`,
    "SHA256SUMS",
  ];
  const lacking = needed.filter((name) => !files.includes(name));
  if (lacking.length > 0) throw new HostError("unsupported", `not published: missing ${lacking.join(", ")}`);
  const image = `${repository}:${version}`;
  const charts = `oci://${repository.slice(0, repository.lastIndexOf("/"))}/charts`;
  const bundle = "SHA256SUMS.sigstore.json";
  const assets = files.filter((name) => name.startsWith("weft")).sort();
  const prerelease = version.includes("-") ? ["--prerelease"] : [];
  return [
    ...architectures.map((arch) => ({
      command: "skopeo",
      args: ["copy", `oci-archive:${imageFile(version, arch)}`, `docker://${image}-${arch}`],
    })),
    {
      command: "docker",
      args: ["buildx", "imagetools", "create", "--tag", image, ...architectures.map((arch) => `${image}-${arch}`)],
    },
    {
      command: "docker",
      args: ["buildx", "imagetools", "inspect", image, "--format", "{{.Manifest.Digest}}"],
      output: "digest",
    },
    { command: "cosign", args: ["sign", "--yes", "--recursive", `${repository}@{digest}`] },
    { command: "helm", args: ["push", `weft-${version}.tgz`, charts] },
    // One signature for all files, over their checksums.
    { command: "cosign", args: ["sign-blob", "--yes", "--bundle", bundle, "SHA256SUMS"] },
    {
      command: "gh",
      args: [
        ...["release", "create", `v${version}`, "--draft", "--verify-tag", ...prerelease],
        ...["--title", `Weft ${version}`, "--notes-file", `weft-notes-${version}.md`],
        ...[...assets, "SHA256SUMS", bundle],
      ],
    },
  ];
}
