// SPDX-License-Identifier: Apache-2.0

/** Names by which the parts of Weft find certificates; see docs/design/security.md. */

/** The signer that nodes ask for certificates (certificates.k8s.io); Kube-OVN's name. */
export const SIGNER = "kubeovn.io/signer";
/** In the extra fields of a request's author: the node of the pod that the token is bound to (Kubernetes 1.30). */
export const TOKEN_NODE = "authentication.kubernetes.io/node-name";
/** The daemon's account. */
export const DAEMON_ACCOUNT = "kube-ovn-cni";

/** Label of what the controller has made; what an administrator or cert-manager has made is left alone at a removal. */
export const MADE_BY_CONTROLLER = { "app.kubernetes.io/managed-by": "weft-controller" } as const;

/** The Secret of the authority that signs ovn-central's and the controller's certificates. */
export const CENTRAL_CA = "weft-central-ca";
/** The Secret of the authority that signs the nodes'. */
export const NODE_CA = "weft-node-ca";
/** The Secret with ovn-central's certificate: {@link CERTIFICATE_FILE}, {@link TRUST_FILE}, {@link NODE_TRUST_FILE}. */
export const CENTRAL_SECRET = "weft-central";
/** The ConfigMap with what all trust, under {@link TRUST_FILE}. */
export const TRUST = "weft-trust";

/** Key and certificate in one file, so that Open vSwitch, which looks at each alone, sees both change at once. */
export const CERTIFICATE_FILE = "tls.pem";
/** The authorities that sign servers' certificates, and clients' of the northbound database. */
export const TRUST_FILE = "ca.pem";
/** In {@link TRUST}: the authority that signs nodes' certificates now. */
export const NODE_ISSUER = "node-issuer.pem";
/** The authorities that sign clients' certificates of the southbound database: the same, and the nodes'. */
export const NODE_TRUST_FILE = "ca-nodes.pem";
