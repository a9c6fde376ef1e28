# The retrieval service and the command line that builds its snapshots; LOCK=service-gpu installs FAISS for GPUs.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ARG LOCK=service
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/${LOCK}.lock /tmp/service.lock
RUN python -m venv --without-pip /opt/akin \
 && pip --python /opt/akin/bin/python install -q --no-deps --require-hashes -r /tmp/service.lock \
 && rm -rf /opt/akin/lib/python3.11/site-packages/numpy/*/tests
COPY retrieval_service /opt/akin/src/retrieval_service
COPY akin /opt/akin/src/akin
RUN chmod -R a+rX /opt/akin/src && python -m compileall -q /opt/akin/src \
 && printf '#!/bin/sh\nexec /opt/akin/bin/python -m akin "$@"\n' > /opt/akin/bin/akin && chmod +x /opt/akin/bin/akin

FROM ${PYTHON_IMAGE}
# The same user in every image, as they share volumes; a new volume gets its owner from these folders.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp akin && install -d -o akin -g akin /data /models
COPY --from=build /opt/akin /opt/akin
ENV PATH=/opt/akin/bin:$PATH PYTHONPATH=/opt/akin/src PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    AKIN_DATA=/data AKIN_MODEL_REPOSITORY=/models AKIN_SERVICE_HOST=0.0.0.0
USER 10001:10001
WORKDIR /data
EXPOSE 8080 8081
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8080/health/ready', timeout=4)"]
# AKIN_SNAPSHOT_SOURCE fetches a snapshot first (docs/cloud.md).
CMD ["python", "-m", "akin.start", "snapshot", "python", "-m", "retrieval_service"]
ARG REVISION=unknown
ARG VERSION=0.1.0
ARG SOURCE=unknown
ARG LICENSE=Apache-2.0
LABEL org.opencontainers.image.title="akin-retrieval" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="$LICENSE"
