# wsi-haloae without an installation. How to run it: docs/containers.md.
#
#     docker build -t wsi-haloae .                                # for processors
#     docker build -t wsi-haloae:cuda --build-arg TORCH=cuda .    # for NVIDIA GPUs
ARG PYTHON=3.11

FROM python:${PYTHON}-slim-bookworm AS build
ARG TORCH=cpu
WORKDIR /source
COPY . .
RUN --mount=type=cache,target=/root/.cache/uv sh containers/install.sh /opt/wsi-haloae "${TORCH}"

FROM python:${PYTHON}-slim-bookworm
LABEL org.opencontainers.image.title="wsi-haloae" \
      org.opencontainers.image.description="Anomaly heatmaps for whole-slide histopathology. For research only." \
      org.opencontainers.image.version="0.2.0" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /opt/wsi-haloae /opt/wsi-haloae
# Whoever runs it may have any number ("docker run --user"); PyTorch and Matplotlib need a home that they can write to.
RUN useradd --uid 1000 --create-home haloae && chmod 1777 /home/haloae
ENV PATH=/opt/wsi-haloae/bin:$PATH HOME=/home/haloae
USER 1000
WORKDIR /work
ENTRYPOINT ["wsi-haloae"]
CMD ["--help"]
