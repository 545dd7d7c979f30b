# SPDX-License-Identifier: Apache-2.0
# lwq-worker for CPUs, with Debian's LibTorch 1.13; otherwise as docker/coordinator.Dockerfile.
ARG DEBIAN=docker.io/library/debian:bookworm-slim
FROM ${DEBIAN} AS compile
WORKDIR /src
COPY . .
RUN apt-get update && scripts/setup --programs --preset release

FROM scratch AS programs
COPY --from=compile /src/build/release/bin/lwq-worker /

FROM ${DEBIAN} AS pack
ENV DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=0
COPY docker/packages/worker-cpu /packages
RUN apt-get update && xargs apt-get install -y --no-install-recommends </packages
COPY docker/pack_runtime /
COPY --from=programs / /programs/
RUN /pack_runtime /image /programs/lwq-worker

FROM scratch
COPY --from=pack /image/ /
LABEL org.opencontainers.image.title="lwq-worker-cpu" \
      org.opencontainers.image.description="Worker of LayerWise-QAT for CPUs" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# From the start, so that the worker need not start itself again with it.
ENV OMP_WAIT_POLICY=passive
USER 10001:10001
WORKDIR /var/cache/lwq
EXPOSE 9464
ENTRYPOINT ["/usr/bin/lwq-worker"]
