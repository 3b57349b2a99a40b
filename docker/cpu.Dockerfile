# cyclegan-jax on CPU. From the repository's root:
#
#   docker build -f docker/cpu.Dockerfile -t cyclegan-jax .
#   docker run --rm -v "$PWD:/work" cyclegan-jax train --config streets
#
# tests/test_dockerfiles.py runs these steps without Docker; it knows FROM, WORKDIR, ENV, COPY, RUN, ENTRYPOINT and CMD.
FROM python:3.13-slim

WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY configs ./configs
COPY cyclegan_jax ./cyclegan_jax
RUN python -m pip install --no-cache-dir . && \
    cyclegan-jax --version

# Runs, data sets and compiled programs go to the mounted folder, also with --user, where no other folder is writable.
WORKDIR /work
ENV HOME=/work
ENTRYPOINT ["cyclegan-jax"]
CMD ["--help"]
