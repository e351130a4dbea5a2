# pada as an image: the service by default, any `pada` command otherwise.
#   docker build -t pada .                                            CUDA: torch's wheel for Linux brings its libraries
#   docker build -t pada --build-arg EXTRAS=postgres,hub --build-arg TORCH_INDEX=URL .
#                                                                     CPU: the index that pytorch.org names for CPU builds
#   Another base: --build-arg BASE=IMAGE; a Debian or Ubuntu with python3 (3.11 or newer) and python3-venv.
ARG BASE=python:3.12-slim-bookworm
FROM ${BASE} AS build
ARG EXTRAS=gpu,postgres,hub
ARG TORCH_INDEX=""
WORKDIR /opt/pada
COPY scripts/setup scripts/setup
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY app app
COPY graphs graphs
COPY pada pada
COPY prompts prompts
COPY trainer trainer
RUN PADA_CACHE=/tmp/models TORCH_INDEX=${TORCH_INDEX} scripts/setup "${EXTRAS}" && rm -rf /tmp/models \
    # a read-only root could not keep what Python compiles
    && .venv/bin/python -m compileall -q app graphs pada prompts trainer
# what is in the image, as CycloneDX: docker run --rm --entrypoint cat pada /opt/pada/sbom.json
RUN python3 -m venv /tmp/sbom && /tmp/sbom/bin/pip install --quiet --constraint requirements.lock cyclonedx-bom \
    && /tmp/sbom/bin/cyclonedx-py environment --output-reproducible --output-file sbom.json .venv/bin/python \
    && rm -rf /tmp/sbom

FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends tini && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --home-dir /home/pada --create-home pada \
    && install -d -o pada -g pada /data /models
COPY --from=build /opt/pada /opt/pada
# all that is written lies on the two volumes and in /tmp, so that the root may be read-only
ENV PATH=/opt/pada/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 \
    PADA_HOST=0.0.0.0 PADA_HOME=/data PADA_CACHE=/models HF_HOME=/models/hub
WORKDIR /data
VOLUME ["/data", "/models"]
USER pada
EXPOSE 8300
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8300/healthz', timeout=4)"]
ENTRYPOINT ["tini", "--", "pada"]
CMD ["serve"]
