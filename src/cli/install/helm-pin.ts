// SPDX-License-Identifier: Apache-2.0

/** The release of helm that is downloaded if there is none: the one that the tests install with. */
export const HELM_VERSION = "v3.22.0";

/**
 * SHA-256 of `helm-VERSION-OS-ARCH.tar.gz`, as the release's notes state them
 * (https://github.com/helm/helm/releases/tag/v3.22.0).
 */
export const HELM_SHA256: Readonly<Record<string, string>> = {
  "linux-amd64": "1e4ab49e429626cf6c6958d914248b78c9730803c2751b87627e171dc800e7bb",
  "linux-arm64": "f14e804dfee240f55525b667488fe9adca349e63e00c9af634c0beb1421ac310",
  "darwin-amd64": "bd1d09f316558dda23698527859600936fed1371021ce0f2272d66b2fdcfa69c",
  "darwin-arm64": "4c9982a6cdeb458b60258df66b55398ca5b19293f6877faffe2909ad6f23dfe0",
};

/** helm's own name of this machine: `linux-amd64`. */
export function helmPlatform(platform: string = process.platform, arch: string = process.arch): string {
  return `${platform}-${arch === "x64" ? "amd64" : arch}`;
}
