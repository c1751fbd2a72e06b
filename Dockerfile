# syntax=docker/dockerfile:1
# SPDX-License-Identifier: Apache-2.0
# The image of all of Weft's workloads, for amd64 and arm64:
#
#   docker buildx build --platform linux/amd64,linux/arm64 --tag REGISTRY/weft:VERSION .
#
# hack/image makes the same content without Docker, from the same list of packages and the same entry points
# (hack/image/image.test.ts compares them).

# As in package-lock.json.
ARG NODE_VERSION=24.21.0
# Of hack/image/base.ts; "sid" has the newest OVS and OVN.
ARG DEBIAN_SUITE=trixie

# On the builder's own architecture, whatever the target: bun and npm cross-build.
FROM --platform=$BUILDPLATFORM node:${NODE_VERSION}-trixie-slim AS build
ARG TARGETARCH
WORKDIR /src
COPY . .
RUN hack/with-deps node hack/build/main.ts --arch "$TARGETARCH"

FROM node:${NODE_VERSION}-trixie-slim AS node

FROM debian:${DEBIAN_SUITE}-slim
ARG TARGETARCH
RUN --mount=type=bind,source=hack/image,target=/mnt \
    apt-get update \
    && sed 's/#.*//' /mnt/packages.txt | DEBIAN_FRONTEND=noninteractive xargs apt-get install --yes --no-install-recommends \
    && sh /mnt/strip.sh /
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY hack/image/root/ /
COPY LICENSE NOTICE /usr/share/doc/weft/
COPY --from=build /src/dist/bin/weft-cni-${TARGETARCH} /opt/weft/bin/weft-cni
COPY --from=build /src/dist/lib/ /opt/weft/lib/
COPY --from=build /src/dist/page/ /opt/weft/page/
CMD ["bash"]
