# The search page.
ARG PYTHON_IMAGE=python:3.11-slim-bookworm
FROM ${PYTHON_IMAGE} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
COPY requirements/ui.lock /tmp/ui.lock
RUN python -m venv --without-pip /opt/akin \
 && pip --python /opt/akin/bin/python install -q --no-deps --require-hashes -r /tmp/ui.lock \
 && rm -rf /opt/akin/lib/python3.11/site-packages/numpy/*/tests /opt/akin/lib/python3.11/site-packages/pandas/tests
COPY akin/__init__.py /opt/akin/src/akin/__init__.py
COPY akin/settings /opt/akin/src/akin/settings
COPY akin/edge /opt/akin/src/akin/edge
COPY gradio_ui /opt/akin/src/gradio_ui
RUN PYTHONPATH=/opt/akin/src /opt/akin/bin/python -m gradio_ui.katex_files \
 && chmod -R a+rX /opt/akin/src && python -m compileall -q /opt/akin/src

FROM ${PYTHON_IMAGE}
RUN useradd --uid 10001 --no-create-home --home-dir /tmp akin
COPY --from=build /opt/akin /opt/akin
ENV PATH=/opt/akin/bin:$PATH PYTHONPATH=/opt/akin/src PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    AKIN_UI_HOST=0.0.0.0 AKIN_SERVICE_URL=http://retrieval:8080 GRADIO_ANALYTICS_ENABLED=False
USER 10001:10001
WORKDIR /tmp
EXPOSE 7860
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:7860/', timeout=4)"]
CMD ["python", "-m", "gradio_ui"]
ARG REVISION=unknown
ARG VERSION=0.1.0
ARG SOURCE=unknown
ARG LICENSE=Apache-2.0
LABEL org.opencontainers.image.title="akin-ui" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="$LICENSE"
