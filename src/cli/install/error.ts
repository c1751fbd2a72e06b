// SPDX-License-Identifier: Apache-2.0

/**
 * Why an installation or its removal ended early.
 *
 * - `no-chart`: this program has no chart
 * - `no-helm`: there is no helm, or only an unsuitable one
 * - `helm-failed`: helm ended with an error
 * - `refused`: a check failed, or the network is in use; nothing was changed
 * - `not-ready`: what was installed is not ready
 * - `incomplete`: something could not be removed
 */
export type InstallErrorCode = "no-chart" | "no-helm" | "helm-failed" | "refused" | "not-ready" | "incomplete";

/** The error of `install` and `uninstall`; its message is shown to users. */
export class InstallError extends Error {
  override readonly name = "InstallError";
  readonly code: InstallErrorCode;

  constructor(code: InstallErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
