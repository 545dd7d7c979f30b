# SPDX-License-Identifier: Apache-2.0
# lwq-worker for NVIDIA GPUs (compute capability 8.0 and 8.9: A100, L4), with LibTorch 2.15 and CUDA 13.2 from PyPI's official
# wheels. The driver comes from the node. It needs a GPU to be of use and has not been run on one.
# The wheels are mounted into the other stages: 4 GB that need not be copied.
ARG DEBIAN=docker.io/library/debian:bookworm-slim
FROM ${DEBIAN} AS wheels
ENV DEBIAN_FRONTEND=noninteractive
RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-pip
# pip's own settings, for wheels from elsewhere than PyPI.
ARG PIP_NO_INDEX
ARG PIP_FIND_LINKS
COPY docker/install_torch docker/torch-cuda.txt /
RUN /install_torch /opt/torch

FROM ${DEBIAN} AS compile
WORKDIR /src
COPY . .
RUN scripts/setup --packages --preset no-worker
RUN --mount=type=bind,from=wheels,source=/opt/torch,target=/opt/torch docker/compile_cuda /opt/torch build/cuda

FROM scratch AS programs
COPY --from=compile /src/build/cuda/bin/lwq-worker /

FROM ${DEBIAN} AS pack
ENV DEBIAN_FRONTEND=noninteractive SOURCE_DATE_EPOCH=0
COPY docker/packages/worker-cuda /packages
RUN apt-get update && xargs apt-get install -y --no-install-recommends </packages
COPY docker/pack_runtime /
COPY --from=programs / /programs/
# Left out: the compiler, and what programs in Python alone load.
RUN --mount=type=bind,from=wheels,source=/opt/torch,target=/opt/torch \
    /pack_runtime /image /programs/lwq-worker --wheels /opt/torch \
    --leave-out 'nvidia/cu13/nvvm/*' 'torch/_C*' 'functorch/*' 'torch/lib/libtorch_python.so'

FROM scratch
COPY --from=pack /image/ /
LABEL org.opencontainers.image.title="lwq-worker-cuda" \
      org.opencontainers.image.description="Worker of LayerWise-QAT for NVIDIA GPUs" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
# What the container toolkit mounts, and where GKE puts the driver.
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64 OMP_WAIT_POLICY=passive
USER 10001:10001
WORKDIR /var/cache/lwq
EXPOSE 9464
ENTRYPOINT ["/usr/bin/lwq-worker"]
