# SPDX-License-Identifier: Apache-2.0
# lwq-coordinator and lwq, without LibTorch, shell or package manager:
#   docker build -f docker/coordinator.Dockerfile -t lwq-coordinator:0.1.0 .
# scripts/images builds it without a Docker daemon, and twice, to see that the digest is the same.
ARG DEBIAN=docker.io/library/debian:bookworm-slim
FROM ${DEBIAN} AS compile
WORKDIR /src
COPY . .
RUN apt-get update && scripts/setup --programs --preset no-worker

FROM scratch AS programs
COPY --from=compile /src/build/no-worker/bin/lwq-coordinator /src/build/no-worker/bin/lwq /

FROM ${DEBIAN} AS pack
ENV DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=0
COPY docker/packages/coordinator /packages
RUN apt-get update && xargs apt-get install -y --no-install-recommends </packages
COPY docker/pack_runtime /
COPY --from=programs / /programs/
RUN /pack_runtime /image /programs/lwq-coordinator /programs/lwq

FROM scratch
COPY --from=pack /image/ /
LABEL org.opencontainers.image.title="lwq-coordinator" \
      org.opencontainers.image.description="Coordinator and client of LayerWise-QAT" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
USER 10001:10001
WORKDIR /var/lib/lwq
EXPOSE 7070 7071 7072 8080 9464
ENTRYPOINT ["/usr/bin/lwq-coordinator"]
