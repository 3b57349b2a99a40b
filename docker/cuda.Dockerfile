# cyclegan-jax on NVIDIA GPUs. From the repository's root:
#
#   docker build -f docker/cuda.Dockerfile -t cyclegan-jax:cuda .
#   docker run --rm --gpus all -v "$PWD:/work" cyclegan-jax:cuda train --config streets
#
# The host needs NVIDIA's driver and the NVIDIA Container Toolkit. CUDA itself comes with the wheels of jax[cuda13].
# tests/test_dockerfiles.py compares this file with cpu.Dockerfile.
FROM python:3.13-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY configs ./configs
COPY cyclegan_jax ./cyclegan_jax
RUN python -m pip install --no-cache-dir '.[cuda]' && \
    cyclegan-jax --version

# Makes the toolkit mount the driver's compute library, and nvidia-smi.
ENV NVIDIA_VISIBLE_DEVICES=all
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility

# Runs, data sets and compiled programs go to the mounted folder, also with --user, where no other folder is writable.
WORKDIR /work
ENV HOME=/work
ENTRYPOINT ["cyclegan-jax"]
CMD ["--help"]
