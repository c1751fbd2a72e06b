// SPDX-License-Identifier: Apache-2.0

import { SIGNER } from "../../api/certificates.ts";
import { informer } from "../../kube/informer.ts";
import type { Kube } from "../../kube/kube.ts";
import { CERTIFICATE_REQUESTS } from "../../kube/resources.ts";
import type { CertificateRequest } from "../../kube/types.ts";
import { waitFor } from "../../kube/wait.ts";
import { certificatesIn } from "../../pki/certificate.ts";
import type { Clock } from "../../time/clock.ts";

/**
 * Why a certificate was not issued: `denied` by the signer, with its message; `gone`: the request was deleted before
 * it was answered.
 */
export type RequestErrorCode = "denied" | "gone";

/** Rejection of {@link requestCertificate}, besides KubeError. */
class CertificateRequestError extends Error {
  override readonly name = "CertificateRequestError";
  readonly code: RequestErrorCode;

  constructor(code: RequestErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Dependencies of {@link requestCertificate}. */
export interface RequestDependencies {
  readonly kube: Kube;
  readonly clock: Clock;
  /** Aborts the wait. */
  readonly signal: AbortSignal;
}

/**
 * Requests a certificate from Weft's signer by a CertificateSigningRequest and waits for the answer while the request
 * exists: a day if the controller is down. Resolves with the certificate in PEM. `request`: PKCS #10 in PEM.
 */
export async function requestCertificate(deps: RequestDependencies, node: string, request: string): Promise<string> {
  const { kube, clock, signal } = deps;
  const made = await kube.create<CertificateRequest>(
    CERTIFICATE_REQUESTS,
    {
      metadata: { generateName: `weft-${node}-` },
      spec: {
        request: Buffer.from(request, "utf8").toString("base64"),
        signerName: SIGNER,
        usages: ["digital signature", "client auth"],
      },
    },
    { signal },
  );
  const { name } = made.metadata;
  const requests = informer<CertificateRequest>(kube, CERTIFICATE_REQUESTS, {
    fieldSelector: `metadata.name=${name}`,
    project: (object) => object,
    clock,
  });
  requests.start();
  try {
    await requests.whenSynced(signal);
    return await waitFor(requests, name, (found) => answerIn(found, name), signal);
  } finally {
    await requests.stop();
  }
}

/** The certificate; undefined while there is no answer. Throws CertificateRequestError. */
function answerIn(request: CertificateRequest | undefined, name: string): string | undefined {
  if (request === undefined)
    throw new CertificateRequestError("gone", `the request ${name} was deleted before it was answered`);
  const refusal = request.status?.conditions?.find(({ type }) => type === "Denied" || type === "Failed");
  if (refusal !== undefined)
    throw new CertificateRequestError("denied", `the request ${name} was denied: ${refusal.message ?? refusal.reason}`);
  return certificatesIn(Buffer.from(request.status?.certificate ?? "", "base64").toString("utf8"))[0];
}
