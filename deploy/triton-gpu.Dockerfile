# Triton on an NVIDIA GPU: NVIDIA's image, with the packages that `text_encoder` needs to call the model `encoder`.
ARG TRITON_IMAGE=nvcr.io/nvidia/tritonserver:26.10-py3
FROM ${TRITON_IMAGE} AS build
USER root
COPY requirements/triton-gpu.lock /tmp/triton-gpu.lock
# NumPy is not installed: the image's Python backend was compiled against the image's own NumPy.
RUN python3 -m pip install -q --no-cache-dir --no-compile --no-deps --require-hashes --target /opt/akin/packages -r /tmp/triton-gpu.lock
COPY akin /opt/akin/src/akin
RUN chmod -R a+rX /opt/akin/src && python3 -m compileall -q /opt/akin

FROM ${TRITON_IMAGE}
USER root
# A path file, as the Python that Triton starts for a model ignores PYTHONPATH.
RUN useradd --uid 10001 --no-create-home --home-dir /tmp akin && install -d -o akin /models /var/cache/akin/tensorrt \
 && printf '/opt/akin/packages\n/opt/akin/src\n' > "$(python3 -c 'import site; print(site.getsitepackages()[0])')/akin.pth"
COPY --from=build /opt/akin /opt/akin
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    AKIN_TRITON_HOME=/opt/tritonserver AKIN_MODEL_REPOSITORY=/models AKIN_DATA=/tmp/akin AKIN_TRITON_HOST=0.0.0.0 \
    AKIN_TRITON_HTTP_HOST=127.0.0.1 AKIN_ENCODER_INNER=encoder
USER 10001:10001
WORKDIR /tmp
EXPOSE 8001 8002
# At the first load of the model TensorRT builds its engine, which takes minutes.
HEALTHCHECK --interval=15s --timeout=5s --start-period=900s \
  CMD ["python3", "-c", "import urllib.request as u; u.build_opener(u.ProxyHandler({})).open('http://127.0.0.1:8000/v2/models/text_encoder/ready', timeout=4)"]
# AKIN_MODELS_SOURCE fetches the models first (docs/cloud.md).
CMD ["python3", "-m", "akin.start", "models", "python3", "-m", "akin.stack.foreground"]
ARG REVISION=unknown
ARG VERSION=0.1.0
ARG SOURCE=unknown
ARG LICENSE=Apache-2.0
LABEL org.opencontainers.image.title="akin-triton-gpu" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.source="$SOURCE" \
      org.opencontainers.image.licenses="$LICENSE"
