// SPDX-License-Identifier: Apache-2.0

import { CONTROLLERS } from "./contexts/controllers.ts";
import { NAMESPACE_CONTEXT } from "./contexts/namespace.ts";
import { SERVER_PODS } from "./contexts/pods.ts";
import { SERVICE_CONTEXT } from "./contexts/service.ts";
import { CLOCK_JUMP } from "./faults/clock-jump.ts";
import { COMMAND } from "./faults/command.ts";
import { CRASH } from "./faults/crash.ts";
import { FLAP } from "./faults/flap.ts";
import { FULL_DISK } from "./faults/full-disk.ts";
import { NOTHING } from "./faults/nothing.ts";
import { OLD_BACKUP } from "./faults/old-backup.ts";
import { PARTITION } from "./faults/partition.ts";
import { randomOf } from "./faults/random.ts";
import { RESET_CONNECTIONS } from "./faults/reset-connections.ts";
import { HANG, KILL, RESTART } from "./faults/service.ts";
import { AT_ITERATION } from "./hooks/at-iteration.ts";
import { AT_TIME } from "./hooks/at-time.ts";
import type { Registry } from "./registry.ts";
import { HTML_REPORT } from "./report/html.ts";
import { JSON_REPORT } from "./report/json.ts";
import { JUNIT_REPORT } from "./report/junit.ts";
import { CONSTANT } from "./runners/constant.ts";
import { CONSTANT_FOR_DURATION } from "./runners/constant-for-duration.ts";
import { RANDOM_TIMES } from "./runners/random-times.ts";
import { RPS } from "./runners/rps.ts";
import { SERIAL } from "./runners/serial.ts";
import { DNS } from "./scenarios/dns.ts";
import { HTTP } from "./scenarios/http.ts";
import { PING } from "./scenarios/ping.ts";
import { POD_CHURN } from "./scenarios/pod-churn.ts";
import { POLICY_EDITS } from "./scenarios/policy-edits.ts";
import { STREAM } from "./scenarios/stream.ts";
import { DEGRADATION } from "./sla/degradation.ts";
import { DOWNTIME, FAILURE_RATE, FAILURES, FIRST_READY, FIRST_SUCCESS, LONGEST_GAP, RECOVERY } from "./sla/limits.ts";
import { MAX_SECONDS_PER_ITERATION } from "./sla/max-seconds.ts";
import { KUBECONFIG } from "./targets/kubeconfig.ts";
import { LAB } from "./targets/lab.ts";
import { CONVERGED } from "./verify/converged.ts";
import { EXTERNAL_VERIFIER } from "./verify/external.ts";
import { NO_DUPLICATES } from "./verify/no-duplicates.ts";
import { NO_LEAKS } from "./verify/no-leaks.ts";
import { PODS_READY } from "./verify/pods-ready.ts";

/** Faults that words can name. */
const WORDED = [KILL, RESTART, HANG, CRASH, PARTITION];

/** The plugins that tasks may name. A new plugin is a file and a line here. */
export const BUILT_IN_PLUGINS: Registry = {
  contexts: [CONTROLLERS, NAMESPACE_CONTEXT, SERVER_PODS, SERVICE_CONTEXT],
  scenarios: [PING, HTTP, STREAM, DNS, POD_CHURN, POLICY_EDITS],
  runners: [SERIAL, CONSTANT, CONSTANT_FOR_DURATION, RPS, RANDOM_TIMES],
  triggers: [AT_TIME, AT_ITERATION],
  faults: [
    ...WORDED,
    NOTHING,
    FLAP,
    FULL_DISK,
    CLOCK_JUMP,
    OLD_BACKUP,
    RESET_CONNECTIONS,
    COMMAND,
    randomOf(() => WORDED),
  ],
  slas: [
    FAILURES,
    FAILURE_RATE,
    LONGEST_GAP,
    DOWNTIME,
    RECOVERY,
    FIRST_SUCCESS,
    FIRST_READY,
    DEGRADATION,
    MAX_SECONDS_PER_ITERATION,
  ],
  verifiers: [NO_LEAKS, NO_DUPLICATES, PODS_READY, CONVERGED, EXTERNAL_VERIFIER],
  targets: [LAB, KUBECONFIG],
  reports: [JSON_REPORT, HTML_REPORT, JUNIT_REPORT],
};
