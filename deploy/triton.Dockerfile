# Triton on a CPU: the server from its PyPI wheel, and the Python environment that runs the encoder in it.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/tritonserver.lock requirements/triton.lock /tmp/
# Remove the stubs and the library of other Pythons, and OpenVINO's plugins for other devices.
RUN python -m venv --without-pip /opt/triton/python \
 && pip --python /opt/triton/python/bin/python install -q --no-deps --require-hashes -r /tmp/triton.lock \
 && pip install -q --no-deps --require-hashes --target /opt/triton/server -r /tmp/tritonserver.lock \
 && cd /opt/triton/server/pytriton/tritonserver/python_backend_stubs && find . -mindepth 1 -maxdepth 1 ! -name 3.11 -exec rm -r {} + \
 && rm -f /opt/triton/server/nvidia_pytriton.libs/libpython3* \
 && cd /opt/triton/python/lib/python3.11/site-packages \
 && rm -rf numpy/*/tests openvino/libs/libopenvino_intel_gpu_plugin.so openvino/libs/libopenvino_intel_npu_plugin.so \
    openvino/libs/cache.json
COPY akin /opt/triton/src/akin
RUN chmod -R a+rX /opt/triton/src && python -m compileall -q /opt/triton/src

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --no-create-home --home-dir /tmp akin && install -d -o akin -g akin /models
COPY --from=build /opt/triton /opt/triton
ENV PATH=/opt/triton/python/bin:$PATH PYTHONPATH=/opt/triton/src PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    AKIN_TRITON_HOME=/opt/triton AKIN_MODEL_REPOSITORY=/models AKIN_DATA=/tmp/akin AKIN_TRITON_HOST=0.0.0.0 \
    AKIN_TRITON_HTTP_HOST=127.0.0.1
USER 10001:10001
WORKDIR /tmp
# HTTP is only for the health check below: this server has known flaws there (SECURITY.md).
EXPOSE 8001 8002
HEALTHCHECK --interval=15s --timeout=5s --start-period=120s \
  CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8000/v2/models/text_encoder/ready', timeout=4)"]
# AKIN_MODELS_SOURCE fetches the models first (docs/cloud.md).
CMD ["python", "-m", "akin.start", "models", "python", "-m", "akin.stack.foreground"]
ARG REVISION=unknown
ARG VERSION=0.1.0
ARG SOURCE=unknown
ARG LICENSE=Apache-2.0
LABEL org.opencontainers.image.title="akin-triton" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="$LICENSE"
