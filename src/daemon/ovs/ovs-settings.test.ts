// SPDX-License-Identifier: Apache-2.0

import t from "tap";
import { parseOvsSettings, readOvsSettings } from "./ovs-settings.ts";

t.test("the settings that start-ovs recorded are read, and none without a file", async (t) => {
  t.same(parseOvsSettings("ovn-remote=tcp:[fd00::1]:6642\nsystem-id=a=b\n\n=x\n"), {
    "ovn-remote": "tcp:[fd00::1]:6642",
    "system-id": "a=b",
  });
  t.same(readOvsSettings("/nonexistent/weft-settings"), {});
});
